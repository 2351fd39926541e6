"""The desk of one visitor: an image, its prediction, perhaps a boundary map, and the pixel that is looked at."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from crispseg.app.limits import Limits
from crispseg.app.samples import write_sample
from crispseg.checks import check_pixel
from crispseg.data import Prediction
from crispseg.errors import InputError, naming
from crispseg.grid import CENTRES, Grid
from crispseg.inference.batch import check_fit
from crispseg.inference.one_image import check_boundary, grid_of
from crispseg.scores import Scores


@dataclass(frozen=True, eq=False)
class DeskInputs:
    """The inputs of a result, and the files that they were read from."""

    image: Tensor
    """(3, H, W) uint8, or floating point in [0, 1]."""
    image_file: Path
    prediction: Prediction
    prediction_file: Path
    scores: Scores
    """The kind of its scores, as the visitor gave it."""
    grid: Grid
    """How they were said to lie on the image."""
    boundary: Tensor | None
    """(1, h, w) boundary map, for cues that need one."""
    boundary_file: Path | None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of the image."""
        return self.image.shape[-2], self.image.shape[-1]


class Desk:
    """Read and keep the files of one visitor, within limits.

    Args:
        limits: What is read.
        folder: Where files for this visitor are written.

    Example:
        >>> desk = Desk(Limits(), getfixture("tmp_path"))
        >>> desk.load_sample("fruit")
        >>> desk.inputs.size
        (360, 480)
    """

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = limits
        self.folder = folder
        self.scores: Scores = "logits"
        """The kind of scores in predictions, as the visitor gave it."""
        self.grid = CENTRES
        """How they are said to lie on their images."""
        self.clear()

    def clear(self) -> None:
        """Remove everything but what was said of predictions."""
        self.image: Tensor | None = None
        self._image_file = Path()
        self._prediction: tuple[Prediction, Path] | None = None
        self._refused: Path | None = None
        """The last prediction, where it could not be read as it was said to be."""
        self._boundary: tuple[Tensor, Path] | None = None
        self.sample: str | None = None
        """Name of the sample that is loaded."""
        self.pixel: tuple[int, int] | None = None
        """x, y of the pixel that is looked at."""

    def load_image(self, path: Path) -> None:
        """Take an image. Where there is one already, its prediction and boundary map are removed too.

        Raises:
            InputError: If it cannot be read, or is too large; nothing has changed then.
        """
        image = self._limits.read_image(path)
        if self.image is not None:
            self.clear()
        self.image, self._image_file = image, path

    def load_prediction(self, path: Path, scores: Scores | None = None, grid: Grid | str | None = None) -> None:
        """Take a prediction of the image; after a sample, of an image that is still to come.

        Args:
            path: The file.
            scores: The kind of scores; None for the one that was said last.
            grid: How they lie on the image, likewise.

        Raises:
            InputError: If it cannot be read, is too large or does not fit the image. Nothing has changed then, and
                `say` tries the file again.
        """
        try:
            self._take(path, *self._said(scores, grid))
        except InputError:
            self._refused = path
            raise

    def _said(self, scores: Scores | None, grid: Grid | str | None) -> tuple[Scores, Grid]:
        return self.scores if scores is None else scores, self.grid if grid is None else Grid.of(grid)

    def _take(self, path: Path, scores: Scores, grid: Grid) -> None:
        prediction = self._limits.read_prediction(path, scores, grid)
        if self.sample is not None:
            self.clear()
        self._check_fit(prediction, path)
        self._prediction, self._refused, self.scores, self.grid = (prediction, path), None, scores, grid

    def say(self, scores: Scores | None = None, grid: Grid | str | None = None) -> None:
        """Say what the scores of predictions are: of the last file, also where it was refused, and of those to come.

        Args:
            scores: The kind of scores; None for the one that was said last.
            grid: How they lie on the image, likewise.

        Raises:
            InputError: If they cannot be that; nothing has changed then.
        """
        said = self._said(scores, grid)
        if said == (self.scores, self.grid):
            return
        if self._refused is not None:
            with suppress(InputError):
                self._take(self._refused, *said)
                return
        if self._prediction is not None:
            path = self._prediction[1]
            prediction = self._limits.read_prediction(path, *said)
            self._check_fit(prediction, path)
            self._prediction = prediction, path
        self.scores, self.grid = said

    def _check_fit(self, prediction: Prediction, path: Path) -> None:
        if self.image is not None:
            with naming(path):
                check_fit(self.image[None], prediction.scores[None], grid_of(prediction, None), prediction.kind)

    def load_boundary(self, path: Path) -> None:
        """Take a boundary map of the image, for cues that need one.

        Raises:
            InputError: If it cannot be read, is too large or does not fit the image; nothing has changed then.
        """
        boundary = self._limits.read_boundary(path)
        if self.image is not None:
            with naming(path):
                check_boundary((self.image.shape[-2], self.image.shape[-1]), boundary)
        self._boundary = boundary, path

    def load_sample(self, name: str) -> None:
        """Take a sample, whose files are written first.

        Raises:
            InputError: If there is no sample of that name, or its files cannot be written.
        """
        files = write_sample(name, self.folder)
        self.clear()
        self.load_image(files.image)
        self.load_prediction(files.prediction, "logits", CENTRES)
        self.sample = name

    def look_at(self, pixel: tuple[int, int]) -> None:
        """Choose the pixel, given as x, y, whose masks are shown.

        Raises:
            InputError: If image or prediction are missing, or the pixel lies outside the image.
        """
        check_pixel(pixel, self.inputs.image)
        self.pixel = pixel

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is loaded."""
        return self.image is None and self._prediction is None and self._boundary is None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Return all tensors that are kept."""
        parts = (self.image, self._prediction and self._prediction[0].scores, self._boundary and self._boundary[0])
        return tuple(part for part in parts if part is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that were read, and the prediction that was refused."""
        image = () if self.image is None else (self._image_file,)
        refused = () if self._refused is None else (self._refused,)
        return (*image, *refused, *(given[1] for given in (self._prediction, self._boundary) if given is not None))

    @property
    def complete(self) -> bool:
        """Return whether there is an image and a prediction."""
        return self.image is not None and self._prediction is not None

    @property
    def inputs(self) -> DeskInputs:
        """Return what a result is made of.

        Raises:
            InputError: If image or prediction are missing.
        """
        if self.image is None or self._prediction is None:
            missing = "image" if self.image is None else "prediction"
            raise InputError(f"no {missing} yet; drop one, or choose a sample")
        boundary, boundary_file = self._boundary or (None, None)
        prediction, file = self._prediction
        said = self.scores, self.grid
        return DeskInputs(self.image, self._image_file, prediction, file, *said, boundary, boundary_file)
