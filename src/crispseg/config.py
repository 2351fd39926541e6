"""The config of a sharpener. All code that saves, loads, shows, searches or resumes a sharpener derives from it.

To add an option, add a field to `SharpenerConfig` and a line to `SharpenerOptions`, and use it where it acts. This
module does not need PyTorch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, TypedDict

from crispseg.cue_config import CueConfig
from crispseg.errors import InputError
from crispseg.grid import CENTRES, WORDS, Grid
from crispseg.options import Choices, Option, Slider, as_text, check_names, read_number
from crispseg.scores import SCORES, UPSAMPLINGS, Scores, Upsampling
from crispseg.value_checks import MOST_PASSES, check_choice, check_count, check_guard, check_positive
from crispseg.window import Window, WindowLike

VERSION = 1
"""The version of the saved form; files of a higher version are refused."""

SHIPPED_WEIGHTS = ("narrow", "wide")
"""Embeddings that ship with crispseg: "wide" has the paper's layers, "narrow" has half their channels."""

HARDNESS_STEPS = (0.4, 0.6, 0.8, 1, 1.6, 2.4)
"""Factors by which `tune` multiplies a hardness to get the values that it tries by default."""


def _said(**option: Any) -> dict[str, Option]:  # noqa: ANN401 - as Option takes it
    return {"option": Option(**option)}


def _read_hardness(said: Any) -> float | None:  # noqa: ANN401
    number = read_number(said)
    if number is None:
        return None
    if not isinstance(number, int | float):
        raise InputError(f"hardness is {said!r}; expected a number above 0")
    check_positive("hardness", number)
    return float(number)


def _read_passes(said: Any) -> int | None:  # noqa: ANN401
    number = read_number(said)
    if number is not None:
        check_count("passes", number, MOST_PASSES)
    return number  # type: ignore[no-any-return]


def _read_scores(said: Any) -> Scores:  # noqa: ANN401
    check_choice("scores", said, SCORES)
    return said  # type: ignore[no-any-return]


def _read_upsampling(said: Any) -> Upsampling:  # noqa: ANN401
    check_choice("upsampling", said, UPSAMPLINGS)
    return said  # type: ignore[no-any-return]


def _read_guard(said: Any) -> float | None:  # noqa: ANN401
    number = None if said == "none" else read_number(said)
    if number is not None and not isinstance(number, int | float):
        raise InputError(f"guard is {said!r}; expected a number above 0 and up to 1, such as 0.7, or none")
    check_guard(number)
    return None if number is None else float(number)


def _with(value: Any, others: Sequence[Any]) -> Sequence[Any]:  # noqa: ANN401
    """Return the other values, preceded by the value itself if it is not among them."""
    return [*others] if value in others else [value, *others]


def _hardness_tried(value: float) -> Sequence[float]:
    return [round(step * value, 6) for step in HARDNESS_STEPS]


