"""The images of a comparison: some to tune on, the others to report."""

from collections.abc import Sequence

from crispseg.comparison.method import Example
from crispseg.data import LabelledPredictions
from crispseg.errors import InputError, naming
from crispseg.evaluation import void_band_of
from crispseg.inference.one_image import fitted_boundary
from crispseg.metrics import Truth


class Images:
    """The images of a comparison, read as they are needed.

    Args:
        data: All of them.
        tune_every: Every how many-th image is for tuning.

    Raises:
        InputError: If nothing would be left to report.
    """

    def __init__(self, data: LabelledPredictions, tune_every: int) -> None:
        if tune_every < 2 or len(data) < 2:
            raise InputError(f"every {tune_every}. of {len(data)} images to tune on leaves none to report")
        self.data = data
        self.void_band = void_band_of(data)
        self.tuning = range(0, len(data), tune_every)
        self.reported = [index for index in range(len(data)) if index % tune_every]

    def read(self, index: int, metrics: Sequence[str]) -> tuple[Example, Truth]:
        """An example, and its truth prepared for metrics."""
        sample, prediction = self.data[index]
        boundary = fitted_boundary(self.data.boundaries[index], sample.image)
        with naming(self.data.files[index]):
            return (
                Example(sample.image, prediction, boundary, sample.labels),
                Truth(sample.labels, self.data.num_classes, metrics, void_band=self.void_band),
            )
