"""Measure how much masks of objects gain, beside other methods, and the time for all masks of an image.

python -m benchmarks.objects --images images --labels labels --void 255
python -m benchmarks.objects --images images --labels labels --void 255 --predictions logits --grid stretched
python -m benchmarks.objects --hundred    # the time of 100 masks at 1280×720

The objects are the connected regions of the label maps. Their masks are averaged to 28×28 in their box, 160×160
letterboxed and 256 on the long side. With predictions, the masks are those of the network instead: the probability of
the object's class around it, averaged in the same way.
"""

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from scipy import ndimage
from torch import Tensor

from crispseg import Grid, Sharpener, sharpen_masks
from crispseg.data import read_image, read_labels, read_prediction
from crispseg.grid import Size
from crispseg.inference import DenseCRF
from crispseg.inference.objects.cell_means import cell_means
from crispseg.inference.shares import to_probabilities
from crispseg.ops.interpolation import resample

_LEAST = 500
"""Objects of fewer pixels are left out."""

_WAYS = ("28×28 in the box", "160×160 letterboxed", "256 on the long side")

_CRF = DenseCRF(bilateral_weight=4, bilateral_xy=59, bilateral_rgb=5, spatial_weight=3, spatial_xy=3)


class ObjectScene(NamedTuple):
    """An image with its objects."""

    image: Tensor
    """(3, H, W) uint8."""
    truths: list[Tensor]
    """(H, W) bool."""
    known: Tensor
    """(H, W) bool: pixels with a label."""
    masks: list[Tensor]
    """(H, W) probabilities that are averaged: the truths, or those of a network."""


class Coarse(NamedTuple):
    """The masks of an image at a low resolution."""

    cells: list[Tensor]
    boxes: list[tuple[float, ...]] | None
    grid: Grid


