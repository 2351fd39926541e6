"""How values of a config's fields are read from text and checked, and which of them `tune` tries.

This module does not need PyTorch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.options import read_number
from crispseg.scores import SCORES, UPSAMPLINGS, Scores, Upsampling
from crispseg.value_checks import (
    MOST_PASSES,
    check_choice,
    check_count,
    check_guard,
    check_not_negative,
    check_positive,
)
from crispseg.window import Window, Windows, WindowsLike

VERSION = 2
"""The version of the saved form of a config; files of a higher version are refused."""

HARDNESS_STEPS = (0.4, 0.6, 0.8, 1, 1.6, 2.4)
"""Factors by which `tune` multiplies a hardness to get the values that it tries by default."""

PASSES_STEPS = (0.5, 1, 2)
"""Factors by which `tune` multiplies a number of passes to get the values that it tries by default."""

LADDERS = ("5@8,5@4,5@2,5", "5@16,5@8,5@4,5@2,5", "5@64,5@16,5@8,5@4,5@2,5")
"""Windows from coarse to fine that `tune` tries."""

LADDER_PASSES = 4
"""The number of passes with each of several windows by default."""

Passes = int | tuple[int, ...]
"""The number of passes with each window: one number for all windows, or one for each."""


AUTO: Literal["auto"] = "auto"

PerWindow = float | tuple[float, ...] | Literal["auto"]
"""A weight with each window: one number for all windows, one for each, or what suits their dilation."""

REGIONAL = 32
"""The dilation from which windows, unless told otherwise, compare scores more than the image: so far away, pixels of
one object need not look alike."""


def read_window(said: Any) -> Windows | None:  # noqa: ANN401
    """Return the windows that a value or text describes."""
    return None if said is None else Windows.of(said)


def read_hardness(said: Any) -> float | None:  # noqa: ANN401
    """Return a hardness, given as a number or text."""
    number = read_number(said)
    if number is None:
        return None
    if not isinstance(number, int | float):
        raise InputError(f"hardness is {said!r}; expected a number above 0")
    check_positive("hardness", number)
    return float(number)


def read_passes(said: Any) -> Passes | None:  # noqa: ANN401
    """Return numbers of passes, given as numbers or text."""
    parts = _parts_of(said)
    if parts is not None:
        return tuple(map(_read_count, parts))
    return None if said is None else _read_count(said)


def _parts_of(said: Any) -> Sequence[Any] | None:  # noqa: ANN401
    """Return the values of a sequence, or of a text with commas; None for a single value."""
    if isinstance(said, str):
        return said.split(",") if "," in said else None
    return said if isinstance(said, Sequence) else None


def _read_count(said: Any) -> int:  # noqa: ANN401
    number = read_number(said)
    check_count("passes", number, MOST_PASSES)
    return number  # type: ignore[no-any-return]


def read_cue_weight(said: Any) -> PerWindow:  # noqa: ANN401
    """Return the weights of the cue, given as numbers or text."""
    return _read_weights("cue_weight", said, check_positive)


def read_score_weight(said: Any) -> PerWindow:  # noqa: ANN401
    """Return score weights, given as numbers or text."""
    return _read_weights("score_weight", said, check_not_negative)


def _read_weights(name: str, said: Any, check: Callable[[str, float], None]) -> PerWindow:  # noqa: ANN401
    if said == AUTO:
        return AUTO
    parts = _parts_of(said)
    numbers = [read_number(each) for each in ([said] if parts is None else parts)]
    for number in numbers:
        if not isinstance(number, int | float):
            raise InputError(f"{name} is {said!r}; expected auto, a number, or one for each window such as 2,0.7")
        check(name, number)
    return float(numbers[0]) if parts is None else tuple(map(float, numbers))


_ALONE, _COLOURS_ALONE = 2.0, 32.0
"""The weight of a cue, and of colours, for labels that may overlap, whose scores are not compared. With 1, right masks
of PASCAL VOC lost 5 points of IoU; now they lose less than one. Colours part objects worse than embeddings do."""


def cue_weight_alone(cue: str) -> float:
    """Return the weight of the cue of a name where no scores are compared."""
    return _COLOURS_ALONE if cue == "rgb" else _ALONE


def cue_weights(given: PerWindow, windows: Windows, score_weight: PerWindow) -> float | tuple[float, ...]:
    """Return the weight of the cue with each window."""
    if given != AUTO:
        return given
    return tuple(0.5 if score_weight == AUTO and _is_regional(window) else 1.0 for window in windows)


def score_weights(given: PerWindow, windows: Windows) -> float | tuple[float, ...]:
    """Return the weight of the scores with each window."""
    return tuple(2.0 if _is_regional(window) else 0.7 for window in windows) if given == AUTO else given


def _is_regional(window: Window) -> bool:
    return window.dilation >= REGIONAL


def read_scores(said: Any) -> Scores:  # noqa: ANN401
    """Return a kind of scores."""
    check_choice("scores", said, SCORES)
    return said  # type: ignore[no-any-return]


def read_upsampling(said: Any) -> Upsampling:  # noqa: ANN401
    """Return a way of upsampling."""
    check_choice("upsampling", said, UPSAMPLINGS)
    return said  # type: ignore[no-any-return]


def read_guard(said: Any) -> float | None:  # noqa: ANN401
    """Return a guard, given as a number or text; None for "none"."""
    number = None if said == "none" else read_number(said)
    if number is not None and not isinstance(number, int | float):
        raise InputError(f"guard is {said!r}; expected a number above 0 and up to 0.5, such as 0.4, or none")
    check_guard(number)
    return None if number is None else float(number)


def read_negligible(said: Any) -> float:  # noqa: ANN401
    """Return the share that is negligible, given as a number or text."""
    number = read_number(said)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 0.5:
        raise InputError(f"negligible is {said!r}; expected a number from 0 to below 0.5, such as 0.01")
    return float(number)


def as_json(value: Any) -> Any:  # noqa: ANN401
    """Return a value, or one for each window, as JSON holds it."""
    return list(value) if isinstance(value, tuple) else value


def with_start(value: Any, others: Sequence[Any]) -> Sequence[Any]:  # noqa: ANN401
    """Return the other values, preceded by the one to start from if it is not among them."""
    return [*others] if value in others else [value, *others]


def passes_tried(passes: Passes | None) -> Sequence[Passes | None]:
    """Return the numbers of passes that `tune` tries around one."""
    if not isinstance(passes, int):
        return [passes]
    return sorted({max(1, round(share * passes)) for share in PASSES_STEPS})


def hardness_tried(value: float) -> Sequence[float]:
    """Return the values that `tune` tries around a hardness."""
    return [round(step * value, 6) for step in HARDNESS_STEPS]


class SharpenerOptions(TypedDict, total=False):
    """The fields of `SharpenerConfig` that `Sharpener` takes in addition to a cue; see `SharpenerConfig`."""

    window: WindowsLike | None
    passes: Passes | Sequence[int] | str | None
    hardness: float | str | None
    cue_weight: float | Sequence[float] | str
    score_weight: float | Sequence[float] | str
    scores: Scores
    upsampling: Upsampling
    guard: float | str | None
    grid: Grid | str
    negligible: float | str


def saved_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a saved config, by the names of its fields.

    Raises:
        InputError: If it is no mapping, its version is not supported, or it lacks a cue.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"config is {type(given).__name__}; expected a mapping of names to values")
    version = given.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION:
        raise InputError(f"version is {version!r}; expected {VERSION}: upgrade crispseg if a newer one wrote it")
    if "cue" not in given:
        raise InputError("config lacks 'cue'")
    values = {name: value for name, value in given.items() if name != "version"}
    return _from_version_1(values) if version == 1 else values


def _from_version_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config of version 1, with those that its missing fields had."""
    if values.get("guard") is not None:
        raise InputError(
            f"guard is {values['guard']!r} in a config of version 1, where a guard took back changes of labels; "
            'expected none: write "guard": null there, or save the sharpener again with a guard up to 0.5'
        )
    return {"window": "9", "cue_weight": 1, "score_weight": 0, "negligible": 0, "guard": None, **values}
