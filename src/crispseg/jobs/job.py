"""The files of every image of a run, found before its work starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from crispseg.data import Prediction, ScoreKind, read_image, read_prediction
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.files import expand_images, pair_files
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.grid import Grid
from crispseg.inference.one_image import fitted_boundary


class Job(NamedTuple):
    """The files of one image."""

    image: Path
    prediction: Path
    boundary: Path | None

    @property
    def name(self) -> str:
        """What its outputs are called."""
        return self.image.stem

    def absolute(self) -> "Job":
        """The same files for a process that works in another folder."""
        return Job(*(path and path.absolute() for path in self))  # type: ignore[arg-type]


class Inputs(NamedTuple):
    """What was read of one image."""

    image: Tensor
    """(3, H, W) uint8."""
    prediction: Prediction
    boundary: Tensor | None
    """(1, H, W) in [0, 1]."""


def find_jobs(images: Sequence[Path], prediction: Path, boundaries: Path | None) -> list[Job]:
    """The files of every image.

    Args:
        images: Image files, folders of them, or patterns such as `images/*.jpg`.
        prediction: The prediction of the one image; or a folder or a pattern with a file of the same name for each.
        boundaries: Likewise the boundary maps; None where there are none.

    Raises:
        InputError: If a file is missing, or two images share a name.
    """
    found = expand_images(images)
    predictions = pair_files(found, prediction, PREDICTION_SUFFIXES, "prediction")
    maps: Sequence[Path | None] = [None] * len(found)
    if boundaries is not None:
        maps = pair_files(found, boundaries, BOUNDARY_SUFFIXES, "boundary map")
    return [Job(*paths) for paths in zip(found, predictions, maps, strict=True)]


def read_inputs(job: Job, kind: ScoreKind, grid: Grid | None = None) -> Inputs:
    """Read the files of one image; of the prediction is said what `read_prediction` takes.

    Raises:
        InputError: If one cannot be read, or the boundary map is of another aspect.
    """
    image = read_image(job.image)
    return Inputs(image, read_prediction(job.prediction, kind, grid), fitted_boundary(job.boundary, image))
