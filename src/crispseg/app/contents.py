"""The contents of predictions that a visitor can choose from, and the defaults that follow from them."""

from typing import Any, Literal, NamedTuple, Self

from crispseg.app.settings import with_defaults
from crispseg.config import SharpenerConfig
from crispseg.cue_config import CueConfig
from crispseg.data.class_names import read_class_names
from crispseg.data.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES, VOC_CLASSES, Classes
from crispseg.grid import CENTRES, Grid
from crispseg.inference.objects import MASK_OPTIONS
from crispseg.scores import Scores
from crispseg.value_checks import check_choice

Content = Literal["classes", "mask", "objects"]
"""A label map or scores of classes; one soft mask; or masks of N objects."""

CONTENTS: dict[Content, str] = {"classes": "classes", "mask": "soft mask", "objects": "objects"}
"""The name of each on the page."""

NAMED = {"CamVid": CAMVID_CLASSES, "Cityscapes": CITYSCAPES_CLASSES, "PASCAL VOC": VOC_CLASSES}
"""Data sets whose class names the page knows."""

NUMBERS = "numbers"
"""No names: classes are shown by their numbers."""

_OF_OBJECTS: dict[Scores, Scores] = {"logits": "multilabel", "probabilities": "multilabel_probabilities"}
"""Masks of objects may overlap, whatever the kind of their scores is called."""


class Said(NamedTuple):
    """A visitor's description of a prediction."""

    content: Content = "classes"
    scores: Scores = "logits"
    """The kind of its floating-point numbers."""
    grid: Grid = CENTRES
    """How it lies on the image."""

    @classmethod
    def of(cls, content: str, scores: Scores, grid: Grid) -> Self:
        """Return what was said.

        Raises:
            InputError: If there is no such content.
        """
        check_choice("content", content, tuple(CONTENTS))
        return cls(content, scores, grid)  # type: ignore[arg-type]

    @property
    def kind(self) -> Scores:
        """The kind of scores that the filter takes."""
        return _OF_OBJECTS.get(self.scores, self.scores) if self.content == "objects" else self.scores


def defaults_of(content: Content, cue: CueConfig) -> SharpenerConfig:
    """Return the defaults of the sharpener for a content and a cue.

    Example:
        >>> defaults_of("objects", CueConfig()).hardness, defaults_of("classes", CueConfig("rgb")).hardness
        (4.0, 5.0)
    """
    given: dict[str, Any] = dict(MASK_OPTIONS) if content == "objects" else {}
    if cue.name != "learned":
        given.pop("hardness", None)
    return with_defaults(SharpenerConfig(cue=cue, **given))


def names_said(text: str | None) -> Classes:
    """Return names, and colours where a data set has its own, as the visitor gave them.

    Args:
        text: A name of `NAMED`, names with commas between them, that of class 0 first, or `NUMBERS`.

    Raises:
        InputError: If two classes have the same name.

    Example:
        >>> names_said("sky, pagoda").names, names_said("CamVid").names[:2]
        (('sky', 'pagoda'), ('sky', 'building'))
    """
    if text is None or text.strip() in ("", NUMBERS):
        return Classes((), ())
    if text in NAMED:
        return NAMED[text]
    return Classes(read_class_names([name.strip() for name in text.split(",")]), ())
