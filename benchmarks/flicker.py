"""Measure flicker and accuracy at boundaries on clips made from photographs, of a `SteadySharpener` and of averages.

A window moves over each photograph, its scores and its labels; noise that differs from frame to frame is added to
image and scores.

python -m benchmarks.flicker --images val --labels valannot --predictions espnetv2_camvid_val --void 11
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg import Sharpener, SteadySharpener
from crispseg.data import read_image, read_prediction
from crispseg.data.labels import read_labels

_FRAMES, _FIRST = 8, 2
"""Frames of a clip, and the first that counts: an average needs some to begin with."""
_PAN = 40
"""How much narrower than the photographs the frames are, in pixels: as far as they may move."""
_COARSER = 4
_BAND = 4
"""How far from a boundary pixels are counted."""
_SPEEDS = (0.0, 0.4, 2.5)


class Clip(NamedTuple):
    """The frames of a clip, as `photographed` makes them."""

    images: list[Tensor]
    scores: list[Tensor]
    labels: list[Tensor]
    moved: list[int]
    """By how many pixels each frame has moved."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    sharpener = Sharpener.from_pretrained()
    paths = sorted(options.images.iterdir())[options.first :: options.every]
    for speed in _SPEEDS:
        counts: dict[str, Tensor] = {}
        for path in paths:
            clip = photographed(path, options, speed)
            for name, labels in _methods(sharpener, clip):
                counts[name] = counts.get(name, 0) + counted(labels, clip, options.void)
        print(f"{speed} pixels a frame, {len(paths)} photographs")
        for name, (right, pixels, flips, pairs) in counts.items():
            print(f"  {name:40}  {100 * right / pixels:5.1f} % right  {100 * flips / pairs:5.1f} % change")
    return 0


def photographed(path: Path, options: argparse.Namespace, speed: float) -> Clip:
    """Return a clip that moves by `speed` pixels a frame over a photograph."""
    generator = torch.Generator().manual_seed(0)
    image = read_image(path).float() / 255
    labels = read_labels(options.labels / f"{path.stem}.png").labels
    scores = read_prediction(options.predictions / f"{path.stem}.npz", "logits").scores
    scores = F.interpolate(scores[None], size=image.shape[1:], mode="bilinear")[0]
    clip, width = Clip([], [], [], []), image.shape[-1] - _PAN
    for frame in range(_FRAMES):
        at = speed * frame
        seen = _shifted(image, at, width)
        seen = seen + options.image_noise * torch.randn(seen.shape, generator=generator)
        coarse = F.avg_pool2d(_shifted(scores, at, width), _COARSER)
        blobs = torch.randn(1, len(coarse), *(side // 2 for side in coarse.shape[1:]), generator=generator)
        noise = F.interpolate(blobs, size=coarse.shape[1:], mode="bilinear")[0]
        clip.images.append(seen.clamp(0, 1)[None])
        clip.scores.append((coarse + options.score_noise * noise)[None])
        clip.labels.append(labels[:, round(at) : round(at) + width])
        clip.moved.append(round(at))
    return clip


def _shifted(values: Tensor, by: float, width: int) -> Tensor:
    whole, part = int(by), by - int(by)
    return (1 - part) * values[..., whole : whole + width] + part * values[..., whole + 1 : whole + 1 + width]


@torch.inference_mode()
def _methods(sharpener: Sharpener, clip: Clip) -> Iterator[tuple[str, list[Tensor]]]:
    alone = [sharpener(*frame).softmax(1) for frame in zip(clip.images, clip.scores, strict=True)]
    yield "each frame by itself", _likeliest(alone)
    for share, said in ((0.5, "half"), (0.25, "a quarter")):
        yield f"average, {said} of it the frame", _likeliest(averaged(alone, share))
    steady = SteadySharpener(sharpener)
    yield "SteadySharpener", _likeliest([steady(*frame) for frame in zip(clip.images, clip.scores, strict=True)])


def averaged(frames: Sequence[Tensor], share: float) -> list[Tensor]:
    """Return the exponential moving average of frames, each of which counts by a share."""
    averages = [frames[0]]
    for frame in frames[1:]:
        averages.append(averages[-1].lerp(frame, share))
    return averages


def _likeliest(frames: Sequence[Tensor]) -> list[Tensor]:
    return [frame[0].argmax(0) for frame in frames]


def counted(labels: Sequence[Tensor], clip: Clip, void: int) -> Tensor:
    """Return how many pixels near a boundary are right, of how many; and how many change, of how many that should not.

    A pixel changes if its label differs from that in the frame before, at the place that it has moved from.
    """
    counts = torch.zeros(4)
    for frame in range(_FIRST, _FRAMES):
        truth, near = clip.labels[frame], near_boundary(clip.labels[frame]) & (clip.labels[frame] != void)
        moved = clip.moved[frame] - clip.moved[frame - 1]
        now, there = (..., slice(None, truth.shape[1] - moved)), (..., slice(moved, None))
        same = near[now] & (truth[now] == clip.labels[frame - 1][there])
        flips = (labels[frame][now] != labels[frame - 1][there]) & same
        counts += torch.stack([((labels[frame] == truth) & near).sum(), near.sum(), flips.sum(), same.sum()])
    return counts


def near_boundary(labels: Tensor) -> Tensor:
    """Return the mask of pixels within `_BAND` pixels of another label."""
    spread = partial(F.max_pool2d, kernel_size=2 * _BAND + 1, stride=1, padding=_BAND)
    wide = labels[None].float()
    return (spread(wide) != -spread(-wide))[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flicker", description=__doc__)
    for name in ("images", "labels", "predictions"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--void", type=int, default=255, metavar="LABEL")
    parser.add_argument("--first", type=int, default=0, help="the first photograph (default: %(default)s)")
    parser.add_argument("--every", type=int, default=35, help="take one of so many (default: %(default)s)")
    parser.add_argument("--image-noise", type=float, default=0.02, help="(default: %(default)s)")
    parser.add_argument("--score-noise", type=float, default=1.0, help="of logits (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
