"""Options: how a value is read from text, written, shown on the page, and searched. This module needs no PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from crispseg.errors import InputError


@dataclass(frozen=True)
class Slider:
    """A slider on the page, for a number up to six times the initial one.

    Args:
        low: The lowest value.
        step: The distance between two values.
    """

    low: float
    step: float


@dataclass(frozen=True)
class Choices:
    """A menu on the page, for one of a few values as text.

    Args:
        values: The values that it offers. If other text may be typed, no value may contain what one would type: a menu
            takes the first value that contains it.
        free: Whether other text may be typed.
        wide: Whether values are long, so that the menu takes a row of its own.
    """

    values: tuple[str, ...]
    free: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Option:
    """How a field of `SharpenerConfig` is read, written and shown.

    Args:
        help: What the field does, for `--help` and the page.
        label: Its label on the page, in a few words.
        read: Checks a value or its text and returns the value.
        control: Its control on the page; None if the page builds a control of its own.
        metavar: The name of its value in `--help`.
        tried: Takes the initial value and returns the values that `tune` tries by default.
        write: Returns the value as JSON holds it.
        of_predictions: Whether it describes predictions, each of which may differ, rather than the sharpener.
        rare: Whether it is seldom changed, so that the page shows it only when asked for more.
    """

    help: str
    label: str
    read: Callable[[Any], Any]
    control: Slider | Choices | None
    metavar: str
    tried: Callable[[Any], Sequence[Any]] = lambda value: (value,)
    write: Callable[[Any], Any] = lambda value: value
    of_predictions: bool = False
    rare: bool = False


def read_number(text: Any) -> Any:  # noqa: ANN401 - the check that follows refuses anything but a number
    """Return the number of a text, or NumPy's number as one of Python; anything else as it is."""
    if isinstance(text, str):
        try:
            return int(text)
        except ValueError:
            try:
                return float(text)
            except ValueError:
                return text
    if isinstance(text, Integral) and not isinstance(text, bool):
        return int(text)
    return float(text) if isinstance(text, Real) and not isinstance(text, bool) else text


def flag(name: str) -> str:
    """Return the option of the command line for a field.

    Example:
        >>> flag("score_weight")
        '--score-weight'
    """
    return f"--{name.replace('_', '-')}"


def as_text(value: object) -> str:
    """Return the text of a value, from which its option reads it again.

    Example:
        >>> as_text(None), as_text(5.0), as_text(0.95), as_text((6, 4))
        ('none', '5', '0.95', '6,4')
    """
    if value is None:
        return "none"
    if type(value) is tuple:
        return ",".join(map(as_text, value))
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def check_names(what: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a mapping that holds an unknown name."""
    for name in given:
        if name not in known:
            raise InputError(
                f"{what} holds {name!r}; expected {', '.join(known)}: upgrade crispseg if a newer one wrote it"
            )
