"""One confusion matrix over a whole data set: the PASCAL way to a mean IoU."""

import torch
from torch import Tensor

from crispseg.errors import InputError


class ConfusionMatrix:
    """Counts of (true class, predicted class) over as many images as are added.

    Averaging the IoU of single images is another measure, and not this one.

    Args:
        classes: Number of classes C; true labels outside 0 … C - 1 are void and not counted.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.add(predicted=torch.tensor([0, 1, 1, 0]), labels=torch.tensor([0, 1, 0, 255]))
        >>> matrix.iou.tolist(), matrix.miou
        ([50.0, 50.0], 50.0)
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, predicted: Tensor, labels: Tensor, where: Tensor | None = None) -> None:
        """Count an image.

        Args:
            predicted: Whole numbers 0 … C - 1 of any shape.
            labels: True labels, same shape.
            where: Bool mask of the pixels to count, same shape; all by default.

        Raises:
            InputError: If the shapes differ or a predicted label is not a class.
        """
        if predicted.shape != labels.shape:
            raise InputError(f"prediction has shape {tuple(predicted.shape)}, labels {tuple(labels.shape)}")
        counted = (labels >= 0) & (labels < self.classes)
        if where is not None:
            counted &= where
        pairs = labels[counted] * self.classes + self._checked(predicted[counted])
        self.counts += torch.bincount(pairs, minlength=self.classes**2).reshape(self.classes, self.classes)

    def _checked(self, predicted: Tensor) -> Tensor:
        wrong = predicted[(predicted < 0) | (predicted >= self.classes)]
        if wrong.numel():
            raise InputError(f"predicted label {int(wrong[0])} is not one of the {self.classes} classes")
        return predicted

    @property
    def iou(self) -> Tensor:
        """(C,) intersection over union of each class in percent; NaN for a class that does not occur."""
        hits = self.counts.diag().double()
        union = self.counts.sum(0) + self.counts.sum(1) - self.counts.diag()
        return 100 * hits / union

    @property
    def miou(self) -> float:
        """Mean of `iou` over the classes that have true pixels, in percent; NaN when nothing was counted.

        A class that is only predicted is left out, so that two predictions of the same labels share their classes; its
        pixels count against the classes that they belong to.
        """
        return float(self.iou[self.counts.sum(1) > 0].mean())
