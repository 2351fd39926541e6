"""Scale the numbers in a file to intensities from 0 to 1."""

import logging
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from crispseg.errors import InputError

ValueRange = Literal["auto", "full", "percentiles"] | tuple[float, float]
"""The numbers that become 0 and 1: the range of the dtype, the 2nd and 98th percentile, or two given numbers.

"auto" means "full" for 8 bits, and for more bits if the 98th percentile lies in the upper half of their range.
Otherwise it means "percentiles": 12-bit counts in 16 bits would be nearly black.
"""

_NAMES = ("auto", "full", "percentiles")
_LOW, _HIGH = 2, 98
_ENOUGH = 2**20
"""Numbers to take percentiles of; a larger image is sampled evenly."""

_log = logging.getLogger(__name__)
_told: set[str] = set()
"""The files whose estimated range was reported."""


def parse_range(text: str) -> ValueRange:
    """Parse a range from text.

    Raises:
        InputError: If it is neither a name nor two numbers LOW,HIGH with LOW < HIGH.

    Example:
        >>> parse_range("0,3000"), parse_range("full")
        ((0.0, 3000.0), 'full')
    """
    for name in _NAMES:
        if text == name:
            return name  # type: ignore[return-value]
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise InputError(f"range {text!r}: expected LOW,HIGH, such as 0,3000, or one of {', '.join(_NAMES)}") from error
    check_range((low, high))
    return low, high


def check_range(value_range: ValueRange) -> None:
    """Refuse an invalid range.

    Raises:
        InputError: If it is neither a name nor two finite numbers (low, high) with low < high.
    """
    if value_range in _NAMES:
        return
    given: object = value_range
    if not (isinstance(given, tuple) and len(given) == 2 and -np.inf < given[0] < given[1] < np.inf):
        raise InputError(f"range is {given!r}; expected finite (low, high) with low < high, or one of {_NAMES}")


class Intensities(NamedTuple):
    """The numbers that become 0 and 1."""

    low: float
    high: float
    estimated: bool = False
    """Whether they are percentiles, not given by the user."""

    @classmethod
    def of(cls, sample: np.ndarray, value_range: ValueRange, *, bits: int | None = None) -> "Intensities":
        """Find the numbers of black and white.

        Args:
            sample: Numbers of the file, all or some; NaN is ignored.
            value_range: How to choose them.
            bits: Bits in use, where these are fewer than the dtype has.

        Raises:
            InputError: If there is no finite number, or `value_range` is invalid.

        Example:
            >>> counts = np.arange(4096, dtype=np.uint16)
            >>> Intensities.of(counts, "full"), Intensities.of(counts, "full", bits=12)[:2]
            (Intensities(low=0.0, high=65535.0, estimated=False), (0.0, 4095.0))
            >>> Intensities.of(counts, "auto")
            Intensities(low=81.9, high=4013.1, estimated=True)
        """
        check_range(value_range)
        if isinstance(value_range, tuple):
            return cls(*value_range)
        full = _full(sample.dtype, bits)
        if value_range == "full" or (value_range == "auto" and sample.dtype == np.uint8):
            return cls(0.0, full)
        flat = sample.reshape(-1)
        some = flat[:: max(1, -(-flat.size // _ENOUGH))].astype(np.float64)
        some = some[np.isfinite(some)]
        if not some.size:
            raise InputError("has no finite values; expected an image")
        low, high = np.percentile(some, (_LOW, _HIGH))
        if value_range == "auto" and high > full / 2 and some.min() >= 0 and some.max() <= full:
            return cls(0.0, full)
        return cls(float(low), float(high) if high > low else float(low) + 1, estimated=True)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Scale numbers to float32 intensities; numbers outside the range become 0 or 1, and NaN stays NaN."""
        narrow = values.dtype.itemsize <= 2 or values.dtype == np.float32  # float32 holds 16 bits
        wide: Any = values.astype(np.float32 if narrow else np.float64)
        scaled: np.ndarray = (np.clip(wide, self.low, self.high) - self.low) / (self.high - self.low)
        return scaled.astype(np.float32, copy=False)

    def tell(self, path: Path | str, *, once: bool = False) -> None:
        """Report an estimated range in the log; with `once`, only for the first file of the process."""
        if not self.estimated or (once and _told):
            return
        _told.add(str(path))
        more = ", and likewise for each further one" if once else ""
        _log.warning(
            "image %s: reading its 2nd and 98th percentile, %.6g and %.6g, as black and white%s; --range LOW,HIGH of "
            "sharpen, annotations, predict and raster sets others", path, self.low, self.high, more,
        )  # fmt: skip


def to_bytes(image: Tensor) -> Tensor:
    """Convert an image, uint8 or in [0, 1], to uint8.

    Example:
        >>> to_bytes(torch.tensor([0.0, 0.5, 1.0]))
        tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8)


def to_floats(image: Tensor) -> Tensor:
    """Convert an image, uint8 or in [0, 1], to floating point in [0, 1]."""
    return image.float() / 255 if image.dtype == torch.uint8 else image


def _full(dtype: np.dtype, bits: int | None) -> float:
    if bits is not None:
        return float(2**bits - 1)
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0
