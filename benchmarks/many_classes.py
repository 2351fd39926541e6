"""Compare the time of sharpening a few classes with that of 150 classes of which 20 are present, in turns.

python -m benchmarks.many_classes
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

import torch

from benchmarks.inputs import MANY, PRESENT, class_scores, smooth_image
from crispseg import Sharpener
from crispseg.process_memory import keep_freed

_SIZE, _COARSER = (360, 480), 4
_WINDOWS, _PASSES = "5@64,5@16,5@8,5@4,5@2,5", 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    keep_freed()
    image = smooth_image(_SIZE)
    made = Sharpener.from_pretrained(window=_WINDOWS, passes=_PASSES, hardness=3.0, score_weight=0.5)
    everything = made.with_options(negligible=0)
    cases = {
        f"{count} classes": (made, class_scores(count, count if count <= 21 else PRESENT, _SIZE, _COARSER))
        for count in (11, 21, options.num_classes)
    }
    cases[f"{options.num_classes} classes, all filtered"] = everything, cases[f"{options.num_classes} classes"][1]
    times: dict[str, list[float]] = {name: [] for name in cases}
    with torch.inference_mode():
        features = made.features(image)
        for _ in range(options.turns + 1):
            for name, (sharpener, scores) in cases.items():
                start = time.perf_counter()
                sharpener(image, scores, features=features)
                times[name].append(1000 * (time.perf_counter() - start))
    for name, measured in times.items():
        print(f"{name:26}  {statistics.median(measured[1:]):6.1f} ms, least {min(measured[1:]):6.1f} ms")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_classes", description=__doc__)
    parser.add_argument("--num-classes", type=int, default=MANY, help="(default: %(default)s)")
    parser.add_argument("--turns", type=int, default=15, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
