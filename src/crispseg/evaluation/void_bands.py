"""The void band of a data set: the width that was given, or the one found in its label maps."""

from crispseg.data import LabelledPredictions
from crispseg.metrics.void_band import find_void_band

_LOOKED_AT = 32
"""Label maps that are looked at, evenly over the data set."""


def void_band_of(data: LabelledPredictions) -> int:
    """Return the width that was given, or the one found in some of the label maps."""
    if data.void_band is not None:
        return data.void_band
    count = min(len(data), _LOOKED_AT)
    return find_void_band(data.read_labels(index * len(data) // count) for index in range(count))
