"""What sharpening makes of an image and its prediction, worked out for one visitor."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.app.desk import Desk, DeskInputs
from crispseg.app.limits import Limits
from crispseg.app.settings import Cues, Settings
from crispseg.checks import check_pixel
from crispseg.data import Prediction
from crispseg.data.intensity import to_floats
from crispseg.errors import InputError, naming
from crispseg.inference.batch import resize
from crispseg.inference.masks import contributions, principal_components
from crispseg.inference.one_image import Sharpened, labels_before
from crispseg.inference.sharpener import Sharpener


class PixelMasks(NamedTuple):
    """What belongs with a pixel."""

    pixel: tuple[int, int]
    """x, y."""
    settings: Settings
    """What tells it."""
    one_pass: Tensor
    """(H, W): the weights of the window (eq. 3); the most is 1."""
    all_passes: Tensor
    """(H, W): how much every pixel contributes to the filtered score of that one; the most is 1."""


class _Features(NamedTuple):
    """Features, and what they are of."""

    image: Tensor
    boundary: Tensor | None
    cue: str
    values: Tensor
    """(1, D, H, W), on the device of the cues."""


class Session:
    """A visitor's desk, with what follows from what lies there kept as long as it lies there.

    Features are computed once for an image and a cue, so that another window, hardness or number of passes takes no
    more than upsampling, the weights and the filter.

    Args:
        cues: Shared by all sessions.
        limits: What is read, and how much work it may make.
        folder: Where files for this visitor are written.

    Example:
        >>> session = Session(Cues(), Limits(), getfixture("tmp_path"))
        >>> session.desk.load_sample("fruit")
        >>> session.sharpen(Settings.of("rgb")).after.shape
        torch.Size([360, 480])
    """

    def __init__(self, cues: Cues, limits: Limits, folder: Path) -> None:
        self._cues = cues
        self._limits = limits
        self.desk = Desk(limits, folder)
        self.was_put_away = False
        """Whether what lay here was put away, and nothing was loaded since."""
        self._forget()

    def _forget(self) -> None:
        self.before_picture: tuple[Tensor, Path] | None = None
        """Labels before, and the picture of them, once it is written."""
        self._features: _Features | None = None
        self._components: Tensor | None = None
        """Of the features."""
        self._scores: tuple[Tensor, Prediction, Tensor] | None = None
        self._before: tuple[Tensor, Prediction, Tensor] | None = None
        self._result: tuple[_Features, Prediction, Settings, Sharpened] | None = None

    def put_away(self) -> None:
        """Forget all that lies on the desk and all that was worked out of it."""
        self.was_put_away = self.was_put_away or not self.desk.is_empty
        self.desk.clear()
        self._forget()

    @property
    def kept_bytes(self) -> int:
        """Bytes held in memory for this visitor."""
        return sum({storage.data_ptr(): storage.nbytes() for storage in self._storages()}.values())

    def _storages(self) -> Iterator[torch.UntypedStorage]:
        for kept in (self._features, self._scores, self._before, self._result, self.desk.tensors, (self._components,)):
            for value in kept or ():
                parts = (value.before, value.after, value.scores) if isinstance(value, Sharpened) else (value,)
                yield from (part.untyped_storage() for part in parts if isinstance(part, Tensor))

    def sharpen(self, settings: Settings) -> Sharpened:
        """Sharpen the prediction, bit for bit as `crispseg.inference.one_image.sharpen_one` does.

        Raises:
            InputError: If something is missing, does not fit together, or would take too much memory.
        """
        inputs, start = self.desk.inputs, time.perf_counter()
        features, kept = self._features_of(inputs, settings), self._result
        if kept and kept[0] is features and kept[1] is inputs.prediction and kept[2] == settings:
            return kept[3]
        sharpener = settings.sharpener(self._cues.get(settings.cue)).to(self._cues.device)
        with torch.no_grad(), naming(inputs.prediction_file):
            sharpener = sharpener.expecting(inputs.prediction.kind, inputs.prediction.grid)
            shares = sharpener.upsample(self._scores_of(inputs, sharpener, features.values), features.values)
            crisp = sharpener.filtered(shares, features.values).scores()[0].cpu()
        seconds = time.perf_counter() - start
        result = Sharpened(self._labels_before(inputs), inputs.prediction.labels(crisp), crisp, seconds)
        self._result = features, inputs.prediction, settings, result
        return result

    def embedding(self, settings: Settings) -> Tensor:
        """(3, H, W) uint8: principal components of the features as red, green and blue; grey where there is one map.

        Raises:
            InputError: If something is missing or would take too much memory.
        """
        features = self._features_of(self.desk.inputs, settings).values[0]
        if self._components is None and features.shape[0] == 1:
            self._components = (255 * features.cpu()).round().byte().expand(3, -1, -1)
        elif self._components is None:
            self._components = principal_components(features)
        return self._components

    def masks(self, pixel: tuple[int, int], settings: Settings) -> PixelMasks:
        """What the filter mixes into a pixel, given as x, y.

        Raises:
            InputError: If the pixel lies outside the image, or something is missing or would take too much memory.
        """
        inputs = self.desk.inputs
        check_pixel(pixel, inputs.image)
        features = self._features_of(inputs, settings).values
        masks = (self._mask(features, pixel, settings, passes) for passes in (1, settings.passes))
        return PixelMasks(pixel, settings, *masks)

    @torch.no_grad()
    def _mask(self, features: Tensor, pixel: tuple[int, int], settings: Settings, passes: int) -> Tensor:
        """(H, W). What lies beyond the reach of the passes is cut off first, and cannot change anything."""
        (x, y), (height, width) = pixel, features.shape[-2:]
        reach = settings.window.radius * passes
        top, left = max(y - reach, 0), max(x - reach, 0)
        near = features[..., top : y + reach + 1, left : x + reach + 1].contiguous()
        weights = self._cues.get(settings.cue).weights(near, settings.window, settings.hardness)
        (mask,) = contributions(weights, settings.window, [(x - left, y - top)], passes)
        below, right = height - top - mask.shape[0], width - left - mask.shape[1]
        return F.pad(mask, (left, right, top, below))

    def _features_of(self, inputs: DeskInputs, settings: Settings) -> _Features:
        self._limits.check_work(len(inputs.prediction.classes), settings.window, inputs.size)
        boundary = inputs.boundary if settings.cue == "contour" else None
        kept = self._features
        if kept and kept.image is inputs.image and kept.boundary is boundary and kept.cue == settings.cue:
            return kept
        self._features = self._components = self._result = kept = None  # two would not stand beside each other
        if settings.cue == "contour":
            values = self._contours(inputs)
        else:
            with torch.no_grad():
                values = self._cues.get(settings.cue)(to_floats(inputs.image[None].to(self._cues.device)))
        self._features = _Features(inputs.image, boundary, settings.cue, values)
        return self._features

    def _scores_of(self, inputs: DeskInputs, sharpener: Sharpener, features: Tensor) -> Tensor:
        """(1, C, h, w) scores, checked, on the device of the cues."""
        kept = self._scores
        if kept is None or kept[0] is not inputs.image or kept[1] is not inputs.prediction:
            image, scores = (value[None].to(self._cues.device) for value in (inputs.image, inputs.prediction.scores))
            kept = self._scores = inputs.image, inputs.prediction, sharpener.prepare(image, scores, features)[1]
        return kept[2]

    def _contours(self, inputs: DeskInputs) -> Tensor:
        if inputs.boundary is None:
            raise InputError("the cue of boundaries needs a boundary map of the image; drop one below the cue")
        return resize(inputs.boundary[None], inputs.size).to(self._cues.device)

    def _labels_before(self, inputs: DeskInputs) -> Tensor:
        """(H, W) labels of the upsampled prediction."""
        kept = self._before
        if kept is None or kept[0] is not inputs.image or kept[1] is not inputs.prediction:
            kept = self._before = inputs.image, inputs.prediction, labels_before(inputs.image, inputs.prediction, None)
        return kept[2]
