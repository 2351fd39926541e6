"""One confusion matrix over a whole data set, as PASCAL VOC defines mean IoU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.metrics.definitions import IoUDefinition


class ConfusionMatrix:
    """Counts of (true class, predicted class) pairs over all images added.

    The pixels of all images are counted together; the result is not the average of the IoU of single images.

    Args:
        num_classes: Number of classes C; true labels outside 0 … C - 1 are void and not counted.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.add(predicted=torch.tensor([0, 1, 1, 0]), labels=torch.tensor([0, 1, 0, 255]))
        >>> matrix.iou.tolist(), matrix.miou
        ([50.0, 50.0], 50.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def add(self, predicted: Tensor, labels: Tensor, where: Tensor | None = None) -> None:
        """Count an image; see `count_confusions` for arguments and errors."""
        self.counts += count_confusions(predicted, labels, self.num_classes, where)

    @property
    def outcomes(self) -> Tensor:
        """(C, 3) true positives, false positives and false negatives."""
        right = self.counts.diagonal()
        return torch.stack([right, self.counts.sum(0) - right, self.counts.sum(1) - right], 1)

    @property
    def iou(self) -> Tensor:
        """(C,) intersection over union in percent; NaN for a class that is neither true nor predicted."""
        return IoUDefinition().per_class(self.outcomes)

    @property
    def miou(self) -> float:
        """Mean of `iou` over the classes that are true or predicted; NaN if nothing was counted."""
        return float(IoUDefinition().mean(self.outcomes))


def count_confusions(predicted: Tensor, labels: Tensor, num_classes: int, where: Tensor | None = None) -> Tensor:
    """Count the pixels of every pair of true and predicted class.

    Args:
        predicted: Predicted labels 0 … C - 1, of any shape.
        labels: True labels, same shape; labels outside 0 … C - 1 are void and not counted.
        num_classes: Number of classes C.
        where: Bool mask of the pixels to count, same shape; all by default.

    Returns:
        (C, C) int64, true classes in rows and predicted classes in columns.

    Raises:
        InputError: If the shapes differ or a predicted label is not a class.
    """
    if predicted.shape != labels.shape:
        raise InputError(
            f"prediction has shape {tuple(predicted.shape)}, labels {tuple(labels.shape)}; expected equal shapes"
        )
    predicted, labels = predicted.long(), labels.long()  # products of narrow dtypes would overflow
    counted = (labels >= 0) & (labels < num_classes)
    if where is not None:
        counted &= where
    said = predicted[counted]
    check_predicted(said, num_classes)
    pairs = labels[counted] * num_classes + said
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def check_predicted(predicted: Tensor, num_classes: int) -> None:
    """Refuse predicted labels outside 0 … C - 1."""
    wrong = predicted[(predicted < 0) | (predicted >= num_classes)]
    if wrong.numel():
        label = int(wrong[0])
        raise InputError(
            f"predicted label {label} is not one of the {num_classes} classes; expected 0 to {num_classes - 1}"
        )


def check_classes(name: str, classes: Sequence[int], num_classes: int) -> tuple[int, ...]:
    """Return a choice of classes, each once and in order.

    Raises:
        InputError: If there are none, or one is outside 0 … C - 1.
    """
    wrong = [label for label in classes if not 0 <= label < num_classes]
    if wrong or not classes:
        said = f"holds {wrong[0]}, which is not one of the {num_classes} classes" if wrong else "is empty"
        raise InputError(f"{name} {said}; expected classes from 0 to {num_classes - 1}, or None for all")
    return tuple(sorted(set(classes)))
