"""Labels that a task cannot learn are found when they are read, and named."""

from pathlib import Path

from crispseg.data.pairs import check_classes
from crispseg.data.sample import LabelledImages, Sample


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
        check_classes(sample.labels, self.classes, Path(sample.name))
        return sample
