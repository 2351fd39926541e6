"""Objects of label maps, and their masks at a low resolution."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from scipy import ndimage
from scipy.io import loadmat
from torch import Tensor

from crispseg import Grid
from crispseg.data import read_image, read_labels, read_prediction
from crispseg.grid import Size
from crispseg.inference.objects.cell_means import cell_means
from crispseg.inference.padding import without_padding
from crispseg.inference.shares import to_probabilities
from crispseg.ops.interpolation import resample

LEAST = 500
"""Objects of fewer pixels are left out."""

WAYS = ("28×28 in the box", "160×160 letterboxed", "256 on the long side")

T = TypeVar("T")


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


def half_of(items: Sequence[T], half: str | None) -> Sequence[T]:
    """Return the first half of items, on which settings are chosen, or the second, which is reported; or all."""
    middle = len(items) // 2
    return {None: items, "tuning": items[:middle], "reporting": items[middle:]}[half]


def scenes(options: argparse.Namespace) -> Iterator[ObjectScene]:
    """Yield the images that the options of `benchmarks.objects` name, with their objects."""
    labels = half_of(sorted(options.labels.iterdir()), options.half)[options.first :: options.every]
    count = 0
    for path in labels:
        photo = next(iter(options.images.glob(f"{path.stem}.*")), None)
        prediction = next(iter(options.predictions.glob(f"{path.stem}.*")), None) if options.predictions else None
        if photo is None or (options.predictions and prediction is None):
            continue
        scene = _scene(read_image(photo), read_label_map(path), prediction, options)
        if scene.truths:
            count += 1
            yield scene
        if count == options.most:
            return


def read_label_map(path: Path) -> Tensor:
    """Return a label map; of a file of BSDS500 the regions of the first annotator."""
    if path.suffix != ".mat":
        return read_labels(path).labels
    return torch.from_numpy(loadmat(path)["groundTruth"][0, 0]["Segmentation"][0, 0].astype(np.int64))


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
            if mask is not None and int(truth.sum()) >= LEAST:
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


def coarse_masks(scene: ObjectScene, way: str) -> Coarse:
    """Return the masks of an image, averaged over the cells of one of `WAYS`."""
    height, width = size = scene.image.shape[-2], scene.image.shape[-1]
    if way == WAYS[0]:
        boxes = [_box(mask > 0.5) for mask in scene.masks]
        grids, shape = [Grid("box", box) for box in boxes], (28, 28)
    else:
        long = 256 / max(height, width)
        shape = (160, 160) if way == WAYS[1] else (round(height * long), round(width * long))
        boxes, grids = None, [Grid("letterbox" if way == WAYS[1] else "stretched")] * len(scene.masks)
    cells = [cell_means(mask, grid.lines(size, shape)) for mask, grid in zip(scene.masks, grids, strict=True)]
    return Coarse(cells, boxes, grids[0])


def _box(mask: Tensor) -> tuple[float, ...]:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def placed(coarse: Coarse) -> list[tuple[Tensor, Grid]]:
    """Return each mask, and how it lies on the image."""
    if coarse.boxes is None:
        return [(cells, coarse.grid) for cells in coarse.cells]
    return [(cells, Grid("box", box)) for cells, box in zip(coarse.cells, coarse.boxes, strict=True)]


def bilinear(cells: Tensor, grid: Grid, scene: ObjectScene) -> Tensor:
    """Return a mask upsampled to the image; 0 beside its box."""
    height, width = size = scene.image.shape[-2], scene.image.shape[-1]
    soft = resample(without_padding(cells, grid, size)[None, None], size, grid)[0, 0]
    if not grid.is_free:
        return soft
    left, top, right, bottom = grid.numbers
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    inside = ((rows > top) & (rows < bottom))[:, None] & ((columns > left) & (columns < right))
    return soft * inside
