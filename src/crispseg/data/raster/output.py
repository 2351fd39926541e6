"""Write label maps that are georeferenced like an image."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.raster.names import tags_of
from crispseg.data.raster.opening import RasterDataset, rasterio_, window_of
from crispseg.data.raster.pixels import representable
from crispseg.data.raster.prediction import RasterPrediction
from crispseg.errors import InputError, OutputError
from crispseg.writing import check_output_file, remove_left_over, written_whole

BLOCK = 256
"""Side of the tiles in which label maps are written."""

Values = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W) values of a label raster."""

_MULTIPLE = 16
"""GeoTIFF requires tile sides that are multiples of this."""
_SUFFIXES = (".tif", ".tiff")
_BESIDE = (".ovr", ".msk", ".aux.xml")
"""Endings of the sidecar files that GDAL reads with a file; those left from an earlier file would be wrong."""


class LabelValues(NamedTuple):
    """How a raster holds labels."""

    kind: Literal["uint8", "uint16"]
    nodata: int | None
    """The value of pixels without a label; None if every pixel has one."""

    @classmethod
    def of(cls, prediction: RasterPrediction, *, masked: bool) -> Self:
        """Return the smallest values for the labels of a prediction, given whether a pixel may have none."""
        largest = max(prediction.classes)
        nodata = _free(prediction, largest) if masked else None
        return cls("uint8" if max(largest, nodata or 0) < 256 else "uint16", nodata)

    def stored(self, labels: Tensor, valid: Tensor | None) -> Values:
        """Return the values of (H, W) labels; pixels where `valid` is False have none."""
        if valid is not None:
            labels = labels.masked_fill(~valid, 0 if self.nodata is None else self.nodata)
        values: Values = labels.numpy().astype(self.kind)
        return values


class LabelRaster:
    """A raster to write labels to.

    Args:
        dataset: A `rasterio` dataset, open for writing.
        nodata: Value of pixels without a label; None if every pixel has one.
    """

    def __init__(self, dataset: RasterDataset, nodata: int | None) -> None:
        self._dataset, self._nodata = dataset, nodata
        self.is_empty = True
        """Whether no pixel has a label yet."""

    def write(self, values: Values, box: Box) -> None:
        """Write (H, W) values to a box."""
        self.is_empty &= self._nodata is not None and bool((values == self._nodata).all())
        self._dataset.write(values, 1, window=window_of(box))


def check_raster_output(path: Path, inputs: Iterable[Path]) -> None:
    """Refuse a name that does not end in .tif or .tiff, and files that `crispseg.writing.check_output_file` refuses.

    Raises:
        InputError: If the path is refused.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"output {path}: expected a name that ends in {' or '.join(_SUFFIXES)}, for a GeoTIFF")
    check_output_file(path, inputs)


@contextmanager
def label_raster(
    path: Path, like: RasterDataset, prediction: RasterPrediction, values: LabelValues
) -> Iterator[LabelRaster]:
    """Open a raster to write labels to, georeferenced like another; it is written whole or not at all.

    Args:
        path: Ends in .tif.
        like: The open raster to copy size, transform and CRS from, with control points and RPCs.
        prediction: Source of the colours and names of the classes.
        values: How it holds labels.

    Raises:
        OutputError: If it cannot be written.
        InputError: If no pixel was given a label.
    """
    rasterio = rasterio_()
    profile = {
        "driver": "GTiff", "width": like.width, "height": like.height, "count": 1, "compress": "deflate",
        "dtype": values.kind, "nodata": values.nodata, "crs": like.crs,
        "bigtiff": "if_safer", "sparse_ok": False,
    }  # fmt: skip
    points, points_crs = like.gcps
    profile |= {"gcps": points, "crs": points_crs} if points else {"transform": like.transform}
    if like.rpcs is not None:
        profile["rpcs"] = like.rpcs
    across, down = (min(BLOCK, side // _MULTIPLE * _MULTIPLE) for side in (like.width, like.height))
    if across and down:
        # Each part of a strip would compress the strip again, and the old copy would stay in the file.
        profile |= {"tiled": True, "blockxsize": across, "blockysize": down}
    remove_left_over(path.absolute().parent, {path.stem})
    with written_whole(path) as temporary:
        try:
            with rasterio.open(temporary, "w", **profile) as dataset:
                _describe(dataset, prediction)
                labels = LabelRaster(dataset, values.nodata)
                yield labels
        except rasterio.errors.RasterioIOError as error:
            raise OutputError(f"{path}: cannot be written ({error})") from error
        if labels.is_empty:
            raise InputError(
                f"{path}: image and prediction have no pixel in common that is not nodata; expected one or more"
            )
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _free(prediction: RasterPrediction, largest: int) -> int:
    """Return a value for pixels without a label: a free nodata value of the prediction, or 255 or 65535."""
    wanted = representable(prediction.nodata, np.dtype(np.uint16))
    if wanted is not None and wanted not in prediction.classes:
        return int(wanted)
    return 255 if largest < 255 else 65535


def _describe(dataset: RasterDataset, prediction: RasterPrediction) -> None:
    if prediction.colours is not None and dataset.dtypes[0] == "uint8":
        dataset.write_colormap(1, {label: colour for label, colour in prediction.colours.items() if label < 256})
    if prediction.names:
        dataset.update_tags(1, **tags_of(prediction.names))
