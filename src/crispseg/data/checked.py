"""Check labels when they are read: a label that is not one of the classes is refused by name."""

import torch
from torch import Tensor

from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Relabelled
from crispseg.errors import InputError


def checked_labels(labels: Tensor, name: str, num_classes: int | None, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Return labels as int64: 0 … num_classes - 1, and `IGNORE_INDEX` for `ignore_index`.

    Args:
        labels: (H, W), as a data set gives them.
        name: Name of the image, for messages.
        num_classes: Number of classes; None takes any label.
        ignore_index: Label of pixels without a class in this data set.

    Raises:
        InputError: If a label is not one of the classes.
        TypeError: If labels are not whole numbers.
    """
    if labels.is_floating_point():
        raise TypeError(f"labels of {name} are {labels.dtype}; expected whole numbers")
    labels = labels.to(torch.int64)
    if ignore_index != IGNORE_INDEX:
        labels = labels.masked_fill(labels == ignore_index, IGNORE_INDEX)
    if num_classes is not None:
        wrong = labels[(labels != IGNORE_INDEX) & ((labels < 0) | (labels >= num_classes))]
        if wrong.numel():
            raise InputError(
                f"label map {name}: label {int(wrong[0])} is not one of the {num_classes} classes; expected 0 to "
                f"{num_classes - 1}, and {IGNORE_INDEX} for void: map void to it, or set ignore_index of the data set"
            )
    return labels


class CheckedLabels(Relabelled):
    """A data set whose labels pass through `checked_labels`.

    Args:
        source: The data set.
        num_classes: Number of classes; None takes any label.
    """

    def __init__(self, source: LabelledImages, num_classes: int | None) -> None:
        super().__init__(source)
        self.num_classes, self.ignore_index = num_classes, IGNORE_INDEX

    def relabel(self, labels: Tensor, name: str) -> Tensor:
        """Return the labels, checked."""
        return checked_labels(labels, name, self.num_classes, self.source.ignore_index)