Method = Callable[[ObjectScene, Coarse, list[Tensor]], list[Tensor]]
"""Returns (H, W) bool masks, given the coarse ones and the same upsampled bilinearly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.hundred:
        _time_hundred()
        return 0
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    sharpen_masks(torch.zeros(3, 64, 64), torch.ones(1, 32, 32, dtype=torch.bool))  # reads the weights
    for scene in _scenes(options):
        for way in _WAYS:
            coarse = _coarse(scene, way)
            soft = [_bilinear(cells, grid, scene) for cells, grid in _placed(coarse)]
            for name, method in _METHODS.items():
                start = time.perf_counter()
                masks = method(scene, coarse, soft)
                times[way, name].append(time.perf_counter() - start)
                found[way, name] += [
                    _both(mask, truth, scene.known) for mask, truth in zip(masks, scene.truths, strict=True)
                ]
    sys.stdout.write("\n".join(_table(found, times)) + "\n")
    return 0


def _scenes(options: argparse.Namespace) -> Iterator[ObjectScene]:
    labels = sorted(options.labels.iterdir())[options.first :: options.every]
    count = 0
    for path in labels:
        photo = next(iter(options.images.glob(f"{path.stem}.*")), None)
        prediction = next(iter(options.predictions.glob(f"{path.stem}.*")), None) if options.predictions else None
        if photo is None or (options.predictions and prediction is None):
            continue
        scene = _scene(read_image(photo), read_labels(path).labels, prediction, options)
        if scene.truths:
            count += 1
            yield scene
        if count == options.most:
            return


def _scene(image: Tensor, labels: Tensor, prediction: Path | None, options: argparse.Namespace) -> ObjectScene:
    known = labels != options.void
    nearest = ndimage.distance_transform_edt(~known.numpy(), return_distances=False, return_indices=True)
    filled = labels.numpy()[tuple(nearest)]  # the void on outlines goes to the nearest label, and is not counted
    chances = None if prediction is None else _chances(prediction, (labels.shape[-2], labels.shape[-1]), options.grid)
    truths, masks = [], []
    for label in np.unique(filled):
        if label in options.beside:
            continue
        regions, count = ndimage.label(filled == label)
        for number in range(1, count + 1):
            truth = torch.from_numpy(regions == number)
            mask = truth.float() if chances is None else _of_network(truth & known, int(label), chances)
            if mask is not None and int(truth.sum()) >= _LEAST:
                truths.append(truth)
                masks.append(mask)
    return ObjectScene(image, truths[:12], known, masks[:12])


def _chances(path: Path, size: Size, grid: str) -> Tensor:
    prediction = read_prediction(path, "logits")
    return to_probabilities(resample(prediction.scores[None], size, Grid.of(grid)), "logits")[0]


def _of_network(truth: Tensor, label: int, chances: Tensor) -> Tensor | None:
    """Return the probabilities of the region that a network found of an object; None if it found less than half."""
    regions, _ = ndimage.label((chances.argmax(0) == label).numpy())
    numbers, counts = np.unique(regions[truth.numpy()], return_counts=True)
    if not numbers.any():
        return None
    chosen = numbers[np.argmax(counts * (numbers > 0))]
    region = torch.from_numpy(regions == chosen)
    if (region & truth).sum() < 0.5 * (region | truth).sum():
        return None
    nearest = ndimage.distance_transform_edt(regions == 0, return_distances=False, return_indices=True)
    return chances[label] * torch.from_numpy(regions[tuple(nearest)] == chosen)


def _coarse(scene: ObjectScene, way: str) -> Coarse:
    height, width = size = scene.image.shape[-2], scene.image.shape[-1]
    if way == _WAYS[0]:
        boxes = [_box(mask > 0.5) for mask in scene.masks]
        grids, shape = [Grid("box", box) for box in boxes], (28, 28)
    else:
        long = 256 / max(height, width)
        shape = (160, 160) if way == _WAYS[1] else (round(height * long), round(width * long))
        boxes, grids = None, [Grid("letterbox" if way == _WAYS[1] else "stretched")] * len(scene.masks)
    cells = [cell_means(mask, grid.lines(size, shape)) for mask, grid in zip(scene.masks, grids, strict=True)]
    return Coarse(cells, boxes, grids[0])


def _box(mask: Tensor) -> tuple[float, ...]:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _placed(coarse: Coarse) -> list[tuple[Tensor, Grid]]:
    if coarse.boxes is None:
        return [(cells, coarse.grid) for cells in coarse.cells]
    return [(cells, Grid("box", box)) for cells, box in zip(coarse.cells, coarse.boxes, strict=True)]


def _bilinear(cells: Tensor, grid: Grid, scene: ObjectScene) -> Tensor:
    height, width = size = scene.image.shape[-2], scene.image.shape[-1]
    soft = resample(cells[None, None], size, grid)[0, 0]
    if not grid.is_free:
        return soft
    left, top, right, bottom = grid.numbers
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    inside = ((rows > top) & (rows < bottom))[:, None] & ((columns > left) & (columns < right))
    return soft * inside


def _alone(_scene: ObjectScene, _coarse: Coarse, soft: list[Tensor]) -> list[Tensor]:
    return [each > 0.5 for each in soft]


def _guided(scene: ObjectScene, coarse: Coarse, soft: list[Tensor]) -> list[Tensor]:
    from cv2 import ximgproc  # noqa: PLC0415 - a peer, which only this row needs

    guide = np.ascontiguousarray(scene.image.permute(1, 2, 0).numpy()).astype(np.float32) / 255
    size = scene.image.shape[-2], scene.image.shape[-1]
    masks = []
    for each, (cells, grid) in zip(soft, _placed(coarse), strict=True):
        rows, columns = grid.lines(size, (cells.shape[-2], cells.shape[-1]))
        radius = max(2, round(max(rows.pixels / rows.steps, columns.pixels / columns.steps)))  # about a cell
        masks.append(torch.from_numpy(ximgproc.guidedFilter(guide, each.numpy(), radius, 1e-4)) > 0.5)
    return masks


def _crf(scene: ObjectScene, _coarse: Coarse, soft: list[Tensor]) -> list[Tensor]:
    return [_CRF(torch.stack([1 - each, each])[None], scene.image[None])[0, 1] > 0.5 for each in soft]


def _ours(scene: ObjectScene, coarse: Coarse, _soft: list[Tensor]) -> list[Tensor]:
    grid = coarse.grid if coarse.boxes is None else None
    crisp = sharpen_masks(scene.image, coarse.cells, coarse.boxes, scores="multilabel_probabilities", grid=grid)
    return list(torch.as_tensor(crisp))


_METHODS: dict[str, Method] = {
    "bilinear": _alone,
    "guided filter of OpenCV": _guided,
    "dense CRF, a mask at a time": _crf,
    "sharpen_masks": _ours,
}


def _both(mask: Tensor, truth: Tensor, known: Tensor) -> tuple[float, float]:
    """Return the IoU and the Boundary IoU (Cheng et al. 2021) within 2 % of the diagonal."""
    by = max(1, round(0.02 * math.hypot(*mask.shape)))
    return _iou(mask, truth, known), _iou(_rim(mask, by), _rim(truth, by), known)


def _iou(one: Tensor, other: Tensor, known: Tensor) -> float:
    return float((one & other & known).sum() / ((one | other) & known).sum().clamp(min=1))


def _rim(mask: Tensor, by: int) -> Tensor:
    """Return the pixels of a mask that lie within `by` pixels of its outside, or of that of the image."""
    outside = F.pad((~mask).float()[None, None], (by,) * 4, value=1.0)
    wide = F.max_pool2d(F.max_pool2d(outside, (2 * by + 1, 1), stride=1), (1, 2 * by + 1), stride=1)
    return mask & (wide[0, 0] > 0)


def _table(
    found: dict[tuple[str, str], list[tuple[float, float]]], times: dict[tuple[str, str], list[float]]
) -> list[str]:
    lines = [
        "| masks | method | IoU | Boundary IoU | masks that lose over 1 point of IoU | seconds an image |",
        "|---|---|---|---|---|---|",
    ]
    for (way, name), values in found.items():
        before, after = torch.tensor(found[way, "bilinear"]) * 100, torch.tensor(values) * 100
        gains = "{:.2f} | {:.2f}".format(*after.mean(0).tolist())
        if name != "bilinear":
            gains = "{:+.2f} | {:+.2f}".format(*(after - before).mean(0).tolist())
        worse = int(((after - before)[:, 0] < -1).sum())
        seconds = sum(times[way, name]) / len(times[way, name])
        lines.append(f"| {way}, {len(values)} | {name} | {gains} | {worse} | {seconds:.2f} |")
    return lines


def _time_hundred() -> None:
    """Print the time of 100 masks of 28×28 in boxes, and of 21 classes at 1/8, for the same 1280×720 pixels."""
    generator = torch.Generator().manual_seed(0)
    image = F.interpolate(torch.rand(1, 3, 45, 80, generator=generator), size=(720, 1280), mode="bilinear")
    corner = torch.rand(100, 2, generator=generator) * torch.tensor([1100.0, 560.0])
    sides = 40 + 200 * torch.rand(100, 2, generator=generator).square()
    boxes = torch.cat([corner, corner + sides], 1)
    cells = F.interpolate(torch.rand(100, 1, 7, 7, generator=generator), size=28, mode="bicubic").clamp(0, 1)
    classes = F.interpolate(torch.randn(1, 21, 12, 20, generator=generator) * 6, size=(90, 160), mode="bicubic")
    sharpener = Sharpener.from_pretrained()
    calls: dict[str, Callable[[], object]] = {
        "21 classes at 1/8": lambda: sharpener(image, classes),
        "100 masks in boxes": lambda: sharpen_masks(image[0], cells, boxes, scores="multilabel_probabilities"),
    }
    with torch.inference_mode():
        for name, call in calls.items():
            seconds = []
            for _ in range(4):
                start = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - start)
            sys.stdout.write(f"{name}: {min(seconds[1:]):.2f} s\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--labels", type=Path, help="a folder of their label maps")
    parser.add_argument("--void", type=int, default=255, help="the label of pixels that are not counted")
    parser.add_argument("--beside", type=int, nargs="*", default=[0], help="labels that are no objects")
    parser.add_argument("--predictions", type=Path, help="a folder of logits of classes, of which the masks are made")
    parser.add_argument("--grid", default="stretched", help="how these lie on the image")
    parser.add_argument("--first", type=int, default=0, help="the first label map")
    parser.add_argument("--every", type=int, default=1, help="take one label map of so many")
    parser.add_argument("--most", type=int, default=20, help="the most images")
    parser.add_argument("--hundred", action="store_true", help="measure the time of 100 masks instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
