"""Random crops for training. What is drawn is a value of its own, apart from what is done with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from crispseg.data.sample import LabelledImages, Sample
from crispseg.errors import InputError


@dataclass(frozen=True)
class Crop:
    """A square cut out of an image, as drawn."""

    top: int
    left: int
    side: int
    flip: bool
    brightness: float
    contrast: float

    @classmethod
    def draw(cls, rng: np.random.Generator, height: int, width: int, size: int, zoom: tuple[float, float]) -> "Crop":
        """Draw a crop that becomes `size` pixels wide after a zoom between the two bounds."""
        factor = float(np.exp(rng.uniform(np.log(zoom[0]), np.log(zoom[1]))))
        side = min(round(size / factor), height, width)
        return cls(
            top=int(rng.integers(height - side + 1)),
            left=int(rng.integers(width - side + 1)),
            side=side,
            flip=bool(rng.integers(2)),
            brightness=float(rng.uniform(0.8, 1.2)),
            contrast=float(rng.uniform(0.8, 1.2)),
        )

    def apply(self, sample: Sample, size: int) -> tuple[Tensor, Tensor]:
        """Cut, resize and recolour: image (3, size, size) float in [0, 1] and labels (size, size)."""
        box = (self.top, self.left, self.side, self.side)
        image = transforms.resized_crop(sample.image, *box, [size, size], antialias=True)
        labels = transforms.resized_crop(sample.labels[None], *box, [size, size], InterpolationMode.NEAREST_EXACT)[0]
        if self.flip:
            image, labels = transforms.horizontal_flip(image), transforms.horizontal_flip(labels)
        image = transforms.to_dtype(image, torch.float32, scale=True)
        image = transforms.adjust_contrast(transforms.adjust_brightness(image, self.brightness), self.contrast)
        return image, labels


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Random crops of several data sets in equal shares.

    Crop `index` depends on `seed` and `index` alone, so that a run that was interrupted goes on with the crops it
    would have seen.

    Args:
        sources: Data sets; each is drawn from equally often, whatever its size.
        size: Side of a crop in pixels.
        zoom: Bounds of the random magnification.
        seed: Any whole number.

    Raises:
        InputError: If there is no source, or `size` or `zoom` makes no sense.
    """

    def __init__(
        self, sources: Sequence[LabelledImages], size: int, *, zoom: tuple[float, float] = (0.75, 1.5), seed: int = 0
    ) -> None:
        if not sources:
            raise InputError("no training data; expected at least one data set")
        if size < 8:
            raise InputError(f"crop size is {size}; expected 8 pixels or more")
        if not 0 < zoom[0] <= zoom[1]:
            raise InputError(f"zoom is {zoom}; expected 0 < lowest <= highest")
        self.sources = sources
        self.size = size
        self.zoom = zoom
        self.seed = seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Crop number `index`: image (3, size, size) float in [0, 1] and labels (size, size) int64."""
        rng = np.random.default_rng((self.seed, index))
        source = self.sources[index % len(self.sources)]
        sample = source.read(int(rng.integers(len(source))), choice=int(rng.integers(2**16)))
        height, width = sample.labels.shape
        return Crop.draw(rng, height, width, self.size, self.zoom).apply(sample, self.size)


class ConsecutiveBatches(Sampler[list[int]]):
    """Batches of crops in a row, from wherever the run stands when an epoch begins.

    Processes take turns: together they see the crops that one process with larger batches would.

    Args:
        count: Batches in an epoch, of each process.
        size: Crops in a batch.
        start: Gives the number of batches that each process has seen; asked at the beginning of every epoch, so that a
            resumed run goes on where it stopped.
        process: Gives the number of this process and how many there are; asked then too.

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
