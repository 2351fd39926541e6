"""The files of every image of a run, found before its work starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from crispseg.data import Prediction, ScoreKind, read_image, read_prediction
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.intensity import ValueRange
from crispseg.data.matching import PLAIN, Suffixes, find_images, pair_files
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.grid import Grid
from crispseg.inference.one_image import fitted_boundary


class Job(NamedTuple):
    """The files of one image."""

    name: str
    """Name of the outputs: the path of the image below the folder of all images, without ending."""
    image: Path
    prediction: Path
    boundary: Path | None

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return [path for path in (self.image, self.prediction, self.boundary) if path is not None]

    def absolute(self) -> "Job":
        """The same files for a process that works in another folder."""
        boundary = None if self.boundary is None else self.boundary.absolute()
        return Job(self.name, self.image.absolute(), self.prediction.absolute(), boundary)


class JobInputs(NamedTuple):
    """What was read of one image."""

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
    """The files of every image.

    Args:
        images: Image files, folders of them and the folders below, or patterns such as `images/*.jpg`.
        prediction: The prediction of the one image; or a folder or a pattern with a file of the same name for each.
        boundaries: Likewise the boundary maps; None where there are none.
        suffixes: By which the names of images, predictions and boundary maps differ.
        output: Folder of the outputs, which are no images.

    Raises:
        InputError: If a file is missing, or two images share a name.
    """
    found = find_images(images, suffixes.image, besides=(prediction, boundaries, output))
    predictions = pair_files(found, prediction, PREDICTION_SUFFIXES, "prediction", suffixes.prediction)
    maps: Sequence[Path | None] = [None] * len(found)
    if boundaries is not None:
        maps = pair_files(found, boundaries, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
    return [Job(*files) for files in zip(found, found.values(), predictions, maps, strict=True)]


def read_inputs(
    job: Job, kind: ScoreKind | None, grid: Grid | None = None, value_range: ValueRange = "auto"
) -> JobInputs:
    """Read the files of one image; of the prediction is said what `read_prediction` takes.

    Raises:
        InputError: If one cannot be read, or the boundary map is of another aspect.
    """
    image = read_image(job.image, value_range)
    return JobInputs(image, read_prediction(job.prediction, kind, grid), fitted_boundary(job.boundary, image))
