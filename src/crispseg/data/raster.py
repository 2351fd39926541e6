"""Rasters of any size, such as GeoTIFF, read and written in parts."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import Pixels
from crispseg.errors import InputError, one_line
from crispseg.writing import written_whole

BLOCK = 256
"""Side of the squares in which label maps are written."""

_CACHE_MB = 64
_SCALES = {"uint8": None, "uint16": 65535.0}


class RasterPixels:
    """The bands of an open raster as `Pixels`.

    Args:
        dataset: Of `rasterio`.
        bands: How many of them, from the first on.
    """

    def __init__(self, dataset: Any, bands: int) -> None:  # noqa: ANN401 - rasterio has no types
        self.dataset = dataset
        self._bands = list(range(1, bands + 1))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.dataset.height, self.dataset.width

    @property
    def channels(self) -> int:
        """Bands."""
        return len(self._bands)

    def read(self, box: Box) -> Tensor:
        """(channels, *box.size): uint8 as it is, 16 bits scaled to [0, 1], all else as float32."""
        rows, columns = box.slices
        try:
            values = self.dataset.read(self._bands, window=((rows.start, rows.stop), (columns.start, columns.stop)))
        except Exception as error:  # GDAL's errors share no base class of their own
            raise InputError(f"raster {self.dataset.name}: damaged or truncated ({error}); write it again") from error
        if values.dtype == np.uint8:
            return torch.from_numpy(values)
        return torch.from_numpy(values.astype(np.float32)) / (_SCALES.get(str(values.dtype)) or 1.0)


class LabelPixels:
    """A label map as probabilities 0 and 1, a channel for each of its labels.

    Args:
        labels: One band of whole numbers.
        classes: The labels that occur.
    """

    def __init__(self, labels: RasterPixels, classes: tuple[int, ...]) -> None:
        self.labels = labels
        self.classes = classes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.labels.size

    @property
    def channels(self) -> int:
        """How many labels occur."""
        return len(self.classes)

    def read(self, box: Box) -> Tensor:
        """(channels, *box.size) float32."""
        rows, columns = box.slices
        values = self.labels.dataset.read(1, window=((rows.start, rows.stop), (columns.start, columns.stop)))
        there = torch.from_numpy(values.astype(np.int64))
        return (there == torch.tensor(self.classes)[:, None, None]).float()


@contextmanager
def opened_raster(path: Path, what: str) -> Iterator[Any]:
    """Open a raster, with a small cache.

    Raises:
        InputError: If it is missing or cannot be read, or rasterio is not installed.
    """
    rasterio = _rasterio()
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file")
    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB), warnings.catch_warnings():
        # Any picture may be given, and one without a place on the ground is none the worse for it.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(path)
        except Exception as error:  # GDAL's errors share no base class of their own
            raise InputError(f"{what} {path}: not a raster that GDAL can read ({one_line(error)})") from error
        with dataset:
            yield dataset


def image_pixels(dataset: Any) -> RasterPixels:  # noqa: ANN401
    """The first three bands of a raster as an image.

    Raises:
        InputError: If there are fewer, or they are not of 8 or 16 bits.
    """
    if dataset.count < 3 or dataset.dtypes[0] not in _SCALES:
        raise InputError(
            f"raster {dataset.name}: {dataset.count} bands of {dataset.dtypes[0]}; expected red, green and blue in the "
            "first three, of 8 or 16 bits"
        )
    return RasterPixels(dataset, 3)


def prediction_pixels(dataset: Any) -> tuple[Pixels, tuple[int, ...], bool]:  # noqa: ANN401
    """What a raster says of an image: a label map in its one band of whole numbers, or scores in its bands.

    Returns:
        The pixels, the label of each channel, and whether it is a label map.
    """
    labelled = dataset.count == 1 and np.issubdtype(np.dtype(dataset.dtypes[0]), np.integer)
    if not labelled:
        return RasterPixels(dataset, dataset.count), tuple(range(max(dataset.count, 2))), False
    pixels = RasterPixels(dataset, 1)
    classes: set[int] = set()
    for _, window in dataset.block_windows(1):
        classes |= set(np.unique(dataset.read(1, window=window)).tolist())
    if min(classes) < 0 or max(classes) > 65535:
        raise InputError(f"raster {dataset.name}: labels from {min(classes)} to {max(classes)}; expected 0 to 65535")
    return LabelPixels(pixels, tuple(sorted(classes))), tuple(sorted(classes)), True


@contextmanager
def label_raster(path: Path, like: Any, largest: int) -> Iterator[Any]:  # noqa: ANN401
    """A raster to write labels to, in the place of another on the ground; whole or not at all.

    Args:
        path: Ends in .tif.
        like: The open raster whose size, place and projection it takes.
        largest: The largest label.
    """
    rasterio = _rasterio()
    profile = {
        "driver": "GTiff", "width": like.width, "height": like.height, "count": 1, "compress": "deflate",
        "dtype": "uint8" if largest < 256 else "uint16", "crs": like.crs, "transform": like.transform,
    }  # fmt: skip
    if min(like.width, like.height) >= BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    with written_whole(path) as temporary:
        try:
            with rasterio.open(temporary, "w", **profile) as dataset:
                yield dataset
        except rasterio.errors.RasterioIOError as error:
            raise InputError(f"{path}: cannot be written ({error})") from error


def write_box(dataset: Any, labels: Tensor, box: Box) -> None:  # noqa: ANN401
    """Write (H, W) labels to their part of an open raster."""
    rows, columns = box.slices
    window = ((rows.start, rows.stop), (columns.start, columns.stop))
    dataset.write(labels.numpy().astype(dataset.dtypes[0]), 1, window=window)


def _rasterio() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("rasterio")
    except ImportError as error:
        raise InputError("rasters in parts need rasterio: pip install 'crispseg[raster]'") from error
