"""The bands of an open raster as pixels, some of which may be missing."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.raster.opening import RasterDataset, damaged, rasterio_, read_part, window_of


class Missing:
    """Find the missing pixels of a raster: by its nodata value, its mask or alpha band, or NaN.

    Args:
        dataset: An open `rasterio` dataset.
        bands: The bands to read. If the alpha band is one of them, it holds values like any other and is no mask.
        every: Whether a pixel is missing only if all bands have the nodata value, as where a single band may hold it,
            such as 0; otherwise one band is enough.
    """

    def __init__(self, dataset: RasterDataset, bands: list[int], *, every: bool) -> None:
        self._dataset, self._every = dataset, every
        flags = set().union(*(dataset.mask_flag_enums[band - 1] for band in bands))
        enums = rasterio_().enums.MaskFlags
        read_as_values = any(dataset.colorinterp[band - 1].name == "alpha" for band in bands)
        masked = bool(flags & {enums.alpha, enums.per_dataset}) and enums.nodata not in flags
        self._masked = masked and not (enums.alpha in flags and read_as_values)
        kind = np.dtype(dataset.dtypes[bands[0] - 1])
        self.value = representable(dataset.nodatavals[bands[0] - 1], kind)
        self.possible = self._masked or self.value is not None or np.issubdtype(kind, np.floating)

    def of(self, values: np.ndarray, box: Box) -> np.ndarray:
        """Return (*box.size) bool, True for missing pixels, given the (bands, *box.size) values there."""
        missing = np.zeros(values.shape[1:], bool)
        if np.issubdtype(values.dtype, np.floating):
            missing |= np.isnan(values).any(0)
        if self.value is not None:
            same = values == values.dtype.type(self.value)
            missing |= same.all(0) if self._every else same.any(0)
        if self._masked:
            try:
                missing |= self._dataset.dataset_mask(window=window_of(box)) == 0
            except Exception as error:  # GDAL's errors share no base class of their own
                raise damaged(self._dataset, error) from error
        return missing


def representable(value: float | None, kind: np.dtype) -> float | None:
    """Return a nodata value that the dtype can hold; None for NaN and for any other value."""
    if value is None or np.isnan(value):
        return None
    if np.issubdtype(kind, np.integer):
        limits = np.iinfo(kind)
        return int(value) if float(value).is_integer() and limits.min <= value <= limits.max else None
    return float(value)


class RasterPixels:
    """Bands of an open raster as `crispseg.data.pixels.MaskedPixels`.

    Args:
        dataset: An open `rasterio` dataset.
        bands: The bands, counted from 1.
        missing: Finds the missing pixels.
        decode: Converts (bands, rows, columns) of the file to (channels, rows, columns).
        channels: Number of channels.
        fill: Value of missing pixels.
    """

    def __init__(
        self,
        dataset: RasterDataset,
        bands: list[int],
        missing: Missing,
        *,
        decode: Callable[[np.ndarray], np.ndarray],
        channels: int,
        fill: float,
    ) -> None:
        self._dataset, self._bands, self._missing = dataset, bands, missing
        self._decode, self.channels, self._fill = decode, channels, fill

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self._dataset.height, self._dataset.width

    @property
    def masked(self) -> bool:
        """Whether a pixel may be missing."""
        return self._missing.possible

    def read(self, box: Box) -> Tensor:
        """Return (channels, *box.size) values as `decode` gives them, with `fill` in missing pixels."""
        values = read_part(self._dataset, self._bands, box)
        decoded = torch.from_numpy(self._decode(values))
        if self.masked:
            missing = torch.from_numpy(self._missing.of(values, box))
            decoded = decoded.masked_fill(missing, self._fill)
        return decoded

    def valid(self, box: Box) -> Tensor:
        """Return (*box.size) bool, True where a pixel has a value."""
        values = read_part(self._dataset, self._bands, box)
        return torch.from_numpy(~self._missing.of(values, box))
