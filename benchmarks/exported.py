"""Compare an exported sharpener in onnxruntime with PyTorch: time, peak memory, differences and file size.

python -m benchmarks.exported
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from crispseg import Sharpener, Window
from crispseg.export import export_onnx
from crispseg.process_memory import forget_peak, is_counted, peak_bytes, resident_bytes

_RUNS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    sharpener = Sharpener.from_pretrained(window=Window(options.window), passes=options.passes)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, options.height, options.width, generator=generator)
    scores = 5 * torch.randn(1, options.num_classes, *(-(-side // 8) for side in image.shape[2:]), generator=generator)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / "sharpener.onnx"
        export_onnx(sharpener, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        given = {"image": image.numpy(), "scores": scores.numpy()}
        before = resident_bytes() if is_counted() else 0
        if is_counted():
            forget_peak()
        exported, exported_ms = _timed(lambda: np.asarray(session.run(None, given)[0]))
        peak = f"{(peak_bytes() - before) / 2**20:.0f} MiB above its inputs" if is_counted() else "not counted here"
        expected, expected_ms = _timed(lambda: sharpener(image, scores).numpy())
        print(f"file         {path.stat().st_size / 1e6:.2f} MB")
    print(f"onnxruntime  {exported_ms:.0f} ms, peak {peak}")
    print(f"PyTorch      {expected_ms:.0f} ms")
    print(f"differences  up to {np.abs(exported - expected).max():.1e}")
    return 0


def _timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the result of a call, and the median of its milliseconds after a warm-up run."""
    result, seconds = call(), []
    for _ in range(_RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return result, 1000 * statistics.median(seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exported", description=__doc__)
    for name, default in (("height", 360), ("width", 480), ("num-classes", 21), ("window", 9), ("passes", 25)):
        parser.add_argument(f"--{name}", type=int, default=default, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
