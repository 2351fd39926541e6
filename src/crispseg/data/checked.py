"""Check samples when they are read: an image that is none, or a label that is not one of the classes, is refused."""

import torch
from torch import Tensor

from crispseg.checks import value_range
from crispseg.data.prediction import TOLERANCE
from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Relabelled, Sample
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


def check_sample(sample: Sample) -> None:
    """Refuse an image that is not as `Sample` says, or labels of another size.

    Raises:
        InputError: If a shape or a value is not as there.
        TypeError: If the image is not a tensor.
    """
    image, labels, name = sample
    if not isinstance(image, Tensor):
        raise TypeError(f"image {name} is {type(image).__name__}; expected a tensor")
    if image.ndim != 3 or len(image) != 3:
        raise InputError(f"image {name} has shape {tuple(image.shape)}; expected (3, H, W), RGB")
    if labels.shape != image.shape[1:]:
        raise InputError(
            f"label map {name} has height and width {tuple(labels.shape)}, its image {tuple(image.shape[1:])}; "
            "expected the same"
        )
    if image.dtype == torch.uint8:
        return
    wanted = "expected uint8, or floating point in [0, 1]"
    if not image.is_floating_point():
        raise InputError(f"image {name} is {image.dtype}; {wanted}")
    low, high = value_range(image)
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(f"image {name} runs from {low:.4g} to {high:.4g}; {wanted}")


class CheckedLabels(Relabelled):
    """A data set whose samples pass through `check_sample`, and their labels through `checked_labels`.

    Args:
        source: The data set.
        num_classes: Number of classes; None takes any label.
    """

    def __init__(self, source: LabelledImages, num_classes: int | None) -> None:
        super().__init__(source)
        self.num_classes, self.ignore_index = num_classes, IGNORE_INDEX

    def _relabelled(self, sample: Sample) -> Sample:
        check_sample(sample)
        return super()._relabelled(sample)

    def relabel(self, labels: Tensor, name: str) -> Tensor:
        """Return the labels, checked."""
        return checked_labels(labels, name, self.num_classes, self.source.ignore_index)
