"""The config of a sharpener. All code that saves, loads, shows, searches or resumes a sharpener derives from it.

To add an option, add a field to `SharpenerConfig` and a line to `config_values.SharpenerOptions`, and use it where it
acts. This module does not need PyTorch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self, Unpack

from crispseg import config_values
from crispseg.config_values import AUTO, LADDER_PASSES, LADDERS, Passes, PerWindow, SharpenerOptions
from crispseg.cue_config import CueConfig, CueDefaults
from crispseg.grid import CENTRES, WORDS, Grid
from crispseg.options import Choices, Option, Slider, as_text, check_names
from crispseg.scores import MULTILABEL, SCORES, UPSAMPLINGS, Scores, Upsampling
from crispseg.window import Level, Windows, levels_of

SHIPPED_WEIGHTS = ("fast", "best")
"""Embeddings that ship with crispseg: "fast" sees the image at half its size, "best" at both sizes."""

SHIPPED_PASSES: Mapping[str, tuple[Passes, float]] = {"best": ((8, 6, 6, 8, 8, 12), 1.6)}
"""The passes and the hardness of weights that ship with the default windows, if they are not those of their cue."""


def _field(default: Any, **option: Any) -> Any:  # noqa: ANN401 - any value, and what Option takes
    return field(default=default, metadata={"option": Option(**option)})


@dataclass(frozen=True, kw_only=True)
class SharpenerConfig:
    """All options of a sharpener, without the learned weights of its network.

    A field may be given as a value or as the text that the command line takes. Equal configs make equal sharpeners.

    Args:
        cue: The cue: a `CueConfig`, or its text such as "learned", "rgb:norm=2" or "learned+0.5*rgb".
        window: The neighbours that may contribute: one window or several, which the filter uses one after the other
            from coarse to fine. A `Window`, its side, or a text such as "9", "9@2" or "5@8,5@4,5@2,5". None for the
            cue's default.
        passes: How many times the filter is applied with each window: one number, or one for each window such as
            "6,6,4,4". None for the cue's default with one window, and for 4 with several; the weights "best" filter
            more often with the default windows.
        hardness: λ of the weights exp(-λ·d): a larger λ lets fewer neighbours contribute. None for the default of the
            weights that ship, or of the cue.
        cue_weight: φ of distances φ·d + μ·|p_i - p_j|, above 0: one number, or one for each window. "auto" is 0.5 for
            windows of dilation 32 or more, and 1 for others. Label maps leave out windows with a weight below 1. For
            labels that may overlap, "auto" leaves out windows of dilation 32 or more; the others get 2, or 32 with the
            cue "rgb".
        score_weight: μ, which adds differences of two pixels' probabilities to their distance: one number, or one for
            each window. 0 compares the image alone. "auto" is 0.7, and 2 for windows of dilation 32 or more, which it
            leaves out of scenes with five labels or more. Scores that are in doubt along boundaries alone are then
            filtered more gently, with up to three times λ. μ has no effect on labels that may overlap.
        scores: The kind of scores: "logits", "probabilities", "multilabel" or "multilabel_probabilities".
        upsampling: How coarse scores are upsampled to the size of the image: "joint" or "bilinear".
        guard: Keeps poles and other thin objects: above 0 and up to 0.5, such as 0.4. None (or "none") for no guard.
        grid: How scores lie on their image: a `Grid`, or its text.
        negligible: Classes whose probabilities sum to at most this in every pixel go through the filter as one channel,
            which saves most of the time with many classes. 0 filters every class on its own.

    Raises:
        InputError: If a value is not as above.

    Example:
        >>> config = SharpenerConfig(cue="rgb", window=11, guard="0.3")
        >>> config.window, config.guard
        (Windows('11'), 0.3)
        >>> SharpenerConfig.from_dict(config.to_dict()) == config
        True
    """

    cue: CueConfig = _field(
        CueConfig(),
        help="the cue that decides which pixels belong together, with its arguments, such as rgb:norm=2; "
        "several cues add up, each times its weight, such as learned+0.5*rgb",
        label="Cue: how pixels are compared",
        read=CueConfig.of,
        control=None,
        metavar="NAME[:ARGUMENT=VALUE,…][+…]",
        write=CueConfig.to_dict,
    )
    window: Windows | None = _field(
        None,
        help="how far each pixel looks for similar pixels: the side of the window in pixels, an odd "
        "number; 9@2 takes every second pixel and looks twice as far. Several windows, separated by commas as in "
        "5@8,5@4,5@2,5, are used one after the other, from coarse to fine",
        label="Windows, from coarse to fine",
        read=config_values.read_window,
        control=Choices((), free=True, wide=True),
        metavar="SIDE[@DILATION][,…]",
        tried=lambda windows: config_values.with_start(windows, [Windows.of(each) for each in ("9", *LADDERS)]),
        write=lambda windows: None if windows is None else str(windows),
    )
    passes: Passes | None = _field(
        None,
        help="how many times the filter is applied with each window: one number for all windows, or one for each, "
        "separated by commas",
        label="Passes",
        read=config_values.read_passes,
        control=Choices((), free=True),
        metavar="N[,N…]",
        tried=config_values.passes_tried,
        write=config_values.as_json,
    )
    hardness: float | None = _field(
        None,
        help="how strictly pixels are compared: λ in the weights exp(-λ·distance), above 0; a larger λ mixes fewer "
        "neighbours",
        label="Hardness λ",
        read=config_values.read_hardness,
        control=Slider(0.5, 0.5),
        metavar="NUMBER",
        tried=config_values.hardness_tried,
    )
    cue_weight: PerWindow = _field(
        AUTO,
        help="how much the cue's distance counts compared with the scores: φ, above 0; one number for all windows, "
        "one for each, separated by commas, or auto: 0.5 with windows of dilation 32 or more, 1 with others, and 2 "
        "for labels that may overlap (32 with the cue rgb). Label maps leave out windows with a weight below 1",
        label="Cue weight φ",
        rare=True,
        read=config_values.read_cue_weight,
        control=Choices((AUTO, "1"), free=True),
        metavar="NUMBER[,…]|auto",
        write=config_values.as_json,
    )
    score_weight: PerWindow = _field(
        AUTO,
        help="how much a difference between two pixels' probabilities adds to their distance: μ, 0 or more; 0 "
        "compares the image alone; one number for all windows, one for each, separated by commas, or auto: 0.7, and 2 "
        "with windows of dilation 32 or more, which it leaves out of scenes with five labels or more. If scores are in "
        "doubt along boundaries alone, auto also filters more gently, with up to three times λ. μ has no effect on "
        "labels that may overlap",
        label="Score weight μ",
        rare=True,
        read=config_values.read_score_weight,
        control=Choices((AUTO, "0", "0.5", "1"), free=True),
        metavar="NUMBER[,…]|auto",
        tried=lambda weight: config_values.with_start(weight, [0.0, AUTO]),
        write=config_values.as_json,
    )
    scores: Scores = _field(
        "logits",
        help="what floating-point scores are: logits or probabilities of classes, of which each pixel has one; or "
        "multilabel (logits) or multilabel_probabilities of labels that may overlap, such as object masks. With "
        "probabilities, a greyscale mask, soft or black and white, is the probability of label 1",
        label="Kind of scores",
        read=config_values.read_scores,
        control=Choices(SCORES),
        metavar="KIND",
        of_predictions=True,
    )
    upsampling: Upsampling = _field(
        "joint",
        help="how scores of half the image's size or less are upsampled: joint follows the image, for cues that "
        "compare embeddings; bilinear does not look at the image",
        label="Upsampling",
        rare=True,
        read=config_values.read_upsampling,
        control=Choices(UPSAMPLINGS),
        metavar="WAY",
    )
    guard: float | None = _field(
        0.4,
        help="protect poles and other thin objects: the larger the guard, the less a label counts where it is "
        "common; above 0 and up to 0.5, such as 0.2, or none",
        label="Guard",
        read=config_values.read_guard,
        control=Choices(("none",), free=True),
        metavar="NUMBER|none",
    )
    grid: Grid = _field(
        CENTRES,
        help="how scores align with the image. centres: square cells cover the image; corners: the outer scores "
        "lie on the outer pixels (align_corners=True); stride=PIXELS[,FIRST]: one score every PIXELS pixels; "
        "stretched: the image was squashed for the network, so cells of any aspect ratio cover it; letterbox: it "
        "was padded on two opposite sides; padded: it was padded on the right and below; "
        "box=LEFT,TOP,RIGHT,BOTTOM: the scores cover this box, in pixels of the image",
        label="Grid",
        read=Grid.of,
        control=Choices((*WORDS, "stride=8", "box=0,0,640,640"), free=True),
        metavar="GRID",
        write=str,
        of_predictions=True,
    )
    negligible: float = _field(
        0.01,
        help="filter unlikely classes together as one, which is faster with many classes: those whose "
        "probabilities sum to at most this in every pixel of the image (or tile); 0 filters every class on its own",
        label="Negligible probability",
        rare=True,
        read=config_values.read_negligible,
        control=Choices(("0", "0.001", "0.01", "0.02"), free=True),
        metavar="NUMBER",
    )

    if TYPE_CHECKING:  # what a field reads is more than what it holds

        def __init__(
            self, *, cue: CueConfig | str | Mapping[str, Any] = ..., **options: Unpack[SharpenerOptions]
        ) -> None: ...

    def __post_init__(self) -> None:
        for name, option in options():
            object.__setattr__(self, name, option.read(getattr(self, name)))
        if self.window is not None:
            self._levels(self.window, 1 if self.passes is None else self.passes)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them, with the version of the format."""
        return {
            "version": config_values.VERSION,
            **{name: option.write(getattr(self, name)) for name, option in options()},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """Return the config that `to_dict` wrote.

        Raises:
            InputError: If the version is not supported, a name is unknown, or a value is not allowed.
        """
        values = config_values.saved_values(given)
        check_names("config", values, [name for name, _ in options()])
        return cls(**values)

    def texts(self) -> dict[str, str]:
        """Return the values as the command line takes them, by the names of its options.

        The weights and the precision of the cue are listed under names of their own if they are set.
        """
        return {name: as_text(getattr(self, name)) for name, _ in options()} | self.cue.texts()

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

    def with_defaults(self, cue: CueDefaults) -> Self:
        """Return the config with the defaults of its weights, if they ship, and its cue for fields that are None."""
        usual = Windows.of(cue.default_window)
        window = usual if self.window is None else self.window
        passes: Passes = cue.default_passes if len(window) == 1 else LADDER_PASSES
        hardness = cue.default_hardness
        if window == usual:
            passes, hardness = SHIPPED_PASSES.get(self.cue.weights or "", (passes, hardness))
        return replace(
            self,
            window=window,
            passes=passes if self.passes is None else self.passes,
            hardness=hardness if self.hardness is None else self.hardness,
        )

    @property
    def levels(self) -> tuple[Level, ...]:
        """The windows with their numbers of passes, which must be set, and weights."""
        assert self.passes is not None, "the cue's default is not known here"
        levels = self._levels(self.windows, self.passes)
        if self.cue_weight != AUTO or self.scores not in MULTILABEL:
            return levels
        near = [level for level in levels if not level.is_regional] or levels
        alone = config_values.cue_weight_alone(self.cue.name)
        return tuple(level._replace(cue_weight=alone) for level in near)

    def _levels(self, windows: Windows, passes: Passes) -> tuple[Level, ...]:
        cue_weights = config_values.cue_weights(self.cue_weight, windows, self.score_weight)
        return levels_of(windows, passes, cue_weights, config_values.score_weights(self.score_weight, windows))

    @property
    def windows(self) -> Windows:
        """The windows, which must be set."""
        assert self.window is not None, "the cue's default is not known here"
        return self.window

    @property
    def options(self) -> SharpenerOptions:
        """All fields except the cue, as `Sharpener` takes them."""
        return {name: getattr(self, name) for name, _ in options() if name != "cue"}  # type: ignore[return-value]


def options() -> Iterator[tuple[str, Option]]:
    """Return an iterator over the name and option of every field of `SharpenerConfig`, in order.

    Example:
        >>> [name for name, _ in options()][:3]
        ['cue', 'window', 'passes']
    """
    return ((f.name, f.metadata["option"]) for f in fields(SharpenerConfig))


OF_PREDICTIONS = tuple(name for name, option in options() if option.of_predictions)
"""The fields that describe predictions: the kind of their scores, and their grid."""
