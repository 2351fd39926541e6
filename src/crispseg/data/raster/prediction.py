"""Read predictions from rasters: scores or a label map."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.kinds import ask_about_masks, check_kind
from crispseg.data.numbering import HIGHEST_LABEL
from crispseg.data.pixels import MaskedPixels
from crispseg.data.raster.names import class_names_of
from crispseg.data.raster.opening import RasterDataset, read_part, sampled
from crispseg.data.raster.pixels import Missing, RasterPixels
from crispseg.data.soft_masks import is_soft, white_of
from crispseg.errors import InputError, naming
from crispseg.scores import PROBABILITIES, Scores

_AT_ONCE = 2**22
"""Pixels that are searched for labels at a time."""

_ROUNDED, _SOME = 0.02, 0.1
"""An alpha band holds scores if more than this share of the pixels that are not transparent are not opaque either, or
have a sum of 1 with it, up to rounding. A mask may have soft edges."""


@dataclass(frozen=True)
class RasterPrediction:
    """Scores, or a label map as scores."""

    pixels: MaskedPixels
    classes: tuple[int, ...]
    """Label of each channel."""
    kind: Scores
    nodata: float | None
    """Value of nodata in the file."""
    colours: dict[int, tuple[int, ...]] | None = None
    """Red, green, blue and opacity of each label, for a label map with a palette."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Class names, where the file gives them."""


class LabelPixels:
    """A label map as probabilities 0 and 1, a channel for each of its labels.

    Args:
        labels: One band of whole numbers.
        classes: The labels that occur.
    """

    def __init__(self, labels: RasterPixels, classes: tuple[int, ...]) -> None:
        self._labels, self.channels = labels, len(classes)
        self._classes = torch.tensor(classes)[:, None, None]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._labels.size

    @property
    def masked(self) -> bool:
        """Whether a pixel may be missing."""
        return self._labels.masked

    def read(self, box: Box) -> Tensor:
        """Return (channels, *box.size) float32; all channels of a missing pixel are 0."""
        return (self._labels.read(box) == self._classes).float()

    def valid(self, box: Box) -> Tensor:
        """Return (*box.size) bool, True where a pixel has a label."""
        return self._labels.valid(box)


def prediction_pixels(
    dataset: RasterDataset, source: RasterDataset, said: Scores | None, scale: float | None
) -> RasterPrediction:
    """Return the prediction in a raster: a label map in one band of whole numbers, or scores in its bands.

    Args:
        dataset: The `rasterio` dataset, warped to the image.
        source: The file behind it, which describes the bands.
        said: Kind of the scores; None means logits, unless they look like object masks.
        scale: Whole number that means a probability of 1; None if whole numbers are labels.

    Raises:
        InputError: If the numbers are neither labels nor scores.
    """
    bands = _score_bands(source, scale)
    whole = np.issubdtype(np.dtype(source.dtypes[0]), np.integer)
    tagged = [(source.scales[band - 1], source.offsets[band - 1]) for band in bands]
    if scale is None and whole and len(bands) == 1 and tagged == [(1.0, 0.0)]:
        return _labels(dataset, source, bands, said)
    kind = said or "logits"
    factors = _factors(source, tagged, kind, scale) if scale is not None or whole else tagged
    if len(bands) == 1 and not whole:
        _refuse_labels(source, bands)
    _check_kind(source, bands, factors, said)
    step, start = (np.array(column, np.float32)[:, None, None] for column in zip(*factors, strict=True))
    missing = Missing(dataset, bands, every=_is_a_score(source, bands[0], kind, factors[0]))
    pixels = RasterPixels(
        dataset,
        bands,
        missing,
        decode=lambda values: values.astype(np.float32) * step + start,
        channels=len(bands),
        fill=0.0,
    )
    classes = tuple(range(max(len(bands), 2)))
    described = (
        (label, source.descriptions[band - 1]) for label, band in zip(classes[-len(bands) :], bands, strict=True)
    )
    names = {label: name for label, name in described if name}
    return RasterPrediction(pixels, classes, kind, source.nodata, names=names)


def _score_bands(source: RasterDataset, scale: float | None) -> list[int]:
    """Return the bands of a prediction without an alpha band.

    Raises:
        InputError: If that band seems to hold scores: by default GDAL tags the fourth band of uint8 as alpha.
    """
    bands = [band for band in source.indexes if source.colorinterp[band - 1].name != "alpha"]
    for alpha in {*source.indexes} - {*bands}:
        values = sampled(source, [*bands, alpha]).data.astype(np.float64)
        seen = values[:, values[-1] > 0]
        between = seen[-1] < values[-1].max()
        completes = False if scale is None else abs(seen.sum(0) - scale) < _ROUNDED * scale
        if len(bands) > 1 and (between | completes).sum() > _SOME * len(between):
            raise InputError(
                f"prediction {source.name}: band {alpha} is tagged alpha but looks like scores; expected a mask of 0 "
                f"and one other number: if it is a class, say so (gdal_edit.py -colorinterp_{alpha} undefined)"
            )
    return bands


