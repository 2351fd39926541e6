"""Predictions of segmentation networks: label maps or scores."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from crispseg.data.labels import default_palette
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

TOLERANCE = 1e-3
"""How far a probability may lie outside [0, 1]: averages round."""

_MOST_LABELS = 1024


@dataclass(frozen=True)
class Prediction:
    """Scores or a label map of an image at any resolution, and the meaning of its channels."""

    given: Tensor
    """(C, h, w) float32 scores, or an (h, w) int64 label map."""
    kind: Scores
    """Kind of the scores."""
    classes: tuple[int, ...]
    """Label of each channel; independent channels are preceded by the label of the background."""
    palette: tuple[int, ...] | None = None
    """Palette of the label map that was read."""
    grid: Grid | None = None
    """How the scores lie on the image; None if it was not given."""

    @classmethod
    def of_labels(cls, labels: Tensor, palette: tuple[int, ...] | None = None) -> Self:
        """Return the prediction of a label map: probabilities 0 and 1, with a channel for each of its labels.

        Args:
            labels: (h, w) whole numbers.
            palette: Red, green, blue of each label.

        Example:
            >>> Prediction.of_labels(torch.tensor([[0, 7], [7, 7]])).classes
            (0, 7)
        """
        labels = labels.long()
        return cls(labels, "probabilities", tuple(torch.unique(labels).tolist()), palette)

    @property
    def from_scores(self) -> bool:
        """False for a label map."""
        return self.given.ndim != 2

    @cached_property
    def scores(self) -> Tensor:
        """(C, h, w) float32 scores; for a label map, probabilities 0 and 1 with a channel for each of its labels.

        Raises:
            InputError: If a label map holds more than 1024 labels.
        """
        if self.from_scores:
            return self.given
        if len(self.classes) > _MOST_LABELS:
            raise InputError(
                f"holds {len(self.classes)} labels, and scores, a CRF, clips and the page need a channel for each; "
                f"expected at most {_MOST_LABELS}: `crispseg sharpen` without them takes any number"
            )
        channel = torch.searchsorted(torch.tensor(self.classes, device=self.given.device), self.given.contiguous())
        empty = torch.zeros(len(self.classes), *self.given.shape, device=self.given.device)
        return empty.scatter_(0, channel[None], 1)

    @property
    def written_palette(self) -> tuple[int, ...] | None:
        """Palette for writing the labels: its own, or a default one for scores; None for greyscale."""
        if self.palette is None and self.from_scores and max(self.classes) < 256:
            return default_palette()
        return self.palette

    def labels(self, scores: Tensor) -> Tensor:
        """Return the most likely label of every pixel as (H, W) int64, given (C, H, W) scores of these channels.

        If channels are independent (a single channel, or "multilabel"), channel c is label c + 1, and a pixel gets the
        likeliest label whose probability is above 0.5; otherwise it is background, label 0.
        """
        # The same as argmax, whose CPU kernel takes four times as long.
        likely, channel = scores.max(0)
        if len(self.classes) == scores.shape[0] + 1:
            channel = torch.where(likely > (0.5 if self.kind in PROBABILITIES else 0), channel + 1, 0)
        return torch.tensor(self.classes, device=scores.device)[channel]

    @property
    def as_probabilities(self) -> Self:
        """Return the same prediction described as probabilities; its scores are not changed."""
        return replace(self, kind="multilabel_probabilities" if self.kind in MULTILABEL else "probabilities")


def classes_of(channels: int, kind: Scores) -> tuple[int, ...]:
    """Return classes 0, 1, …: one per channel, and one more for the background if channels are independent."""
    return tuple(range(channels + (kind in MULTILABEL or channels == 1)))
