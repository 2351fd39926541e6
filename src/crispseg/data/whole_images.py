"""Whole validation images, in batches of one."""

from torch import Tensor
from torch.utils.data import Dataset

from crispseg.data.intensity import to_floats
from crispseg.data.sample import LabelledImages


class WholeImages(Dataset[tuple[Tensor, Tensor]]):
    """At most `count` evenly spaced images of a data set, as float RGB in [0, 1] with their label maps."""

    def __init__(self, source: LabelledImages, count: int) -> None:
        self.source = source
        size = len(source)
        self.indices = [position * size // min(count, size) for position in range(min(count, size))]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (3, H, W) and labels (H, W)."""
        sample = self.source[self.indices[index]]
        return to_floats(sample.image), sample.labels
