"""What every data set of images and label maps gives."""

from typing import NamedTuple, Protocol

from torch import Tensor

from crispseg.data.numbering import IGNORE_INDEX as IGNORE_INDEX  # noqa: PLC0414 - samples hold it


class Sample(NamedTuple):
    """An image with its label map."""

    image: Tensor
    """(3, H, W) RGB, uint8, or float32 in [0, 1]."""
    labels: Tensor
    """(H, W) int64; `IGNORE_INDEX` where there is no label, which a loss of your own must be told to ignore."""
    name: str
    """File name without its ending."""


class LabelledImages(Protocol):
    """A data set of samples, read one at a time."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one sample.

        Args:
            index: Which image.
            choice: Where an image has several label maps (annotators), which of them, counted modulo their number.
        """
        ...
