"""Labels that a task cannot learn are found when they are read, and named."""

import torch

from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample
from crispseg.errors import InputError


class CheckedLabels:
    """A data set whose labels are whole numbers of int64: 0 … classes - 1, or `IGNORE_INDEX`.

    Args:
        source: The data set.
        num_classes: Number of classes; None takes any.
    """

    def __init__(self, source: LabelledImages, num_classes: int | None) -> None:
        self.source = source
        self.num_classes = num_classes

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one sample.

        Raises:
            InputError: If a label is none of a class.
            TypeError: If labels are not whole numbers.
        """
        sample = self.source.read(index, choice)
        if sample.labels.is_floating_point():
            raise TypeError(f"labels of {sample.name} are {sample.labels.dtype}; expected whole numbers")
        labels = sample.labels.to(torch.int64)
        if self.num_classes is not None:
            wrong = labels[(labels != IGNORE_INDEX) & ((labels < 0) | (labels >= self.num_classes))]
            if wrong.numel():
                raise InputError(
                    f"label map {sample.name}: label {int(wrong[0])} is not one of the {self.num_classes} classes; "
                    f"expected 0 to {self.num_classes - 1}, and {IGNORE_INDEX} for void: a data set maps its own "
                    "void label to that"
                )
        return sample._replace(labels=labels)
