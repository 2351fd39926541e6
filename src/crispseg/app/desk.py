"""The desk of one visitor: an image, its prediction, perhaps a boundary map, and the pixel that is looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.app.contents import Said, names_said
from crispseg.app.limits import Limits
from crispseg.app.samples import SAMPLES, write_sample
from crispseg.checks import check_pixel
from crispseg.data import Prediction
from crispseg.data.classes import Classes
from crispseg.data.intensity import Intensities
from crispseg.data.kinds import check_kind
from crispseg.data.object_masks import ObjectMasks
from crispseg.errors import InputError, naming
from crispseg.grid import Grid
from crispseg.inference.checks import check_fit, check_scores
from crispseg.inference.one_image import check_boundary, grid_of
from crispseg.scores import Scores


class _Given(NamedTuple):
    """A prediction as it was read."""

    path: Path
    prediction: Prediction
    masks: ObjectMasks | None


@dataclass(frozen=True, eq=False)
class DeskInputs:
    """The inputs of a result, and the files that they were read from."""

    image: Tensor
    """(3, H, W) uint8, or floating point in [0, 1]."""
    image_file: Path
    prediction: Prediction
    prediction_file: Path
    said: Said
    """The visitor's description of it."""
    masks: ObjectMasks | None
    """The masks that it was read from, where it holds objects."""
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
        >>> desk.load_sample("pagoda")
        >>> desk.inputs.size
        (427, 640)
    """

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = limits
        self.folder = folder
        self.sample: str | None = None
        """Name of the sample that is loaded."""
        self.said = Said()
        """The visitor's description of predictions."""
        self.names = Classes((), ())
        """The names of their classes, likewise."""
        self.clear()

    def clear(self) -> None:
        """Remove everything but what the visitor said of predictions; what a sample said goes with it."""
        if self.sample is not None:
            self.said, self.names, self.sample = Said(), Classes((), ()), None
        self.image: Tensor | None = None
        self.values: Intensities | None = None
        """The values of black and white in the file of the image."""
        self._image_file = Path()
        self._prediction: _Given | None = None
        self.refused: Path | None = None
        """The last prediction, where it could not be read as it was said to be."""
        self._boundary: tuple[Tensor, Path] | None = None
        self.pixel: tuple[int, int] | None = None
        """x, y of the pixel that is looked at."""

    def load_image(self, path: Path) -> None:
        """Take an image. Where there is one already, its prediction and boundary map are removed too.

        Raises:
            InputError: If it cannot be read, or is too large; nothing has changed then.
        """
        image, values = self._limits.read_image(path)
        if self.image is not None:
            self.clear()
        self.image, self.values, self._image_file = image, values, path

    def load_prediction(
        self, path: Path, scores: Scores | None = None, grid: Grid | str | None = None, content: str | None = None
    ) -> None:
        """Take a prediction of the image; after a sample, of an image that is still to come.

        Args:
            path: The file.
            scores: The kind of scores; None for the one that was said last.
            grid: How they lie on the image, likewise.
            content: One of `CONTENTS`, likewise.

        Raises:
            InputError: If it cannot be read, is too large or does not fit the image. Nothing has changed then, and
                `say` tries the file again.
        """
        try:
            self._take(path, self._saying(scores, grid, content))
        except InputError:
            self.refused = path
            raise

    def _saying(self, scores: Scores | None, grid: Grid | str | None, content: str | None) -> Said:
        last = self.said
        return Said.of(content or last.content, scores or last.scores, last.grid if grid is None else Grid.of(grid))

    def _take(self, path: Path, said: Said) -> None:
        given = self._read(path, said)
        if self.sample is not None:
            self.clear()
        self._check_fit(given.prediction, path)
        self._prediction, self.refused, self.said = given, None, said

    def say(self, scores: Scores | None = None, grid: Grid | str | None = None, content: str | None = None) -> None:
        """Describe the prediction that was given last, even if it was refused, and those to come.

        Args:
            scores: The kind of scores; None for the one that was said last.
            grid: How they lie on the image, likewise.
            content: One of `CONTENTS`, likewise.

        Raises:
            InputError: If they cannot be that. Nothing has changed then, but where no prediction lies on the desk, the
                description is kept for the one that was refused.
        """
        said = self._saying(scores, grid, content)
        if self.refused is not None:
            try:
                self._take(self.refused, said)
                return
            except InputError:
                if self._prediction is None:
                    self.said = said
                    raise
        if said == self.said:
            return
        if self._prediction is not None:
            given = self._read(self._prediction.path, said)
            self._check_fit(given.prediction, given.path)
            self._prediction = given
        self.said = said

    def _read(self, path: Path, said: Said) -> _Given:
        """Return a prediction, read as it is said to be."""
        if said.content != "objects":
            prediction = self._limits.read_prediction(path, said.scores, said.grid)
            if said.content == "mask" and prediction.given.shape[:-2] != (1,):
                held = f"{len(prediction.scores)} channels" if prediction.from_scores else "labels"
                raise InputError(
                    f"prediction {path}: holds {held}; expected one soft mask, a grey picture or (1, h, w): say that "
                    "the prediction holds classes, or masks of objects"
                )
            return _Given(path, prediction, None)
        masks = self._limits.read_object_masks(path)
        kind = "multilabel_probabilities" if masks.is_hard else said.kind
        scores = torch.from_numpy(masks.masks).float()
        with naming(path):
            check_scores(scores, kind)
            check_kind(scores, kind)
        numbers = masks.numbers or range(1, len(scores) + 1)
        return _Given(path, Prediction(scores, kind, (0, *numbers), grid=said.grid), masks)

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
        files, said = write_sample(name, self.folder), SAMPLES[name].said
        self.clear()
        self.load_image(files.image)
        self.load_prediction(files.prediction, said.scores, said.grid, said.content)
        self.names, self.sample = names_said(SAMPLES[name].names), name

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
        parts = (
            self.image,
            self._prediction and self._prediction.prediction.scores,
            self._boundary and self._boundary[0],
        )
        return tuple(part for part in parts if part is not None)

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files that were read, and the prediction that was refused."""
        image = None if self.image is None else self._image_file
        prediction, boundary = self._prediction and self._prediction.path, self._boundary and self._boundary[1]
        return tuple(path for path in (image, self.refused, prediction, boundary) if path is not None)

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
        file, prediction, masks = self._prediction
        return DeskInputs(self.image, self._image_file, prediction, file, self.said, masks, boundary, boundary_file)
