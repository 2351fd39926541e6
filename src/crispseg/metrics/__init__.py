"""Metrics of segmentations, pairs and boundaries: tensors in, numbers out."""

from typing import TYPE_CHECKING, Any

from crispseg.defaults import ABSENT_CLASSES, AbsentClasses
from crispseg.errors import InputError
from crispseg.metrics.accuracy import Accuracy, Truth
from crispseg.metrics.boundaries import BoundaryCounts, count_boundaries
from crispseg.metrics.confusion import ConfusionMatrix
from crispseg.metrics.gains import Gain, gain
from crispseg.metrics.names import METRICS, cldice_of
from crispseg.metrics.pairs import PairCounts, count_pairs
from crispseg.metrics.trimap_band import trimap

if TYPE_CHECKING:
    from crispseg.metrics.modules import BoundaryFScore, BoundaryIoU, ClDice, MeanIoU, TrimapIoU

__all__ = [
    "ABSENT_CLASSES",
    "METRICS",
    "AbsentClasses",
    "Accuracy",
    "BoundaryCounts",
    "BoundaryFScore",
    "BoundaryIoU",
    "ClDice",
    "ConfusionMatrix",
    "Gain",
    "MeanIoU",
    "PairCounts",
    "TrimapIoU",
    "Truth",
    "cldice_of",
    "count_boundaries",
    "count_pairs",
    "gain",
    "trimap",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class of `modules`
    """Import a class in torchmetrics form on first access, since importing torchmetrics takes seconds."""
    if name not in {"BoundaryFScore", "BoundaryIoU", "ClDice", "MeanIoU", "TrimapIoU"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from crispseg.metrics import modules  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        if error.name != "torchmetrics":
            raise
        raise InputError(f"{name} needs torchmetrics; install it with: pip install 'crispseg[metrics]'") from error
    return getattr(modules, name)
