"""What lies before one visitor: an image, its prediction, perhaps a boundary map, and the pixel that is looked at."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from crispseg.app.limits import Limits
from crispseg.app.samples import write_sample
from crispseg.checks import check_pixel
from crispseg.data import Prediction, ScoreKind
from crispseg.errors import InputError, naming
from crispseg.grid import CENTRES, Grid
from crispseg.inference.batch import check_fit
from crispseg.inference.one_image import check_boundary, grid_of


@dataclass(frozen=True, eq=False)
class DeskInputs:
    """What a result is made of, as it was read and where."""

    image: Tensor
    """(3, H, W) uint8, or floating point in [0, 1]."""
    image_file: Path
    prediction: Prediction
    prediction_file: Path
    kind: ScoreKind
    """What scores in files were said to be."""
    boundary: Tensor | None
    """(1, h, w) boundary map, for the contour cue."""
    boundary_file: Path | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image.shape[-2], self.image.shape[-1]


class Desk:
    """Takes files, within limits.

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
        self.grid = CENTRES
        """How the scores of predictions are said to lie on their images."""
        self.clear()

    def clear(self) -> None:
        """Take everything off."""
        self.image: Tensor | None = None
        self._image_file = Path()
        self._prediction: tuple[Prediction, Path, ScoreKind] | None = None
        self._boundary: tuple[Tensor, Path] | None = None
        self.sample: str | None = None
        """Name of the sample that is loaded."""
        self.pixel: tuple[int, int] | None = None
        """x, y of the pixel that is looked at."""

    def load_image(self, path: Path) -> None:
        """Take an image. One that follows another begins anew, without prediction and boundary map.

        Raises:
            InputError: If it cannot be read, or is too large; nothing has changed then.
        """
        image = self._limits.read_image(path)
        if self.image is not None:
            self.clear()
        self.image, self._image_file = image, path

    def load_prediction(self, path: Path, kind: ScoreKind) -> None:
        """Take a prediction of the image; after a sample, of an image that is still to come.

        Raises:
            InputError: If it cannot be read, is too large or does not fit the image; nothing has changed then.
        """
        prediction = self._limits.read_prediction(path, kind, self.grid)
        if self.sample is not None:
            self.clear()
        self._check_fit(prediction, path)
        self._prediction = prediction, path, kind

    def _check_fit(self, prediction: Prediction, path: Path) -> None:
        if self.image is not None:
            with naming(path):
                check_fit(self.image[None], prediction.scores[None], grid_of(prediction, None), prediction.kind)

    def say_kind(self, kind: ScoreKind) -> None:
        """Say anew what the scores of the prediction are.

        Raises:
            InputError: If they cannot be that; nothing has changed then.
        """
        if self._prediction is not None:
            path = self._prediction[1]
            self._prediction = self._limits.read_prediction(path, kind, self.grid), path, kind

    def say_grid(self, text: str) -> None:
        """Say anew how scores lie on their image, of the prediction that is there and of those to come.

        Raises:
            InputError: If they cannot lie so; nothing has changed then.
        """
        grid = Grid.of(text)
        if self._prediction is not None:
            _, path, kind = self._prediction
            prediction = self._limits.read_prediction(path, kind, grid)
            self._check_fit(prediction, path)
            self._prediction = prediction, path, kind
        self.grid = grid

    def load_boundary(self, path: Path) -> None:
        """Take a boundary map of the image, for the contour cue.

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
            InputError: If there is none of that name, or they cannot be written.
        """
        files = write_sample(name, self.folder)
        self.clear()
        self.grid = CENTRES
        self.load_image(files.image)
        self.load_prediction(files.prediction, "logits")
        self.sample = name

    def look_at(self, pixel: tuple[int, int]) -> None:
        """Choose the pixel, given as x, y, whose masks are shown.

        Raises:
            InputError: If image or prediction are missing, or the pixel lies outside the image.
        """
        check_pixel(pixel, self.inputs.image)
        self.pixel = pixel

    @property
    def kind(self) -> ScoreKind:
        """What the scores of the prediction were said to be."""
        return "logits" if self._prediction is None else self._prediction[2]

    @property
    def is_empty(self) -> bool:
        """Whether nothing lies here."""
        return self.image is None and self._prediction is None and self._boundary is None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that lies here."""
        parts = (self.image, self._prediction and self._prediction[0].scores, self._boundary and self._boundary[0])
        return tuple(part for part in parts if part is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """Where what lies here was read from."""
        image = () if self.image is None else (self._image_file,)
        return (*image, *(given[1] for given in (self._prediction, self._boundary) if given is not None))

    @property
    def complete(self) -> bool:
        """Whether there is an image and a prediction."""
        return self.image is not None and self._prediction is not None

    @property
    def inputs(self) -> DeskInputs:
        """What a result is made of.

        Raises:
            InputError: If image or prediction are missing.
        """
        if self.image is None or self._prediction is None:
            missing = "image" if self.image is None else "prediction"
            raise InputError(f"no {missing} yet; drop one, or choose a sample")
        boundary, boundary_file = self._boundary or (None, None)
        return DeskInputs(self.image, self._image_file, *self._prediction, boundary, boundary_file)
