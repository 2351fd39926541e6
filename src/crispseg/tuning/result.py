"""The result of a search: accuracy before and after, for every setting that was tried."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from crispseg.errors import InputError
from crispseg.evaluation import describe_losses
from crispseg.metrics import Accuracy

MEASURED = ("miou", "trimap_4")
"""Metrics that are measured for every setting."""


def totals_of(num_classes: int, mean_over: Sequence[int] | None = None) -> Accuracy:
    """Return an empty accuracy for one setting of a search.

    It keeps only totals, so that its size does not grow with the data set. Its means leave out classes without true
    pixels: otherwise, a setting that removes the last wrongly predicted pixel of an absent class would seem to gain
    several points.
    """
    return Accuracy(num_classes, MEASURED, per_image=False, absent_classes="ignore", mean_over=mean_over)


S = TypeVar("S", bound=Hashable)


@dataclass
class Tuning(Generic[S]):
    """Accuracy before and after sharpening, for every setting tried."""

    before: Accuracy
    after: dict[S, Accuracy]
    objective: str
    """"miou", "trimap", or "both" for their mean."""
    class_names: Sequence[str] = ()
    """Names of the classes, as far as they are known."""

    @property
    def images(self) -> int:
        """Number of images measured."""
        return self.before.images

    def gain(self, setting: S) -> tuple[float, float]:
        """Return the gains of mIoU and trimap mIoU at a setting, in points."""
        after = self.after[setting]
        miou, band = (after.value(name) - self.before.value(name) for name in MEASURED)
        return miou, band

    def value(self, setting: S) -> float:
        """Return the value of the objective at a setting, in points."""
        miou, band = self.gain(setting)
        return {"miou": miou, "trimap": band, "both": (miou + band) / 2}[self.objective]

    def losses(self, setting: S) -> str:
        """Describe the classes that lose IoU at a setting, by name if known."""
        return describe_losses(self.before, self.after[setting], self.class_names)

    @property
    def best(self) -> S | None:
        """The best setting; None if no setting gains anything."""
        best = max(self.after, key=self.value)
        return best if self.value(best) > 0 else None

    def check_defined(self) -> None:
        """Refuse labels for which the objective is undefined."""
        if any(math.isnan(self.value(setting)) for setting in self.after):
            reason = next(filter(None, map(self.before.undefined, MEASURED)), "no boundary")
            raise InputError(
                f"objective {self.objective!r} is undefined: the labels of {self.images} images have {reason}; "
                "expected labels with boundaries between classes"
            )
