"""An image and its label map, checked against each other."""

from pathlib import Path

from torch import Tensor

from crispseg.data.sample import Sample
from crispseg.errors import InputError


def pair(image: Tensor, labels: Tensor, *, image_path: Path, label_path: Path) -> Sample:
    """Make a sample of an image and its label map.

    Args:
        image: (3, H, W) uint8.
        labels: (H, W) int64, void already `IGNORE_INDEX`.
        image_path: Where the image comes from; its name becomes the sample's.
        label_path: Where the labels come from.

    Raises:
        InputError: If the two differ in size.
    """
    if image.shape[-2:] != labels.shape:
        raise InputError(
            f"label map {label_path} has height and width {tuple(labels.shape)}, its image {tuple(image.shape[-2:])}; "
            "expected the same"
        )
    return Sample(image, labels, image_path.stem)
