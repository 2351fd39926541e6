"""Sharpen a large raster within a memory limit, and measure processor time and peak memory of the process.

python -m benchmarks.big_image
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from crispseg.inference.memory import parse_memory

_COARSER, _STRIP = 8, 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 1 if the peak exceeds the limit."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        image, scores, labels = (Path(folder) / f"{name}.tif" for name in ("image", "scores", "labels"))
        _write(image, 3, options.side, "uint8")
        _write(scores, options.num_classes, -(-options.side // _COARSER), "float32")
        command = [sys.executable, "-m", "crispseg", "raster", str(image), "--predictions", str(scores)]
        start = time.perf_counter()
        subprocess.run([*command, "--output", str(labels), "--memory", options.memory], check=True)
        seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, processor = 1024 * used.ru_maxrss, used.ru_utime + used.ru_stime
    allowed = parse_memory(options.memory)
    print(
        f"{options.side}×{options.side} pixels, {options.num_classes} classes: {seconds:.0f} s, {processor:.0f} s of "
        f"processor time, {processor / (options.side**2 / 1e6):.2f} s for a megapixel"
    )
    print(f"peak {peak / 2**30:.2f} GiB of {allowed / 2**30:.2f} GiB")
    return int(peak > allowed)


def _write(path: Path, bands: int, side: int, dtype: str) -> None:
    """Write a raster of smooth noise strip by strip; only its size matters."""
    generator = np.random.default_rng(0)
    place = from_origin(0, 1, 1 / side, 1 / side)  # both rasters on the same square
    profile = {"driver": "GTiff", "width": side, "height": side, "count": bands, "dtype": dtype, "transform": place}
    with rasterio.open(path, "w", tiled=True, **profile) as dataset:
        for top in range(0, side, _STRIP):
            height = min(_STRIP, side - top)
            coarse = generator.random((bands, -(-height // 16), -(-side // 16)))
            strip = coarse.repeat(16, 1).repeat(16, 2)[:, :height, :side]
            values = 255 * strip if dtype == "uint8" else 6 * strip - 3
            dataset.write(values.astype(dtype), window=((top, top + height), (0, side)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.big_image", description=__doc__)
    parser.add_argument("--side", type=int, default=10_000, help="pixels (default: %(default)s)")
    parser.add_argument("--num-classes", type=int, default=21, help="(default: %(default)s)")
    parser.add_argument("--memory", default="2GiB", help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