@dataclass(frozen=True, kw_only=True)
class SharpenerConfig:
    """All options of a sharpener, without the learned weights of its network.

    A field may be given as a value or as the text that the command line takes. Equal configs make equal sharpeners.

    Args:
        cue: The cue: a `CueConfig`, or its text such as "learned" or "rgb:norm=2".
        window: The neighbours that may contribute: a `Window`, its side, or a text such as "9" or "9@2".
        passes: How many times the filter is applied. None for the cue's default.
        hardness: λ of the weights exp(-λ·d): a larger λ lets fewer neighbours contribute. None for the cue's default.
        scores: The kind of scores: "logits", "probabilities", "multilabel" or "multilabel_probabilities".
        upsampling: How coarse scores are upsampled to the size of the image: "joint" or "bilinear".
        guard: Keeps poles and other thin objects: above 0 and up to 1, such as 0.7. None (or "none") for no guard.
        grid: How scores lie on their image: a `Grid`, or its text.

    Raises:
        InputError: If a value is not as above.

    Example:
        >>> config = SharpenerConfig(cue="rgb", window=11, guard="0.9")
        >>> config.window, config.guard
        (Window(size=11, dilation=1), 0.9)
        >>> SharpenerConfig.from_dict(config.to_dict()) == config
        True
    """

    cue: CueConfig = field(
        default=CueConfig(),
        metadata=_said(
            help="the cue that tells which pixels belong together, with its arguments, such as rgb:norm=2",
            label="Cue: how pixels are compared",
            read=CueConfig.of,
            control=None,
            metavar="NAME[:ARGUMENT=VALUE,…]",
            write=lambda cue: {**vars(cue), "arguments": dict(cue.arguments)},
        ),
    )
    window: Window = field(
        default=Window(9),
        metadata=_said(
            help="the side of the window in pixels, an odd number: how far a pixel looks for others that belong with "
            "it; 9@2 takes every second pixel and looks twice as far",
            label="Window",
            read=Window.of,
            control=Choices(("3", "5", "7", "9", "11", "13", "15", "21", "9@2", "9@4"), free=True),
            metavar="SIDE[@DILATION]",
            tried=lambda window: _with(window, [Window(7), Window(9), Window(11)]),
            write=str,
        ),
    )
    passes: int | None = field(
        default=None,
        metadata=_said(
            help="how many times the filter is applied",
            label="Passes",
            read=_read_passes,
            control=Slider(1, 50, 1),
            metavar="N",
            tried=lambda passes: sorted(_with(passes, [1, 3, 7, 15, 25])),
        ),
    )
    hardness: float | None = field(
        default=None,
        metadata=_said(
            help="λ of the weights exp(-λ·distance), above 0: a larger λ mixes fewer neighbours",
            label="Hardness λ",
            read=_read_hardness,
            control=Slider(0.5, None, 0.5),
            metavar="NUMBER",
            tried=_hardness_tried,
        ),
    )
    scores: Scores = field(
        default="logits",
        metadata=_said(
            help="the kind of floating-point scores: logits or probabilities of mutually exclusive classes, or "
            "multilabel (logits) or multilabel_probabilities of labels that may overlap, such as object masks. With "
            "probabilities, a greyscale mask, soft or black and white, is the probability of label 1",
            label="Scores are",
            read=_read_scores,
            control=Choices(SCORES),
            metavar="KIND",
            of_predictions=True,
        ),
    )
    upsampling: Upsampling = field(
        default="joint",
        metadata=_said(
            help="how scores of half the image's size or less are upsampled: joint follows the image, for cues that "
            "compare embeddings; bilinear does not look at the image",
            label="Upsampling",
            read=_read_upsampling,
            control=Choices(UPSAMPLINGS),
            metavar="WAY",
        ),
    )
    guard: float | None = field(
        default=None,
        metadata=_said(
            help="keep poles and other thin objects: how strongly a label is refused that wins a pixel only because it "
            "is common around it; above 0 and up to 1, such as 0.7, or none",
            label="Guard: keep thin objects",
            read=_read_guard,
            control=Choices(("none", "0.3", "0.5", "0.7", "0.85", "1"), free=True),
            metavar="NUMBER|none",
        ),
    )
    grid: Grid = field(
        default=CENTRES,
        metadata=_said(
            help="how scores lie on their images. centres: square cells cover the image; corners: the outer scores lie "
            "on the outer pixels (align_corners); stride=PIXELS[,FIRST]: one score every PIXELS pixels; stretched: "
            "cells of any aspect ratio cover the image, which was squashed for the network; letterbox: padding on two "
            "opposite sides; padded: padding to the right and below; box=LEFT,TOP,RIGHT,BOTTOM: a part of the image, "
            "in its pixels",
            label="How scores lie on the image",
            read=Grid.of,
            control=Choices((*WORDS, "stride=8", "box=0,0,640,640"), free=True),
            metavar="GRID",
            write=str,
            of_predictions=True,
        ),
    )

    if TYPE_CHECKING:  # what a field reads is more than what it holds

        def __init__(
            self,
            *,
            cue: CueConfig | str | Mapping[str, Any] = ...,
            window: WindowLike = ...,
            passes: int | str | None = ...,
            hardness: float | str | None = ...,
            scores: Scores = ...,
            upsampling: Upsampling = ...,
            guard: float | str | None = ...,
            grid: Grid | str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name, option in options():
            object.__setattr__(self, name, option.read(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them, with the version of the format."""
        return {"version": VERSION, **{name: option.write(getattr(self, name)) for name, option in options()}}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return the config that `to_dict` wrote.

        Raises:
            InputError: If the version is not supported, a name is unknown, or a value is not allowed.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"config is {type(given).__name__}; expected a mapping of names to values")
        version = given.get("version")
        if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION:
            raise InputError(f"version is {version!r}; expected {VERSION}: upgrade crispseg if a newer one wrote it")
        values = {name: value for name, value in given.items() if name != "version"}
        if "cue" not in values:
            raise InputError("config lacks 'cue'")
        check_names("config", values, [name for name, _ in options()])
        return cls(**values)

    def texts(self) -> dict[str, str]:
        """Return the values as the command line takes them, by the names of its options.

        The weights and the precision of the cue are listed under names of their own if they are set.
        """
        texts = {name: as_text(getattr(self, name)) for name, _ in options()}
        if self.cue.weights is not None:
            texts["weights"] = self.cue.weights
        if self.cue.precision != "float32":
            texts["precision"] = self.cue.precision
        return texts

    def replaced(self, **changes: Any) -> Self:  # noqa: ANN401 - values or texts of fields
        """Return a copy of the config with some fields changed.

        Raises:
            InputError: If a value is not allowed.
            TypeError: If there is no such field.
        """
        known = [name for name, _ in options()]
        for name in changes:
            if name not in known:
                raise TypeError(f"unknown option {name!r}; expected one of {', '.join(known)}")
        return replace(self, **changes)

    @property
    def options(self) -> "SharpenerOptions":
        """All fields except the cue, as `Sharpener` takes them."""
        return {name: getattr(self, name) for name, _ in options() if name != "cue"}  # type: ignore[return-value]


class SharpenerOptions(TypedDict, total=False):
    """The fields of `SharpenerConfig` that `Sharpener` takes in addition to a cue; see `SharpenerConfig`."""

    window: WindowLike
    passes: int | None
    hardness: float | None
    scores: Scores
    upsampling: Upsampling
    guard: float | str | None
    grid: Grid | str


def options() -> Iterator[tuple[str, Option]]:
    """Return an iterator over the name and option of every field of `SharpenerConfig`, in order.

    Example:
        >>> [name for name, _ in options()][:3]
        ['cue', 'window', 'passes']
    """
    return ((f.name, f.metadata["option"]) for f in fields(SharpenerConfig))


OF_PREDICTIONS = tuple(name for name, option in options() if option.of_predictions)
"""The fields that describe predictions: the kind of their scores, and their grid."""