def _factors(
    source: RasterDataset, tagged: list[tuple[float, float]], kind: Scores, scale: float | None
) -> list[tuple[float, float]]:
    """Return the factor and the offset that convert the stored numbers of each band to scores."""
    named = f"prediction {source.name}: {len(tagged)} bands of {source.dtypes[0]}"
    if scale is None and all(factor == (1.0, 0.0) for factor in tagged):
        raise InputError(
            f"{named}; expected floating-point scores, one band of labels, or the number that stands for a "
            "probability of 1: --scores probabilities --scale 255"
        )
    if scale is None:
        return tagged
    if not np.issubdtype(np.dtype(source.dtypes[0]), np.integer):
        raise InputError(
            f"{named}, and a scale of {scale:g}; expected no scale for floating-point numbers: leave it out"
        )
    if kind != "probabilities" or not 0 < scale < np.inf:
        raise InputError(
            f"scale is {scale:g} for {kind}; expected the number that stands for a probability of 1, above 0, with "
            "--scores probabilities"
        )
    return [(1 / scale, 0.0)] * len(tagged)


def _is_a_score(source: RasterDataset, band: int, kind: Scores, factor: tuple[float, float]) -> bool:
    """Return whether the nodata value may also be a score, such as 0 for a probability of 0."""
    nodata = source.nodatavals[band - 1]
    if nodata is None or np.isnan(nodata):
        return True
    return nodata == 0 or (kind == "probabilities" and 0 <= nodata * factor[0] + factor[1] <= 1)


def _refuse_labels(source: RasterDataset, bands: list[int]) -> None:
    found = np.unique(sampled(source, bands).compressed())
    found = found[np.isfinite(found)]
    if len(found) > 1 and (found == found.round()).all() and not set(found) <= {0, 1}:
        raise InputError(
            f"prediction {source.name}: one band of {source.dtypes[0]} that holds whole numbers, such as "
            f"{found[-1]:g}; expected scores; labels are of an integer type (gdal_translate -ot Byte in.tif out.tif)"
        )


def _check_kind(
    source: RasterDataset, bands: list[int], factors: list[tuple[float, float]], said: Scores | None
) -> None:
    """Refuse logits that are recognisably something else, by a sample of them; beside an image, sums may be 0."""
    kind = said or "logits"
    if kind in PROBABILITIES:
        return
    values = sampled(source, bands)
    step, start = (np.array(column, np.float32)[:, None] for column in zip(*factors, strict=True))
    there = ~np.ma.getmaskarray(values).any(0) & np.isfinite(values.data).all(0)
    scores = torch.from_numpy(values.data[:, there].astype(np.float32) * step + start)[:, None]
    with naming(source.name):
        check_kind(scores, kind)
        if said is None:
            ask_about_masks(scores)


def _labels(dataset: RasterDataset, source: RasterDataset, bands: list[int], said: Scores | None) -> RasterPrediction:
    missing = Missing(dataset, bands, every=True)
    largest = np.iinfo(np.dtype(source.dtypes[0])).max
    pixels = RasterPixels(
        dataset, bands, missing, decode=lambda values: values.astype(np.int64), channels=1, fill=largest + 1
    )
    found: set[int] = set()
    for box in _walk(dataset):
        values = read_part(dataset, bands, box)
        found |= set(np.unique(values[0][~missing.of(values, box)]).tolist())
        _refuse_greys(source, values[0], found, said)
    if not found:
        raise InputError(f"prediction {source.name}: holds only nodata where the image is; expected labels")
    if min(found) < 0 or max(found) > HIGHEST_LABEL:
        raise InputError(
            f"raster {source.name}: labels from {min(found)} to {max(found)}; expected 0 to {HIGHEST_LABEL}: tag "
            "the nodata number (gdal_edit.py -a_nodata NUMBER)"
        )
    classes = tuple(sorted(found))
    colours = source.colormap(1) if source.colorinterp[0].name == "palette" else None
    names = class_names_of(source)
    return RasterPrediction(LabelPixels(pixels, classes), classes, "probabilities", source.nodata, colours, names)


def _refuse_greys(source: RasterDataset, values: np.ndarray, found: set[int], said: Scores | None) -> None:
    """Refuse the numbers of a soft mask, and of a black and white one if they are said to be probabilities."""
    white = white_of(max(found, default=0))
    if is_soft(torch.from_numpy(values.astype(np.int64))) or (said == "probabilities" and found == {0, white}):
        raise InputError(
            f"prediction {source.name}: its {len(found)} numbers seem to be the greys of a mask; expected labels: if "
            f"{white} is a probability of 1, pass --scores probabilities --scale {white}"
        )


def _walk(dataset: RasterDataset) -> Iterator[Box]:
    """Yield parts of bounded size that cover a raster, made of whole blocks unless a block is larger."""
    height, width = dataset.block_shapes[0]
    columns = max(1, min(dataset.width, _AT_ONCE // height) // width) * width
    columns = min(columns, _AT_ONCE)
    rows = max(1, min(_AT_ONCE // columns, dataset.height) // height * height)
    for top in range(0, dataset.height, rows):
        for left in range(0, dataset.width, columns):
            yield Box(top, left, min(top + rows, dataset.height), min(left + columns, dataset.width))
