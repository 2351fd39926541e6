"""The metrics by their names."""

from collections.abc import Sequence
from typing import Any

from crispseg.errors import InputError
from crispseg.metrics.centreline import ClDiceDefinition
from crispseg.metrics.definitions import (
    BoundaryFDefinition,
    BoundaryIoUDefinition,
    IoUDefinition,
    MetricDefinition,
    PixelAccuracyDefinition,
)
from crispseg.value_checks import check_choice

_DEFINITIONS: dict[str, MetricDefinition[Any]] = {
    "miou": IoUDefinition(),
    "pixel_accuracy": PixelAccuracyDefinition(),
    **{f"trimap_{width}": IoUDefinition(width) for width in (1, 2, 4, 8, 16)},
    "boundary_iou": BoundaryIoUDefinition(),
    "boundary_f": BoundaryFDefinition(),
}

METRICS = tuple(_DEFINITIONS)
"""Names of the metrics that are always measured, in the order of tables."""

CLDICE = "cldice:"
"""Start of the name of a clDice; its classes follow, since only thin ones have a centreline to speak of."""


def cldice_of(classes: Sequence[int]) -> str:
    """Return the name of the clDice of some classes.

    Raises:
        InputError: If there are no classes.

    Example:
        >>> cldice_of([2, 6])
        'cldice:2,6'
    """
    if not classes:
        raise InputError("the clDice has no classes; expected one thin class or more")
    return CLDICE + ",".join(map(str, sorted(set(classes))))


def definition_named(name: str) -> MetricDefinition[Any]:
    """Return the definition of the metric with this name: one of `METRICS`, or one that `cldice_of` returned.

    Raises:
        InputError: If no metric has this name.
    """
    listed = name.removeprefix(CLDICE).split(",")
    if name.startswith(CLDICE) and all(label.isdecimal() for label in listed):
        return ClDiceDefinition(tuple(map(int, listed)))
    check_choice("metric", name, METRICS)
    return _DEFINITIONS[name]
