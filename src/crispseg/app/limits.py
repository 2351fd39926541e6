"""Limits on uploads from strangers. The header of a file is checked before anything is decoded."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crispseg.config import SharpenerConfig
from crispseg.data import Prediction, read_boundary, read_labels, read_prediction
from crispseg.data.arrays import held_numbers
from crispseg.data.image import opened, ranged_image
from crispseg.data.intensity import Intensities
from crispseg.data.labels import LABEL_SUFFIXES
from crispseg.data.object_masks import ObjectMasks, read_object_masks
from crispseg.data.prediction_files import PREDICTION_SUFFIXES
from crispseg.defaults import MEGAPIXELS, TOTAL_MB, UPLOAD_MB
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.scores import Scores
from crispseg.value_checks import check_positive
from crispseg.window import Window

_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "TIFF", "WEBP", "GIF")
"""The formats that Pillow may decode: some of its other formats start programs."""

_CHANNELS = 16
"""Classes that scores of the largest image may have; smaller images may have more."""

_NEIGHBOURS = Window(9).count
"""Neighbours that the largest image may have; smaller images may have more."""


@dataclass(frozen=True)
class Limits:
    """How much a session takes.

    Args:
        upload_mb: Largest file, in megabytes.
        megapixels: Largest image, in megapixels.
        total_mb: What is kept for all visitors together, on the disk and as much in memory, in megabytes.

    Raises:
        InputError: If one is not above 0, or a file could be larger than all files.
    """

    upload_mb: float = UPLOAD_MB
    megapixels: float = MEGAPIXELS
    total_mb: float = TOTAL_MB

    def __post_init__(self) -> None:
        check_positive("largest upload", self.upload_mb)
        check_positive("megapixels", self.megapixels)
        check_positive("total", self.total_mb)
        if self.total_mb < self.upload_mb:
            raise InputError(
                f"total is {self.total_mb:g} MB, less than the largest upload of {self.upload_mb:g} MB; expected as "
                "much or more: give a larger --max-total"
            )

    @property
    def upload_bytes(self) -> int:
        """Return the size of the largest file, in bytes."""
        return round(self.upload_mb * 1_000_000)

    @property
    def total_bytes(self) -> int:
        """Return how many bytes are kept for all visitors together."""
        return round(self.total_mb * 1_000_000)

    def read_image(self, path: Path) -> tuple[Tensor, Intensities]:
        """Return `crispseg.data.read_image` of a file within the limits, and its values of black and white.

        Raises:
            InputError: If the file is too large, has too many pixels, or cannot be read.
        """
        self._check_picture(path, "image")
        return ranged_image(path)

    def read_prediction(self, path: Path, kind: Scores, grid: Grid = CENTRES) -> Prediction:
        """Return `crispseg.data.read_prediction` of a file within the limits.

        Raises:
            InputError: If the file is too large, holds too many numbers, or cannot be read.
        """
        suffix = path.suffix.lower()
        if suffix not in PREDICTION_SUFFIXES:
            raise InputError(f"prediction {path}: unknown ending; expected one of {', '.join(PREDICTION_SUFFIXES)}")
        if suffix in LABEL_SUFFIXES:
            self._check_labels(path, "prediction")
        else:
            self._check_size(path, "prediction")
            if suffix != ".safetensors":  # which is as large as it says
                self._check_numbers(path, held_numbers(path, "prediction"))
        return read_prediction(path, kind, grid)

    def read_object_masks(self, path: Path) -> ObjectMasks:
        """Return `crispseg.data.object_masks.read_object_masks` of a file within the limits.

        Raises:
            InputError: If the file is too large, holds too many numbers, or cannot be read.
        """
        if path.suffix.lower() in LABEL_SUFFIXES:
            self._check_labels(path, "masks")
        elif path.suffix.lower() in (".npy", ".npz"):
            self._check_size(path, "masks")
            self._check_numbers(path, held_numbers(path, "masks"))
        return read_object_masks(path)

    def read_boundary(self, path: Path) -> Tensor:
        """Return `crispseg.data.read_boundary` of a file within the limits.

        Raises:
            InputError: If the file is too large, has too many pixels, or cannot be read.
        """
        if path.suffix.lower() == ".npy":
            self._check_size(path, "boundary map")
        else:
            self._check_picture(path, "boundary map")
        return read_boundary(path)

    def check_work(self, num_classes: int, config: SharpenerConfig, size: tuple[int, int]) -> None:
        """Refuse what would take more memory than the largest image does with a window of 9×9.

        Args:
            num_classes: Of the prediction.
            config: The sharpener.
            size: Height and width of the image.

        Raises:
            InputError: If there are too many classes or neighbours for an image of that size.
        """
        pixels, most = math.prod(size), self.megapixels * 1e6
        window = max(config.windows, key=lambda window: window.count)
        if num_classes * pixels > _CHANNELS * most:
            raise InputError(
                f"{num_classes} classes for {size[1]}×{size[0]} pixels are too many for this page; expected at most "
                f"{_CHANNELS * most / pixels:.0f}: take a smaller image, or crispseg sharpen"
            )
        if window.count * pixels > _NEIGHBOURS * most:
            raise InputError(
                f"a window of {window.size} is too large for {size[1]}×{size[0]} pixels on this page; expected at most "
                f"{_largest_odd(math.sqrt(_NEIGHBOURS * most / pixels))}, perhaps with a larger dilation"
            )

    def _check_size(self, path: Path, what: str) -> None:
        if path.is_file() and path.stat().st_size > self.upload_bytes:
            raise InputError(
                f"{what} {path}: {path.stat().st_size / 1e6:.1f} MB; expected at most {self.upload_mb:g} MB: make it "
                "smaller, or start the page with a larger --max-upload"
            )

    def _check_picture(self, path: Path, what: str) -> None:
        self._check_size(path, what)
        with opened(path, what) as picture:
            width, height = picture.size
            if picture.format not in _FORMATS:
                raise InputError(f"{what} {path}: is {picture.format}; expected PNG, JPEG, BMP, TIFF, WebP or GIF")
        if width * height > self.megapixels * 1e6:
            raise InputError(
                f"{what} {path}: {width}×{height} pixels; expected at most {self.megapixels:g} megapixels: cut it into "
                "tiles, or start the page with a larger --max-pixels"
            )

    def _check_labels(self, path: Path, what: str) -> None:
        """Refuse a map that would hold too many numbers with a channel for each of its labels."""
        self._check_picture(path, what)
        labels = read_labels(path).labels
        self._check_numbers(path, len(torch.unique(labels)) * labels.numel())

    def _check_numbers(self, path: Path, numbers: int) -> None:
        most = _CHANNELS * self.megapixels * 1e6
        if numbers > most:
            raise InputError(
                f"prediction {path}: holds {numbers} numbers when unpacked; expected at most {most:.0f}: give scores "
                "of a lower resolution"
            )


def _largest_odd(value: float) -> int:
    whole = math.floor(value)
    return whole if whole % 2 else whole - 1
