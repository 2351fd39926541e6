"""Scores as networks give them, made of true labels: coarse, shifted, blurred, biased, noisy, in part confused."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError


@dataclass(frozen=True)
class Disturbance:
    """The distribution of disturbed scores. Every bound is of a uniform draw for each image.

    Args:
        cell: Bounds of the side of a coarse pixel, drawn evenly in its logarithm.
        shift: Largest displacement of outlines, as a share of a cell.
        bias: Largest deviation of the offset that a class has everywhere, in logits.
        noise: Largest deviation of smooth noise at each of three scales, in logits.
        blobs: Largest number of places where another class is raised.
        classes: Channels at most; labels beyond are merged at random.

    Raises:
        InputError: If a value is out of range.
    """

    cell: tuple[float, float] = (3.0, 28.0)
    shift: float = 0.6
    bias: float = 0.8
    noise: float = 1.2
    blobs: int = 3
    classes: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.cell[0] <= self.cell[1]:
            raise InputError(f"cell is {self.cell}; expected 1 <= lowest <= highest")
        if min(self.shift, self.bias, self.noise, self.blobs) < 0:
            given = {name: getattr(self, name) for name in ("shift", "bias", "noise", "blobs")}
            raise InputError(f"{', '.join(f'{name} is {x}' for name, x in given.items())}; expected 0 or more")
        if self.classes < 2:
            raise InputError(f"classes is {self.classes}; expected 2 or more")

    def relabel(self, labels: Tensor) -> tuple[Tensor, int]:
        """Return (N, H, W) labels numbered from 0 in each image, in random order, and the number of channels needed.

        The number is that of the image with most labels and one, so that there is a class that is nowhere true.
        """
        numbered = torch.full_like(labels, IGNORE_INDEX)
        most = 1
        for image, result in zip(labels, numbered, strict=True):
            known = image != IGNORE_INDEX
            _, index = torch.unique(image[known], return_inverse=True)
            if index.numel():
                count = int(index.max()) + 1
                channels = torch.randperm(count) % self.classes
                result[known] = channels.to(index.device)[index]
                most = max(most, min(count, self.classes))
        return numbered, most + 1

    def scores(self, labels: Tensor, classes: int) -> Tensor:
        """Return (N, classes, H, W) disturbed probabilities of (N, H, W) labels in 0 … classes - 1."""
        return torch.stack([self._one(image, classes) for image in labels])

    def _one(self, labels: Tensor, classes: int) -> Tensor:
        height, width = labels.shape
        cell = math.exp(_uniform(math.log(self.cell[0]), math.log(self.cell[1])))
        grid = max(round(height / cell), 2), max(round(width / cell), 2)
        shares = _shares(_shifted(labels, cell, _uniform(0, self.shift) * cell), classes, grid)
        logits = _uniform(0.5, 1.5) * (shares + 10 ** _uniform(-3, -1.3)).log()
        logits += _uniform(0, self.bias) * torch.randn(classes, 1, 1)
        for octave in range(3):
            logits += _uniform(0, self.noise) * _smooth_noise(classes, grid, 2**octave)
        for _ in range(int(torch.randint(self.blobs + 1, ()))):
            logits[int(torch.randint(classes, ()))] += _blob(grid)
        if torch.rand(()) < 0.5:
            return _resize(logits, (height, width)).softmax(0)
        return _resize(logits.softmax(0), (height, width))


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def _resize(value: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(value[None], size=size, mode="bilinear", align_corners=False)[0]


def _smooth_noise(channels: int, grid: tuple[int, int], step: int) -> Tensor:
    """Return noise of deviation 1 on a grid, smooth over `step` cells."""
    coarse = max(grid[0] // step, 1), max(grid[1] // step, 1)
    return _resize(torch.randn(channels, *coarse), grid)


def _blob(grid: tuple[int, int]) -> Tensor:
    """Return a bump of random place, size and height."""
    rows, columns = (torch.arange(length) - _uniform(0, length) for length in grid)
    radius = math.exp(_uniform(math.log(0.7), math.log(max(min(grid) / 3, 0.8))))
    squares = rows[:, None].square() * _uniform(0.4, 1) + columns.square() * _uniform(0.4, 1)
    return _uniform(1, 5) * (-squares / (2 * radius**2)).exp()


def _shifted(labels: Tensor, cell: float, amount: float) -> Tensor:
    """Return labels displaced by a smooth random field that deviates by `amount` pixels."""
    height, width = labels.shape
    coarse = max(round(height / cell / 3), 2), max(round(width / cell / 3), 2)
    field = amount * _resize(torch.randn(2, *coarse), (height, width))
    rows = (torch.arange(height)[:, None] + field[0]).round().long().clamp(0, height - 1)
    columns = (torch.arange(width) + field[1]).round().long().clamp(0, width - 1)
    return labels[rows, columns]


def _shares(labels: Tensor, classes: int, grid: tuple[int, int]) -> Tensor:
    """Return the share of every class in the labelled pixels of every cell; of those around it where it has none."""
    known = labels != IGNORE_INDEX
    hot = F.one_hot(labels.where(known, classes), classes + 1)[..., :classes].permute(2, 0, 1).float()
    counts = F.adaptive_avg_pool2d(hot, grid)
    around = F.avg_pool2d(counts[None], 5, 1, 2)[0]
    counts = counts + 1e-2 * around + 1e-5 * counts.mean((1, 2), keepdim=True) + 1e-8
    if torch.rand(()) < 0.5:
        counts = F.avg_pool2d(counts[None], 3, 1, 1)[0]
    return counts / counts.sum(0)
