"""Data sets whose outlines are not to be trusted."""

from pathlib import Path

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.checks import check_count
from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample


class WithoutOutlines(LabelledImages):
    """A data set without the labels near its outlines, which are void.

    Outlines of the Semantic Boundaries Dataset and of many others are some pixels off.

    Args:
        data: The data set.
        pixels: How far from an outline labels are left out, on both sides.

    Raises:
        InputError: If `pixels` is below 1.
    """

    def __init__(self, data: LabelledImages, pixels: int) -> None:
        check_count("pixels", pixels)
        self.data, self.pixels = data, pixels
        self.image_names = data.image_names
        self.num_classes, self.class_names = data.num_classes, data.class_names
        self.has_classes, self.palette, self.numbering = data.has_classes, data.palette, data.numbering
        self.has_regions, self.other_labels = data.has_regions, data.other_labels

    def __getitem__(self, index: int) -> Sample:
        return self._without(self.data[index])

    def read(self, index: int, annotator: int = 0) -> Sample:
        """See `LabelledImages.read`."""
        return self._without(self.data.read(index, annotator))

    @property
    def files(self) -> list[Path]:
        """See `LabelledImages.files`."""
        return self.data.files

    def _without(self, sample: Sample) -> Sample:
        return sample._replace(labels=_void_at_outlines(sample.labels, self.pixels))


def _void_at_outlines(labels: Tensor, pixels: int) -> Tensor:
    values = labels.float()[None]
    highest, lowest = (sign * F.max_pool2d(sign * values, 2 * pixels + 1, 1, pixels)[0] for sign in (1, -1))
    return labels.where(highest == lowest, IGNORE_INDEX)
