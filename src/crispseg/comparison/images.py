"""The images of a comparison, split into images to tune on and images to report."""

from collections.abc import Sequence

from crispseg.comparison.method import Example
from crispseg.data import LabelledPredictions
from crispseg.errors import InputError, naming
from crispseg.evaluation import void_band_of
from crispseg.inference.one_image import fitted_boundary
from crispseg.metrics import Truth


class Images:
    """The images of a comparison, read when they are needed.

    Args:
        data: All images.
        tune_every: Every n-th image, from the first on, is used for tuning; the others are reported.

    Raises:
        InputError: If no image would be left to report.
    """

    def __init__(self, data: LabelledPredictions, tune_every: int) -> None:
        if tune_every < 2 or len(data) < 2:
            raise InputError(
                f"tune_every is {tune_every} for {len(data)} images, which leaves none to report; expected tune_every "
                "of 2 or more, and at least 2 images"
            )
        self.data = data
        self.void_band = void_band_of(data)
        self.tuning = range(0, len(data), tune_every)
        self.reported = [index for index in range(len(data)) if index % tune_every]

    def read(self, index: int, metrics: Sequence[str]) -> tuple[Example, Truth]:
        """Return an example, and its truth prepared for the metrics."""
        sample, prediction = self.data[index]
        boundary = fitted_boundary(self.data.boundaries[index], sample.image)
        with naming(self.data.files[index]):
            return (
                Example(sample.image, prediction, boundary, sample.labels),
                Truth(sample.labels, self.data.num_classes, metrics, void_band=self.void_band),
            )
