"""Compare the time of sharpening with joint and with bilinear upsampling of coarse scores, in turns.

python -m benchmarks.upsampling
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from crispseg import Sharpener
from crispseg.process_memory import keep_freed
from crispseg.scores import Upsampling

_SIZE, _COARSER = (360, 480), 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    keep_freed()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, *_SIZE, generator=generator)
    scores = 5 * torch.randn(1, options.num_classes, *(side // _COARSER for side in _SIZE), generator=generator)
    kinds: tuple[Upsampling, ...] = ("joint", "bilinear")
    sharpeners = {kind: Sharpener.from_pretrained(upsampling=kind).expecting("logits") for kind in kinds}
    times: dict[Upsampling, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with torch.inference_mode():
        for turn in range(options.turns + 1):
            for kind in kinds if turn % 2 else kinds[::-1]:
                times[kind].append(_timed(sharpeners[kind], image, scores))
    for kind, measured in times.items():
        step, whole = (statistics.median(column) for column in zip(*measured[1:], strict=True))
        print(f"{kind:8}  {step:5.1f} ms for upsampling and weights, {whole:5.1f} ms in all")
    return 0


def _timed(sharpener: Sharpener, image: Tensor, scores: Tensor) -> tuple[float, float]:
    """Time upsampling with weights (without features), and the whole sharpening, in milliseconds.

    The weights are included because PyTorch's threads keep spinning after a bilinear upsampling, and our kernels wait
    for them.
    """
    start = time.perf_counter()
    features, wide = sharpener.prepare(image, scores)
    prepared = time.perf_counter()
    shares = sharpener.upsample(image, wide, features)
    sharpener.weights(features, shares, sharpener.window[-1])
    weighed = time.perf_counter()
    sharpener.filter(shares.values, partial(sharpener.weights, features, shares))
    return 1000 * (weighed - prepared), 1000 * (time.perf_counter() - start)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upsampling", description=__doc__)
    parser.add_argument("--num-classes", type=int, default=11, help="(default: %(default)s)")
    parser.add_argument("--turns", type=int, default=60, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
