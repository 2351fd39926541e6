"""Bands of a raster as an image."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crispseg.data.intensity import Intensities, ValueRange
from crispseg.data.raster.opening import RasterDataset, sampled
from crispseg.data.raster.pixels import Missing, RasterPixels
from crispseg.errors import InputError, naming

_COLOURS = ("red", "green", "blue")
_UNNAMED = ("gray", "undefined")
_MOSTLY = 0.5
"""An alpha band of which more than this is neither transparent nor opaque is taken for a band of the image."""

_log = logging.getLogger(__name__)


def image_pixels(
    dataset: RasterDataset,
    bands: Sequence[int] | None = None,
    value_range: ValueRange = "auto",
) -> RasterPixels:
    """Return bands of a raster as an image: the given ones, those named or tagged as colours, or the first three.

    Args:
        dataset: An open `rasterio` dataset.
        bands: Numbers of the bands for red, green and blue, counted from 1, or of one band for all three; None to use
            the names and tags of the bands, or the only band.
        value_range: The values of black and white; see `crispseg.data.read_image`. Percentiles are those of evenly
            spaced pixels of the whole raster, the same for all its parts.

    Raises:
        InputError: If there are no such bands.
    """
    if bands is None and dataset.count <= 2 and dataset.colorinterp[0].name == "palette":
        return _of_palette(dataset)
    chosen = _checked(dataset, bands) if bands is not None else _by_tags(dataset)
    _tell_of_alpha(dataset, chosen)
    missing, kind = Missing(dataset, chosen, every=True), np.dtype(dataset.dtypes[chosen[0] - 1])
    if kind == np.uint8 and value_range in ("auto", "full"):
        return RasterPixels(dataset, chosen, missing, decode=lambda values: values, channels=3, fill=128)
    with naming(Path(dataset.name)):
        known = Intensities.of(sampled(dataset, chosen).compressed(), value_range, bits=_bits(dataset, chosen[0]))
    known.tell(dataset.name)
    return RasterPixels(dataset, chosen, missing, decode=known.scale, channels=3, fill=0.5)


def _checked(dataset: RasterDataset, bands: Sequence[int]) -> list[int]:
    if len(bands) not in (1, 3) or not all(1 <= band <= dataset.count for band in bands):
        raise InputError(
            f"raster {dataset.name}: bands {', '.join(map(str, bands))} for red, green and blue; expected three "
            f"numbers from 1 to {dataset.count}, or one for greyscale"
        )
    return list(bands) * (3 // len(bands))


def _tell_of_alpha(dataset: RasterDataset, chosen: Sequence[int]) -> None:
    """Warn of an alpha band that looks like near infrared: by default GDAL tags the fourth band of uint8 as alpha."""
    for band in {index for index in dataset.indexes if dataset.colorinterp[index - 1].name == "alpha"} - {*chosen}:
        values = sampled(dataset, [band]).data
        if np.mean((values > 0) & (values < np.max(values))) > _MOSTLY:
            _log.warning(
                "image %s: band %d is tagged alpha but looks like an image; pixels where it is 0 count as missing "
                "(gdal_edit.py -colorinterp_%d undefined makes it a band like the others)", dataset.name, band, band,
            )  # fmt: skip


def _by_tags(dataset: RasterDataset) -> list[int]:
    tags, names = [band.name for band in dataset.colorinterp], [name or "" for name in dataset.descriptions]
    lower = [name.lower() for name in names]
    if all(lower.count(colour) == 1 for colour in _COLOURS):
        return [lower.index(colour) + 1 for colour in _COLOURS]
    if all(tags.count(colour) == 1 for colour in _COLOURS):
        found = [tags.index(colour) for colour in _COLOURS]
    elif dataset.count >= 3 and set(tags[:3]) <= set(_UNNAMED):
        found = [0, 1, 2]
    elif tags[0] in _UNNAMED and set(tags[1:]) <= {"alpha"}:
        return [1, 1, 1]
    else:
        raise InputError(
            f"raster {dataset.name}: {dataset.count} bands of {dataset.dtypes[0]}, tagged {', '.join(tags[:6])}; "
            "expected red, green and blue: name these bands (--bands R,G,B, or one number for greyscale)"
        )
    # By default GDAL tags any three uint8 bands as colours. If there are more without tags, the first may be blue.
    unsure = tags[found[0]] in _UNNAMED and len(tags) - tags.count("alpha") > 3
    if unsure or any(names[band] for band in found):
        called = ", ".join(repr(names[band]) if names[band] else f"band {band + 1}" for band in found)
        _log.warning("image %s: reading %s as red, green and blue; --bands chooses others", dataset.name, called)
    return [band + 1 for band in found]


def _of_palette(dataset: RasterDataset) -> RasterPixels:
    colours = np.zeros((3, max(256, 2 ** (8 * np.dtype(dataset.dtypes[0]).itemsize))), np.uint8)
    for value, colour in dataset.colormap(1).items():
        colours[:, value] = colour[:3]
    return RasterPixels(
        dataset,
        [1],
        Missing(dataset, [1], every=True),
        decode=lambda values: colours[:, values[0]],
        channels=3,
        fill=128,
    )


def _bits(dataset: RasterDataset, band: int) -> int | None:
    """Return the number of bits in use, if the header declares fewer than the dtype has; otherwise None."""
    said = dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", "")
    return int(said) if said.isdecimal() and np.issubdtype(np.dtype(dataset.dtypes[band - 1]), np.integer) else None
