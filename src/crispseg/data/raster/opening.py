"""Open rasters safely: they may be large, or refer to other files."""

import importlib
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crispseg.data.box import Box
from crispseg.errors import InputError, one_line
from crispseg.extras import optional_packages

_WARPED = "VRT"
"""The driver of rasters that are warped while they are read; files of it are not opened."""

DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG", "BMP", "WEBP", "HFA", "ENVI")
"""Formats that hold their pixels themselves. Others, such as VRT, name files and addresses that GDAL would open."""

_CACHE_MB = 64
_SETTINGS = {
    "GDAL_CACHEMAX": _CACHE_MB,
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".no-network",  # no address ends so: nothing that a header names is fetched
    "GDAL_HTTP_MAX_RETRY": 0,
}
_BLOCK_SHARE, _INDEX_SHARE = 4, 8
"""A block of a file may take 1/4 of the memory, and the index of its blocks 1/8."""
_INDEX_BYTES = 16
_SAMPLED = 512
"""Pixels to a side of a sample."""

RasterDataset = Any
"""An open dataset of rasterio, which has no types."""


def rasterio_() -> Any:  # noqa: ANN401 - rasterio has no types
    """Return the rasterio module with its parts `vrt` and `warp`, imported on first use.

    Raises:
        InputError: If it is not installed.
    """
    with optional_packages():
        for name in ("rasterio.vrt", "rasterio.warp"):  # which the package itself does not import
            importlib.import_module(name)
        return importlib.import_module("rasterio")


@contextmanager
def opened_raster(path: Path, what: str, memory: int) -> Iterator[RasterDataset]:
    """Open a raster with a small cache and without network access.

    Args:
        path: A file of one of `DRIVERS`.
        what: Name of the input in errors.
        memory: Bytes that the process may use.

    Raises:
        InputError: If it is missing or cannot be read, its blocks do not fit into the memory, or rasterio is not
            installed.
    """
    rasterio = rasterio_()
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file")
    with rasterio.Env(**_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # a plain photograph is one
        try:
            dataset = rasterio.DatasetReader(str(path.absolute()), driver=list(DRIVERS))  # open() takes one only
        except Exception as error:  # GDAL's errors share no base class of their own
            raise InputError(
                f"{what} {path}: cannot be read as a raster ({one_line(error)}); expected {', '.join(DRIVERS)}: "
                "convert a VRT, which refers to other files, with gdal_translate in.vrt out.tif"
            ) from error
        with dataset:
            _check_blocks(dataset, f"{what} {path}", memory)
            if any(np.issubdtype(np.dtype(kind), np.complexfloating) for kind in _known(dataset.dtypes)):
                raise InputError(f"{what} {path}: its values are complex; expected real numbers")
            yield dataset


def window_of(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a box in the form that rasterio takes."""
    return (box.top, box.bottom), (box.left, box.right)


def read_part(dataset: RasterDataset, bands: list[int], box: Box) -> np.ndarray:
    """Read (bands, *box.size) values of a raster.

    Raises:
        InputError: If they cannot be read.
    """
    wide = _beyond_a_block(dataset, box) if dataset.driver == _WARPED else box
    try:
        values: np.ndarray = dataset.read(bands, window=window_of(wide))
    except Exception as error:  # GDAL's errors share no base class of their own
        raise damaged(dataset, error) from error
    return values[:, *box.within(wide).slices]


def _beyond_a_block(dataset: RasterDataset, box: Box) -> Box:
    """Return the box, made larger than a block where the raster is: GDAL warps a smaller one anew for each band."""
    starts, ends = list[int](), list[int]()
    for start, end, block, whole in zip(box[:2], box[2:], dataset.block_shapes[0], dataset.shape, strict=True):
        ends.append(min(max(end, start + block + 1), whole))
        starts.append(max(min(start, ends[-1] - block - 1), 0))
    return Box(*starts, *ends)


def damaged(dataset: RasterDataset, error: Exception) -> InputError:
    """Return the error of a raster whose pixels cannot be read."""
    reason = error.__cause__ or error
    return InputError(f"raster {dataset.name}: damaged or truncated ({reason}); write it again")


def sampled(dataset: RasterDataset, bands: list[int]) -> np.ma.MaskedArray:
    """Return (bands, ≤ 512, ≤ 512) evenly spaced pixels, from an overview if there is one; nodata is masked.

    Raises:
        InputError: If they cannot be read.
    """
    size = min(dataset.height, _SAMPLED), min(dataset.width, _SAMPLED)
    try:
        pixels: np.ma.MaskedArray = dataset.read(bands, out_shape=(len(bands), *size), masked=True)
    except Exception as error:
        raise damaged(dataset, error) from error
    return pixels


def _known(kinds: tuple[str, ...]) -> list[str]:
    return ["complex64" if kind.startswith("complex") else kind for kind in kinds]


def _check_blocks(dataset: RasterDataset, named: str, memory: int) -> None:
    """Refuse a file whose blocks, or their index, take much of the memory: GDAL reads whole blocks."""
    planes = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    number = max(np.dtype(kind).itemsize for kind in _known(dataset.dtypes))
    height, width = max(dataset.block_shapes, key=math.prod)
    block = height * width * number * planes
    if block > memory / _BLOCK_SHARE:
        raise InputError(
            f"{named}: is stored in blocks of {width}×{height} pixels, {block / 2**20:.0f} MiB each, which are read "
            f"whole; expected at most {memory / _BLOCK_SHARE / 2**20:.0f} MiB within {memory / 2**20:.0f} "
            "MiB of memory: write it in tiles (gdal_translate -co TILED=YES in.tif out.tif), or allow more memory"
        )
    count = math.ceil(dataset.height / height) * math.ceil(dataset.width / width) * (dataset.count // planes)
    if _INDEX_BYTES * count > memory / _INDEX_SHARE:
        raise InputError(
            f"{named}: {dataset.width}×{dataset.height} pixels in {count} blocks, whose index alone takes "
            f"{_INDEX_BYTES * count / 2**20:.0f} MiB; expected at most {memory / _INDEX_SHARE / 2**20:.0f} MiB within "
            f"{memory / 2**20:.0f} MiB of memory: cut the raster into parts, or allow more memory"
        )
