"""The results of one visitor, computed from what is on the visitor's desk."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.app.desk import Desk, DeskInputs
from crispseg.app.limits import Limits
from crispseg.app.settings import Cues, first_config
from crispseg.checks import check_pixel
from crispseg.config import SharpenerConfig
from crispseg.data import Prediction
from crispseg.errors import InputError, naming
from crispseg.grid import CENTRES
from crispseg.inference.contributions import contributions
from crispseg.inference.objects import sharpen_masks
from crispseg.inference.objects.sharpening import sharpener_of_mask
from crispseg.inference.one_image import Sharpened, labels_before
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.upsampling import resize
from crispseg.nn import LocalFilter
from crispseg.pictures.colours import principal_components


class PixelMasks(NamedTuple):
    """How much other pixels contribute to one."""

    pixel: tuple[int, int]
    """x, y."""
    config: SharpenerConfig
    """The sharpener that they belong to."""
    one_pass: Tensor
    """(H, W): the weights of the window (eq. 3); the most is 1."""
    all_passes: Tensor
    """(H, W): how much every pixel contributes to the filtered score of that one; the most is 1."""


class Shown(NamedTuple):
    """The inputs and the config of a result on the page."""

    image: Tensor
    prediction: Prediction
    config: SharpenerConfig


class _Features(NamedTuple):
    """Features, and what they were computed from."""

    image: Tensor
    boundary: Tensor | None
    key: SharpenerConfig
    values: Tensor
    """(1, D, H, W), on the device of the cues."""


_NEUTRAL: dict[str, Any] = {
    "window": 3,
    "passes": None,
    "hardness": 1,
    "cue_weight": 1,
    "score_weight": 0,
    "scores": "logits",
    "upsampling": "joint",
    "guard": None,
    "grid": CENTRES,
    "negligible": 0,
}
"""Fields that the features do not depend on, each with a value that stands for all others. A field that is not among
them is taken to matter."""


class Session:
    """A visitor's desk, and the results that are kept as long as their inputs lie there.

    Features are computed once for an image and a cue, so that a change of any other field takes no more than
    upsampling, the weights and the filter.

    Args:
        cues: Shared by all sessions.
        limits: What is read, and how much work it may make.
        folder: Where files for this visitor are written.

    Example:
        >>> session = Session(Cues(), Limits(), getfixture("tmp_path"))
        >>> session.desk.load_sample("street")
        >>> session.sharpen(SharpenerConfig(cue="rgb")).after.shape
        torch.Size([360, 480])
    """

    def __init__(self, cues: Cues, limits: Limits, folder: Path) -> None:
        self._cues = cues
        self._limits = limits
        self.desk = Desk(limits, folder)
        self.config = first_config()
        """The config of the controls."""
        self.shown: Shown | None = None
        """The result that the page shows."""
        self.refused: set[str] = set()
        """The fields whose controls say why their last value was refused."""
        self.was_put_away = False
        """Whether the desk was cleared to make room, and nothing was loaded since."""
        self._forget()

    def _forget(self) -> None:
        self.shown = None
        self._features: _Features | None = None
        self._components: Tensor | None = None
        """Principal components of the features."""
        self._scores: tuple[_Features, Prediction, Tensor] | None = None
        self._before: tuple[Tensor, Prediction, Tensor] | None = None
        self._result: tuple[_Features, Prediction, SharpenerConfig, Sharpened] | None = None

    def put_away(self) -> None:
        """Forget all that lies on the desk and all that was computed from it."""
        self.was_put_away = self.was_put_away or not self.desk.is_empty
        self.desk.clear()
        self._forget()

    @property
    def shows_its_files(self) -> bool:
        """Return whether what the page shows was made of what lies on the desk."""
        if self.shown is None or not self.desk.complete:
            return False
        return self.shown.image is self.desk.image and self.shown.prediction is self.desk.inputs.prediction

    @property
    def kept_bytes(self) -> int:
        """Return how many bytes of memory are kept for this visitor."""
        return sum({storage.data_ptr(): storage.nbytes() for storage in self._storages()}.values())

    def _storages(self) -> Iterator[torch.UntypedStorage]:
        for kept in (self._features, self._scores, self._before, self._result, self.desk.tensors, (self._components,)):
            for value in kept or ():
                parts = (value.before, value.after, value.scores) if isinstance(value, Sharpened) else (value,)
                yield from (part.untyped_storage() for part in parts if isinstance(part, Tensor))

    def sharpen(self, config: SharpenerConfig) -> Sharpened:
        """Sharpen the prediction, bit for bit as `crispseg.inference.one_image.sharpen_one` does.

        Masks of objects are sharpened as `crispseg.sharpen_masks` does.

        Args:
            config: The sharpener. What was said of the prediction replaces its kind of scores and its grid.

        Raises:
            InputError: If something is missing, does not fit together, or would take too much memory.
        """
        inputs, start = self.desk.inputs, time.perf_counter()
        sharpener = self._sharpener(inputs, config)
        features, kept = self._features_of(inputs, sharpener), self._result
        if kept and kept[0] is features and kept[1] is inputs.prediction and kept[2] == sharpener.config:
            return kept[3]
        with torch.no_grad(), naming(inputs.prediction_file):
            if inputs.masks is not None:
                crisp = _sharpened_masks(inputs, sharpener)
            else:
                shares = self._shares(inputs, sharpener, features)
                crisp = sharpener.filtered(shares, features.values).scores()[0].cpu()
        seconds = time.perf_counter() - start
        result = Sharpened(self._labels_before(inputs), inputs.prediction.labels(crisp), crisp, seconds)
        self._result = features, inputs.prediction, sharpener.config, result
        return result

    def embedding(self, config: SharpenerConfig) -> Tensor:
        """Return (3, H, W) uint8, the principal components of the features as red, green and blue.

        A single map is grey.

        Raises:
            InputError: If something is missing or would take too much memory.
        """
        inputs = self.desk.inputs
        features = self._features_of(inputs, self._sharpener(inputs, config)).values[0]
        if self._components is None and features.shape[0] == 1:
            self._components = (255 * features.cpu()).round().byte().expand(3, -1, -1)
        elif self._components is None:
            self._components = principal_components(features)
        return self._components

    def masks(self, pixel: tuple[int, int], config: SharpenerConfig) -> PixelMasks:
        """Return what the filter mixes into a pixel, given as x, y.

        Raises:
            InputError: If the pixel lies outside the image, or something is missing or would take too much memory.
        """
        inputs = self.desk.inputs
        check_pixel(pixel, inputs.image)
        sharpener = self._sharpener(inputs, config)
        features = self._features_of(inputs, sharpener)
        with torch.no_grad():
            shares = self._shares(inputs, sharpener, features)
        if inputs.masks is not None:
            sharpener = _sharpener_at(pixel, inputs, sharpener, shares)
        sharpener = sharpener.acting_on(shares.gentleness)
        one_pass = LocalFilter(sharpener.window[0])
        masks = (_mask(features.values, shares, pixel, sharpener, filter) for filter in (one_pass, sharpener.filter))
        return PixelMasks(pixel, sharpener.config, *masks)

    def _sharpener(self, inputs: DeskInputs, config: SharpenerConfig) -> Sharpener:
        """Return the sharpener of a config for a prediction, on the device of the cues."""
        made = Sharpener.of(self._cues.get(config.cue), config).to(self._cues.device)
        if inputs.masks is None:
            made = made.for_prediction(inputs.prediction)
        else:
            made = made.expecting(inputs.prediction.kind, inputs.prediction.grid)
        self._limits.check_work(len(inputs.prediction.classes), made.config, inputs.size)
        return made

    def _features_of(self, inputs: DeskInputs, sharpener: Sharpener) -> _Features:
        boundary = inputs.boundary if sharpener.cue.takes_boundaries else None
        key, kept = sharpener.config.replaced(**_NEUTRAL), self._features
        if kept and kept.image is inputs.image and kept.boundary is boundary and kept.key == key:
            return kept
        kept = None
        self._features = self._components = self._scores = self._result = None  # memory may not hold old and new
        if sharpener.cue.takes_boundaries:
            values = self._boundaries(inputs, key)
        else:
            with torch.no_grad():
                values = sharpener.features(inputs.image[None].to(self._cues.device))
        self._features = _Features(inputs.image, boundary, key, values)
        return self._features

    def _shares(self, inputs: DeskInputs, sharpener: Sharpener, features: _Features) -> Shares:
        """Return the shares of the scores before the filter."""
        scores = self._scores_of(inputs, sharpener, features)
        return sharpener.upsample(inputs.image[None].to(scores.device), scores, features.values)

    def _scores_of(self, inputs: DeskInputs, sharpener: Sharpener, features: _Features) -> Tensor:
        """Return (1, C, h, w) scores, checked, on the device of the cues."""
        kept = self._scores
        if kept is None or kept[0] is not features or kept[1] is not inputs.prediction:
            image, scores = (value[None].to(self._cues.device) for value in (inputs.image, inputs.prediction.scores))
            prepared = sharpener.prepare(image, scores, features.values)[1]
            kept = self._scores = features, inputs.prediction, prepared
        return kept[2]

    def _boundaries(self, inputs: DeskInputs, key: SharpenerConfig) -> Tensor:
        if inputs.boundary is None:
            raise InputError(f"cue {key.cue.name!r} needs a boundary map of the image; drop one below the cue")
        return resize(inputs.boundary[None], inputs.size).to(self._cues.device)

    def _labels_before(self, inputs: DeskInputs) -> Tensor:
        """Return (H, W) labels of the upsampled prediction."""
        kept = self._before
        if kept is None or kept[0] is not inputs.image or kept[1] is not inputs.prediction:
            kept = self._before = inputs.image, inputs.prediction, labels_before(inputs.image, inputs.prediction, None)
        return kept[2]


def _sharpened_masks(inputs: DeskInputs, sharpener: Sharpener) -> Tensor:
    """Return (N, H, W) scores of the masks of objects, of the kind of the prediction."""
    assert inputs.masks is not None
    kind = None if inputs.masks.is_hard else inputs.prediction.kind
    masks, grid = torch.from_numpy(inputs.masks.masks), inputs.said.grid
    crisp = sharpen_masks(inputs.image, masks, scores=kind, grid=grid, sharpener=sharpener, soft=True)
    return cast(Tensor, crisp).cpu()


def _sharpener_at(pixel: tuple[int, int], inputs: DeskInputs, sharpener: Sharpener, shares: Shares) -> Sharpener:
    """Return the sharpener that filters the likeliest of the objects at a pixel."""
    assert inputs.masks is not None
    (x, y), masks = pixel, inputs.masks
    kind = None if masks.is_hard else inputs.prediction.kind
    number = int(shares.probabilities()[0, :, y, x].argmax())
    return sharpener_of_mask(sharpener, masks.masks, number, inputs.size, scores=kind, grid=inputs.said.grid)


@torch.no_grad()
def _mask(
    features: Tensor, shares: Shares, pixel: tuple[int, int], sharpener: Sharpener, filter: LocalFilter
) -> Tensor:
    """Return the (H, W) mask of a pixel. What the filter does not reach is cut off first, since it has no effect."""
    (x, y), (height, width) = pixel, features.shape[-2:]
    reach = filter.reach
    top, left = max(y - reach, 0), max(x - reach, 0)
    near = features[..., top : y + reach + 1, left : x + reach + 1].contiguous()
    shares = shares.with_values(shares.values[..., top : y + reach + 1, left : x + reach + 1])
    weights = partial(sharpener.weights, near, shares)
    (mask,) = contributions(filter, weights, near, [(x - left, y - top)])
    below, right = height - top - mask.shape[0], width - left - mask.shape[1]
    return F.pad(mask, (left, right, top, below))
