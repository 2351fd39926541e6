"""Checks of plain values, without PyTorch. Each error names the argument, the value given and the value expected."""

from collections.abc import Sequence
from numbers import Real

from crispseg.errors import InputError

_LARGEST = 1e30
_LARGEST_COUNT = 2**31 - 1
MOST_PASSES = 10_000
"""The most passes of the filter that are allowed; its result stops changing long before."""


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices or (isinstance(value, bool) and not any(isinstance(choice, bool) for choice in choices)):
        raise InputError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}")


def check_allowed(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse a value that is not among the allowed ones, which may be a range of whole numbers.

    The type must match too: True is not 1, and 2.0 is not 2.
    """
    if type(value) is type(allowed[0]) and value in allowed:
        return
    if isinstance(allowed, range):
        kind = "an odd number" if allowed.step == 2 else "a whole number"
        raise InputError(f"{name} is {value!r}; expected {kind} from {allowed[0]} to {allowed[-1]}")
    raise InputError(f"{name} is {value!r}; expected one of {', '.join(map(repr, allowed))}")


def check_count(name: str, value: int, most: int = _LARGEST_COUNT) -> None:
    """Refuse anything but a whole number from 1 to `most`."""
    if not _is_whole(value) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of 1 or more")
    if value > most:
        raise InputError(f"{name} is {value}; expected at most {most}")


def check_natural(name: str, value: int) -> None:
    """Refuse anything but a whole number of at least 0."""
    if not _is_whole(value) or value < 0:
        raise InputError(f"{name} is {value!r}; expected a whole number of 0 or more")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def check_positive(name: str, value: float) -> None:
    """Refuse anything but a number above 0 that float32 can hold."""
    if not _is_number(value) or not 0 < value <= _LARGEST:
        raise InputError(f"{name} is {value!r}; expected a number above 0 and up to {_LARGEST:g}")


def check_guard(guard: float | None) -> None:
    """Refuse a guard that is neither None nor a number above 0 and up to 0.5."""
    if guard is not None and not (_is_number(guard) and 0 < guard <= 0.5):
        raise InputError(
            f"guard is {guard!r}; expected a number above 0 and up to 0.5, such as 0.4, or None for no guard"
        )


def check_keep_thin(share: float) -> None:
    """Refuse anything but a number from 0 to 1."""
    if not _is_number(share) or not 0 <= share <= 1:
        raise InputError(f"keep_thin is {share!r}; expected a number from 0 to 1, such as 0.4")


def check_past(past: float) -> None:
    """Refuse anything but a number from 0 to below 1."""
    if not _is_number(past) or not 0 <= past < 1:
        raise InputError(f"past is {past!r}; expected a number from 0 to below 1, such as 0.8")


def check_not_negative(name: str, value: float) -> None:
    """Refuse anything but a finite number of at least 0."""
    if not _is_number(value) or not 0 <= value <= _LARGEST:
        raise InputError(f"{name} is {value!r}; expected a number of 0 or more")
