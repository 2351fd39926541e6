"""Reading of the files of `crispseg table`, for the figures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crispseg.errors import InputError, one_line
from crispseg.metrics import Gain
from crispseg.reading import read_json

DRAWN_METRICS = {"miou": "mIoU", "trimap_4": "trimap mIoU"}
"""Metrics to draw, and their titles."""

R = TypeVar("R")


@dataclass(frozen=True)
class SurfaceRow:
    """The gains of one setting, in points."""

    window: int
    dilation: int
    hardness: float
    passes: int
    gains: Mapping[str, float]
    """Gain of each metric in `DRAWN_METRICS`."""


@dataclass(frozen=True)
class TableRow:
    """The gains and the time of a method."""

    name: str
    group: str
    milliseconds: float
    """Milliseconds per image."""
    gains: Mapping[str, Gain]
    """Gain of each metric in `DRAWN_METRICS`, with the ends of its 95 % interval."""


def read_surface(path: Path) -> list[SurfaceRow]:
    """Read a surface.json.

    Raises:
        InputError: If the file cannot be read, or `crispseg table` did not write it.
    """
    return _read(path, "surface.json", _surface_row)


def read_table(path: Path) -> list[TableRow]:
    """Read a table.json.

    Raises:
        InputError: If the file cannot be read, or `crispseg table` did not write it.
    """
    return _read(path, "table.json", _table_row)


def _surface_row(row: Mapping[str, Any]) -> SurfaceRow:
    return SurfaceRow(
        window=int(_number(row, "window")),
        dilation=int(_number(row, "dilation")),
        hardness=_number(row, "hardness"),
        passes=int(_number(row, "passes")),
        gains={name: _number(row, name) for name in DRAWN_METRICS},
    )


def _table_row(row: Mapping[str, Any]) -> TableRow:
    metrics = {name: row["metrics"][name] for name in DRAWN_METRICS}
    return TableRow(
        name=str(row["name"]),
        group=str(row["group"]),
        milliseconds=_number(row, "milliseconds"),
        gains={
            name: Gain(*(_number(metric, key) for key in ("gain", "low", "high"))) for name, metric in metrics.items()
        },
    )


def _number(row: Mapping[str, Any], key: str) -> float:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{key!r} is {value!r}, not a finite number")
    return float(value)


def _read(path: Path, what: str, row_of: Callable[[Mapping[str, Any]], R]) -> list[R]:
    expected = f"expected a {what} that `crispseg table` wrote"
    content = read_json(path, what, expected)
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: has no rows; {expected}")
    read = []
    for number, row in enumerate(rows, start=1):
        try:
            read.append(row_of(row))
        except KeyError as error:
            raise InputError(f"{path}: row {number} has no {error}; {expected}") from error
        except Exception as error:  # a row may be anything
            raise InputError(f"{path}: row {number} is not as expected ({one_line(error)}); {expected}") from error
    return read
