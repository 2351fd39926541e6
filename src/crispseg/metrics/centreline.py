"""The clDice: whether thin structures such as poles, wires and vessels stay connected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.defaults import AbsentClasses
from crispseg.metrics.definitions import VOID, LinesDefinition
from crispseg.metrics.thinning import thin
from crispseg.metrics.void_band import filled


class Centrelines(NamedTuple):
    """Masks of a label map, with their centrelines."""

    labels: Tensor
    """(H, W) int64: labels with bands of void filled."""
    on_line: Tensor
    """(H, W) bool: the pixels on the centreline of their own class."""


@dataclass(frozen=True)
class ClDiceDefinition(LinesDefinition[Centrelines]):
    """Centreline Dice of Shit et al. (2021, https://arxiv.org/abs/2003.07311), with pixels counted over the data set.

    It is the harmonic mean of precision (the share of the predicted centreline that lies in the true mask) and
    sensitivity (the share of the true centreline that lies in the predicted mask). A pole that is predicted too narrow
    or too wide keeps its value, and one with a gap or of which an end is missing loses. Centrelines are thinned masks
    (`crispseg.metrics.thinning.thin`). Void belongs to no mask. A band of void between two labels is filled from both
    sides, in the truth and in the prediction.

    Args:
        classes: The classes to count, which should be thin; None for all.
    """

    classes: tuple[int, ...] | None = None

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Centrelines:
        labels = filled(labels, void_band)
        on_line = torch.zeros_like(labels, dtype=torch.bool)
        present = set(torch.unique(labels).tolist()) - {VOID}
        for label in present if self.classes is None else present.intersection(self.classes):
            on_line |= torch.from_numpy(thin((labels == label).cpu().numpy())).to(labels.device)
        return Centrelines(labels, on_line)

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Centrelines, num_classes: int, void_band: int = 0
    ) -> Tensor:
        true, said = prepared, self.prepare(predicted, num_classes, void_band)
        right = said.labels == true.labels
        counted = [
            (line.labels, line.on_line & where) for line in (said, true) for where in (right, torch.ones_like(right))
        ]
        return torch.stack([torch.bincount(labels[where], minlength=num_classes) for labels, where in counted], 1)

    def mean(
        self, counts: Tensor, absent_classes: AbsentClasses = "count", mean_over: Sequence[int] | None = None
    ) -> Tensor:
        return super().mean(counts, absent_classes)  # over its own classes
