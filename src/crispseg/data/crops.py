"""Random crops for training. Drawing a crop and applying it are separate steps."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample
from crispseg.errors import InputError
from crispseg.value_checks import check_count

MEAN_COLOUR = (123, 117, 104)
"""Mean colour of ImageNet, RGB from 0 to 255: networks that subtract it see zeros where an image is padded."""


@dataclass(frozen=True)
class CropOptions:
    """The distribution of random crops.

    Args:
        size: Side of a crop in pixels.
        zoom: Bounds of the random magnification.
        pad: How to treat a crop that is larger than its image. True keeps its scale and pads the image with the mean
            colour and the labels with void, at the bottom and at the right, as DeepLab is trained; False shrinks the
            crop to the image, which magnifies it more.
        jitter: How far brightness and contrast may lie from 1; 0 leaves colours unchanged.
        rotations: Number of evenly spaced angles to turn images by, cut to the largest upright rectangle; 1 turns none,
            HED is trained with 16.

    Raises:
        InputError: If a value is out of range.
    """

    size: int = 144
    zoom: tuple[float, float] = (0.75, 1.5)
    pad: bool = False
    jitter: float = 0.2
    rotations: int = 1

    def __post_init__(self) -> None:
        if self.size < 8:
            raise InputError(f"crop size is {self.size}; expected 8 pixels or more")
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise InputError(f"zoom is {self.zoom}; expected 0 < lowest <= highest")
        if not 0 <= self.jitter < 1:
            raise InputError(f"jitter is {self.jitter}; expected 0 or more and below 1")
        check_count("rotations", self.rotations)


@dataclass(frozen=True)
class Crop:
    """A square cut out of an image, as drawn."""

    top: int
    left: int
    side: int
    """In pixels of the image, which is padded at the bottom and at the right where the square is larger."""
    flip: bool
    brightness: float
    contrast: float
    angle: float = 0.0
    """Degrees, counter-clockwise. `top` and `left` count from the largest upright rectangle in the turned image."""

    @classmethod
    def draw(cls, rng: np.random.Generator, height: int, width: int, options: CropOptions) -> "Crop":
        """Draw a crop of an image of the given size, which becomes `options.size` pixels wide."""
        # An option that is off draws no number from the generator, so the other draws do not change.
        turns, jitter = options.rotations, options.jitter
        angle = 360 / turns * int(rng.integers(turns)) if turns > 1 else 0.0
        height, width = upright_rectangle(height, width, angle)
        factor = float(np.exp(rng.uniform(np.log(options.zoom[0]), np.log(options.zoom[1]))))
        side = max(round(options.size / factor), 1)
        side = side if options.pad else min(side, height, width)
        return cls(
            top=int(rng.integers(max(height - side, 0) + 1)),
            left=int(rng.integers(max(width - side, 0) + 1)),
            side=side,
            flip=bool(rng.integers(2)),
            brightness=float(rng.uniform(1 - jitter, 1 + jitter)),
            contrast=float(rng.uniform(1 - jitter, 1 + jitter)),
            angle=angle,
        )

    def apply(self, sample: Sample, size: int) -> tuple[Tensor, Tensor]:
        """Turn, pad, cut, resize and recolour: image (3, size, size) float in [0, 1] and labels (size, size).

        Labels are never blended: each is taken from the nearest pixel, or is void outside the image.
        """
        image, labels = sample.image, sample.labels
        if self.angle:
            image, labels = _turn(image, labels, self.angle)
        image, labels = _pad(image, labels, self.top + self.side, self.left + self.side)
        box = (self.top, self.left, self.side, self.side)
        image = transforms.resized_crop(image, *box, [size, size], antialias=True)
        labels = transforms.resized_crop(labels[None], *box, [size, size], InterpolationMode.NEAREST_EXACT)[0]
        if self.flip:
            image, labels = transforms.horizontal_flip(image), transforms.horizontal_flip(labels)
        image = transforms.to_dtype(image, torch.float32, scale=True)
        image = transforms.adjust_contrast(transforms.adjust_brightness(image, self.brightness), self.contrast)
        return image, labels


def _turn(image: Tensor, labels: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    height, width = labels.shape
    rectangle = list(upright_rectangle(height, width, angle))
    image = transforms.rotate(image, angle, InterpolationMode.BILINEAR, expand=True)
    labels = transforms.rotate(labels[None], angle, InterpolationMode.NEAREST, expand=True, fill=IGNORE_INDEX)[0]
    return transforms.center_crop(image, rectangle), transforms.center_crop(labels, rectangle)


def _pad(image: Tensor, labels: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    below, right = max(height - labels.shape[0], 0), max(width - labels.shape[1], 0)
    if not below and not right:
        return image, labels
    padding = [0, 0, right, below]
    image = transforms.pad(
        image, padding, fill=[colour if image.dtype == torch.uint8 else colour / 255 for colour in MEAN_COLOUR]
    )
    return image, transforms.pad(labels[None], padding, fill=IGNORE_INDEX)[0]


def upright_rectangle(height: int, width: int, angle: float) -> tuple[int, int]:
    """Return height and width of the largest upright rectangle in an image that is turned by `angle` degrees.

    Except at quarter turns it is a pixel smaller on every side, because interpolation blends the border with the
    outside.

    Example:
        >>> upright_rectangle(321, 481, 90), upright_rectangle(321, 481, 45)
        ((481, 321), (224, 224))
    """
    if angle % 90 == 0:
        return (height, width) if angle % 180 == 0 else (width, height)
    sine, cosine = abs(math.sin(math.radians(angle))), abs(math.cos(math.radians(angle)))
    shorter, longer = min(height, width), max(height, width)
    if shorter <= 2 * sine * cosine * longer:  # two corners lie on the long sides, the others inside
        along, across = shorter / 2 / sine, shorter / 2 / cosine
        inner = (across, along) if width >= height else (along, across)
    else:  # every corner lies on a side
        scale = cosine**2 - sine**2
        inner = ((height * cosine - width * sine) / scale, (width * cosine - height * sine) / scale)
    return max(int(inner[0]) - 2, 1), max(int(inner[1]) - 2, 1)


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Random crops of several data sets in equal shares.

    Crop `index` depends on `seed` and `index` alone, so a resumed run continues with the crops that it would have seen.

    Args:
        sources: Data sets; each is drawn from equally often, whatever its size.
        options: The distribution of crops.
        seed: Any whole number.

    Raises:
        InputError: If there is no source.
    """

    def __init__(self, sources: Sequence[LabelledImages], options: CropOptions, *, seed: int = 0) -> None:
        if not sources:
            raise InputError("no training data; expected at least one data set")
        self.sources = sources
        self.options = options
        self.seed = seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return crop number `index`: image (3, size, size) float in [0, 1] and labels (size, size) int64."""
        rng = np.random.default_rng((self.seed, index))
        source = self.sources[index % len(self.sources)]
        sample = source.read(int(rng.integers(len(source))), annotator=int(rng.integers(2**16)))
        height, width = sample.labels.shape
        return Crop.draw(rng, height, width, self.options).apply(sample, self.options.size)


class ConsecutiveBatches(Sampler[list[int]]):
    """Batches of consecutive crops, starting at the current step of the run when an epoch begins.

    Processes take turns: together they see the crops that one process with larger batches would see.

    Args:
        count: Batches in an epoch, for each process.
        size: Crops in a batch.
        start: Returns the number of batches that each process has seen; called at the beginning of every epoch, so
            that a resumed run continues where it stopped.
        process: Returns the rank of this process and the number of processes; called at the same time.

    Example:
        >>> list(ConsecutiveBatches(2, 3, start=lambda: 4, process=lambda: (1, 2)))
        [[27, 28, 29], [33, 34, 35]]
    """

    def __init__(
        self, count: int, size: int, *, start: Callable[[], int], process: Callable[[], tuple[int, int]]
    ) -> None:
        self.count = count
        self.size = size
        self.start = start
        self.process = process

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        start, (process, processes) = self.start(), self.process()
        for batch in range(start, start + self.count):
            first = (batch * processes + process) * self.size
            yield list(range(first, first + self.size))
