"""An image and its label map, checked against each other."""

from pathlib import Path

from torch import Tensor

from crispseg.data.sample import IGNORE_INDEX, Sample
from crispseg.errors import InputError


def pair(image: Tensor, labels: Tensor, *, image_path: Path, label_path: Path, classes: int | None = None) -> Sample:
    """Make a sample of an image and its label map.

    Args:
        image: (3, H, W) uint8.
        labels: (H, W) int64, void already `IGNORE_INDEX`.
        image_path: Where the image comes from; its name becomes the sample's.
        label_path: Where the labels come from.
        classes: Number of classes; None lets labels be any number.

    Raises:
        InputError: If the two differ in size, or a label is neither one of the classes nor void.
    """
    if image.shape[-2:] != labels.shape:
        raise InputError(
            f"label map {label_path} has height and width {tuple(labels.shape)}, its image {tuple(image.shape[-2:])}; "
            "expected the same"
        )
    if classes is not None:
        check_classes(labels, classes, label_path)
    return Sample(image, labels, image_path.stem)


def check_classes(labels: Tensor, classes: int, path: Path) -> None:
    """Refuse labels that are neither 0 … classes - 1 nor void.

    Raises:
        InputError: If there is one.
    """
    wrong = labels[(labels != IGNORE_INDEX) & ((labels < 0) | (labels >= classes))]
    if wrong.numel():
        raise InputError(
            f"label map {path}: label {int(wrong[0])} is not one of the {classes} classes; expected 0 to "
            f"{classes - 1}, and {IGNORE_INDEX} for void; a void label of another number is given as `void`"
        )
