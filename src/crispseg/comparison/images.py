"""The images of a comparison, split into images to tune on and images to report."""

import math
from collections.abc import Sequence

from crispseg.comparison.method import Example
from crispseg.data import LabelledPredictions
from crispseg.errors import InputError, naming
from crispseg.evaluation import images_used, void_band_of
from crispseg.inference.one_image import fitted_boundary
from crispseg.metrics import Truth
from crispseg.value_checks import check_count


class Images:
    """The images of a comparison, read when they are needed.

    Args:
        data: All images.
        tune_every: Every n-th image, from the first on, is used for tuning; the others are reported.
        tune_images: Use at most so many of the images for tuning, spread evenly; None for all. The rest of them are not
            reported either.
        every: Use only every n-th image of each of the two parts.

    Raises:
        InputError: If no image would be left to report, or a number is out of range.
    """

    def __init__(
        self, data: LabelledPredictions, tune_every: int, tune_images: int | None = None, every: int = 1
    ) -> None:
        if tune_every < 2 or len(data) < 2:
            raise InputError(
                f"tune_every is {tune_every} for {len(data)} images, which leaves none to report; expected tune_every "
                "of 2 or more, and at least 2 images"
            )
        self.data = data
        self.void_band = void_band_of(data)
        self.reported = images_used(len(data), every, skip_every=tune_every)
        self.tuning = images_used(len(data), tuning_step(len(data), tune_every, tune_images, every))

    def read(self, index: int, metrics: Sequence[str]) -> tuple[Example, Truth]:
        """Return an example, and its truth prepared for the metrics."""
        sample, prediction = self.data[index]
        boundary = fitted_boundary(self.data.boundaries[index], sample.image)
        with naming(self.data.files[index]):
            return (
                Example(sample.image, prediction, boundary, sample.labels),
                Truth(sample.labels, self.data.num_classes, metrics, void_band=self.void_band),
            )


def tuning_step(count: int, tune_every: int, tune_images: int | None = None, every: int = 1) -> int:
    """Return n, if every n-th of `count` images is used for tuning; see `Images`.

    Example:
        >>> tuning_step(100, tune_every=6, tune_images=5), tuning_step(100, tune_every=6, every=2)
        (24, 12)
    """
    step = tune_every * every
    if tune_images is None:
        return step
    check_count("tune_images", tune_images)
    return step * math.ceil(len(images_used(count, step)) / tune_images)
