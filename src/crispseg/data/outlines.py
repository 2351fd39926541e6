"""Data sets whose outlines are not to be trusted."""

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.sample import LabelledImages, Relabelled
from crispseg.value_checks import check_count


class WithoutOutlines(Relabelled):
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
        super().__init__(data)
        self.pixels = pixels

    def relabel(self, labels: Tensor, name: str) -> Tensor:
        """Return the labels, void near outlines."""
        values, side = labels.float()[None], 2 * self.pixels + 1
        highest, lowest = (sign * F.max_pool2d(sign * values, side, 1, self.pixels)[0] for sign in (1, -1))
        return labels.where(highest == lowest, self.ignore_index)
