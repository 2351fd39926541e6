"""The files of every image of a run, found before its work starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from crispseg.data import Prediction, read_image, read_prediction
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.intensity import ValueRange
from crispseg.data.matching import PLAIN, Suffixes, find_images, pair_files
from crispseg.data.prediction_files import PREDICTION_SUFFIXES
from crispseg.grid import Grid
from crispseg.inference.one_image import fitted_boundary
from crispseg.scores import Scores


class Job(NamedTuple):
    """The files of one image."""

    name: str
    """The name of the outputs: the image's path relative to the folder of all images, without its suffix."""
    image: Path
    prediction: Path
    boundary: Path | None

    @property
    def files(self) -> list[Path]:
        """The input files."""
        return [path for path in (self.image, self.prediction, self.boundary) if path is not None]

    def absolute(self) -> "Job":
        """Return the same files with absolute paths, for a process in another working directory."""
        boundary = None if self.boundary is None else self.boundary.absolute()
        return Job(self.name, self.image.absolute(), self.prediction.absolute(), boundary)


class JobInputs(NamedTuple):
    """The inputs of one image, read from its files."""

    image: Tensor
    """(3, H, W) uint8, or float32 in [0, 1]."""
    prediction: Prediction
    boundary: Tensor | None
    """(1, H, W) in [0, 1]."""


def find_jobs(
    images: Sequence[Path],
    prediction: Path,
    boundaries: Path | None,
    suffixes: Suffixes = PLAIN,
    *,
    output: Path | None = None,
) -> list[Job]:
    """Find the files of every image.

    Args:
        images: Image files, folders that are searched recursively, or patterns such as `images/*.jpg`.
        prediction: The prediction of a single image; or a folder or a pattern with a file of the same name for each.
        boundaries: The boundary maps, likewise; None for no boundary maps.
        suffixes: The suffixes by which the names of images, predictions and boundary maps differ.
        output: The folder of the outputs, which is not searched for images.

    Raises:
        InputError: If a file is missing, or two images share a name.
    """
    found = find_images(images, suffixes.image, besides=(prediction, boundaries, output))
    predictions = pair_files(found, prediction, PREDICTION_SUFFIXES, "prediction", suffixes.prediction)
    maps: Sequence[Path | None] = [None] * len(found)
    if boundaries is not None:
        maps = pair_files(found, boundaries, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
    return [Job(*files) for files in zip(found, found.values(), predictions, maps, strict=True)]


def read_inputs(job: Job, kind: Scores | None, grid: Grid | None, value_range: ValueRange) -> JobInputs:
    """Read the files of one image; see `read_image` and `read_prediction` for the arguments.

    Raises:
        InputError: If a file cannot be read, or the boundary map has another aspect ratio.
    """
    image = read_image(job.image, value_range)
    return JobInputs(image, read_prediction(job.prediction, kind, grid), fitted_boundary(job.boundary, image))
