"""What can be set on the page: a cue, its window, its hardness, and the passes of the filter."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from crispseg.checks import check_choice
from crispseg.cues import CUES, ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.inference.sharpener import Sharpener
from crispseg.models.embedding_net import load_embedding_net
from crispseg.pretrained import DEFAULT_WINDOW, weights_path
from crispseg.window import Window


class CueChoice(NamedTuple):
    """A cue as the page offers it."""

    title: str
    cue: str
    """Its name in `crispseg.cues.CUES` and after `--cue`."""
    weights: str | None
    """Weights that ship, where the cue is learned."""
    hardest: float
    """End of the slider of λ."""

    @property
    def hardness(self) -> float:
        """λ to start from."""
        return CUES[self.cue].default_hardness

    @property
    def passes(self) -> int:
        """Passes to start from."""
        return CUES[self.cue].default_passes

    def build(self) -> Cue:
        """The cue itself."""
        match self.cue:
            case "learned":
                return LearnedCue(load_embedding_net(weights_path(self.weights or "narrow"))).eval()
            case "rgb":
                return RGBCue()
            case "soft":
                return SoftSegmentationCue()
        return ContourCue()


CHOICES = {
    "narrow": CueChoice("learned embedding", "learned", "narrow", 30),
    "wide": CueChoice("learned embedding, wide", "learned", "wide", 30),
    "rgb": CueChoice("colours", "rgb", None, 200),
    "soft": CueChoice("soft segmentation", "soft", None, 400),
    "contour": CueChoice("boundaries from a file", "contour", None, 30),
}
"""What the page offers, by name; the first is chosen at the start."""


class Cues:
    """Cues by their name in `CHOICES`, built when first asked for. Sessions share them, as they never change."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self._built: dict[str, Cue] = {}

    def get(self, name: str) -> Cue:
        """The cue, on the device."""
        if name not in self._built:
            self._built[name] = CHOICES[name].build().to(self.device)
        return self._built[name]


@dataclass(frozen=True)
class Settings:
    """One state of the controls.

    Args:
        cue: One of `CHOICES`.
        window: The neighbours.
        hardness: λ, above 0.
        passes: Passes of the filter, 1 or more.

    Raises:
        InputError: If there is no such cue.

    Example:
        >>> Settings.of("rgb")
        Settings(cue='rgb', window=Window(size=9, dilation=1), hardness=40.0, passes=1)
    """

    cue: str
    window: Window
    hardness: float
    passes: int

    def __post_init__(self) -> None:
        check_choice("cue", self.cue, tuple(CHOICES))

    @classmethod
    def of(cls, cue: str) -> "Settings":
        """Where a cue starts.

        Raises:
            InputError: If there is no such cue.
        """
        check_choice("cue", cue, tuple(CHOICES))
        return cls(cue, DEFAULT_WINDOW, CHOICES[cue].hardness, CHOICES[cue].passes)

    @property
    def choice(self) -> CueChoice:
        """The cue as the page offers it."""
        return CHOICES[self.cue]

    def sharpener(self, cue: Cue) -> Sharpener:
        """A sharpener of these settings, on the device of a cue that is built already.

        Raises:
            InputError: If hardness or passes make no sense.
        """
        sharpener = Sharpener(cue, window=self.window, hardness=self.hardness, passes=self.passes)
        return sharpener.eval()
