"""Labels that a task cannot learn are found when they are read, and named."""

from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample
from crispseg.errors import InputError


class CheckedLabels:
    """A data set whose labels must be 0 … classes - 1 or the ignored one.

    Args:
        source: The data set.
        classes: Number of classes.
    """

    def __init__(self, source: LabelledImages, classes: int) -> None:
        self.source = source
        self.classes = classes

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one sample.

        Raises:
            InputError: If a label is none of a class.
        """
        sample = self.source.read(index, choice)
        labels = sample.labels
        wrong = labels[(labels != IGNORE_INDEX) & ((labels < 0) | (labels >= self.classes))]
        if wrong.numel():
            raise InputError(
                f"label map of {sample.name}: label {int(wrong[0])}; expected 0 to {self.classes - 1}, or "
                f"{IGNORE_INDEX} for none: is `classes` right, and is a void label given as `void`?"
            )
        return sample
