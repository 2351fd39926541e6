"""Sharpen the frames of a video one after another, each with the one before it, so that masks flicker less."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.cues.cue import EmbeddingCue
from crispseg.data.prediction import Prediction
from crispseg.defaults import STEADY_PAST, STEADY_REACH
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.used_sharpener import check_sharpener
from crispseg.ops import local_filter
from crispseg.ops.shift import shifts
from crispseg.precision import at_least_float32
from crispseg.scores import Scores
from crispseg.value_checks import check_allowed, check_past
from crispseg.window import Window

REACHES = range(16)
"""The values that `reach` may have."""

_NUMBERS_AT_ONCE = 2**21
"""The weights of a band of rows, 8 MB: those of a whole frame would take more memory than the filter."""

_SAME, _ELSEWHERE = 1e-5, 1e-3
"""The smallest distance that others are compared with, and what is added to that of all pixels but the one at the same
place: of pixels that look exactly alike, it alone counts."""

_ALIKE = 2.5
"""The distance λ·d up to which a pixel looks much like another one: noise keeps a pixel 0.2 to 0.9 from itself."""

_GONE = 1e-3
"""A label of the frames before is left out once no pixel gives it this share, so that a long clip keeps few labels."""


class _Frame(NamedTuple):
    """The last frame, which the next one is compared with."""

    features: Tensor
    """(N, D, H, W)."""
    shares: Shares
    """Of all classes."""


@dataclass
class _Clip:
    """The state of a clip."""

    name: object = None
    last: _Frame | None = None
    classes: tuple[int, ...] = ()
    """The label of each channel, if the frames are label maps."""


class SteadySharpener:
    """Sharpen the frames of a clip one after another, so that masks flicker less.

    Each frame is sharpened, and then averaged with those pixels of the previous frame that look alike: by the embedding
    and the hardness of the sharpener, within `reach` pixels. Where nothing looks alike, as after a cut or where an
    object has moved away from its background, the frame stays what the sharpener alone gives. Probabilities are
    averaged.

    The first frame, and the first after `reset`, is what the sharpener alone gives. No gradient is recorded.

    Args:
        sharpener: The sharpener. Its cue must compare embeddings or colours.
        reach: How far, in pixels, something may move from one frame to the next; 0 to 15. It takes time: there are
            (2·reach + 1)² pixels to compare with.
        past: How much the previous frames count at most, from 0 to below 1: a larger number reduces flicker more, and
            follows changes more slowly.

    Raises:
        InputError: If an option is not as above, or the cue compares something else.

    Example:
        >>> steady = SteadySharpener(Sharpener.from_pretrained())
        >>> for _ in range(3):
        ...     frame, logits = torch.rand(1, 3, 48, 64), torch.randn(1, 5, 6, 8)
        ...     crisp = steady(frame, logits)
        >>> crisp.shape
        torch.Size([1, 5, 48, 64])
        >>> steady.reset()  # before another clip
    """

    def __init__(self, sharpener: Sharpener, *, reach: int = STEADY_REACH, past: float = STEADY_PAST) -> None:
        check_sharpener(sharpener)
        _check_cue(sharpener)
        check_allowed("reach", reach, REACHES)
        check_past(past)
        self.sharpener, self.reach, self.past = sharpener, reach, past
        self._clip = _Clip()

    def reset(self) -> None:
        """Forget the frames so far, before another clip."""
        self._clip.name, self._clip.last = None, None

    @torch.no_grad()
    def __call__(
        self, image: Tensor, scores: Tensor, *, features: Tensor | None = None, grid: Grid | str | None = None
    ) -> Tensor:
        """Sharpen the next frame.

        Args:
            image: (N, 3, H, W) RGB, uint8, or floating point in [0, 1]: a frame of each of N clips.
            scores: (N, C, h, w) scores of the sharpener's kind, at any resolution.
            features: (N, D, H, W) features of the image to use instead of those of the cue.
            grid: How these scores lie on the image; None for the sharpener's grid.

        Returns:
            (N, C, H, W) scores of the kind and dtype of `scores`, on the same device.

        Raises:
            InputError: If N, the size of the image or the number of classes differs from the frame before, or as
                `Sharpener` does.
            TypeError: As `Sharpener` does.
        """
        sharpener = self.sharpener if grid is None else self.sharpener.expecting(self.sharpener.scores, grid)
        features, wide = sharpener.prepare(image, scores, features)
        last = self._clip.last
        if last is not None:
            _check_same(last, features, wide.shape[1], sharpener.scores)
        shares = sharpener.filtered(sharpener.upsample(image, wide, features), features).expanded()
        if last is not None:
            past, likeness = recalled(features, last.features, last.shares.values, sharpener, self.reach)
            shares = shares.with_values(shares.values.lerp(past, self.past * likeness))
        self._clip.last = _Frame(features, shares)
        return shares.scores().to(scores.dtype)

    def using(self, sharpener: Sharpener) -> Self:
        """Return one that goes on with the same clip, with another sharpener, such as for another kind of scores."""
        other = copy.copy(self)
        other.sharpener = sharpener
        return other

    @contextmanager
    def frame_of(self, clip: object) -> Iterator[None]:
        """Take what is sharpened in this context as the next frame of a clip, of any name.

        Another clip than that of the frame before starts anew. A frame that raises an error is forgotten: the next one
        follows the one before it.
        """
        if clip != self._clip.name:
            self.reset()
        self._clip.name, last, classes = clip, self._clip.last, self._clip.classes
        try:
            yield
        except BaseException:
            self._clip.last, self._clip.classes = last, classes
            raise

    def joined(self, prediction: Prediction) -> Prediction:
        """Return the prediction of the next frame with the labels of the frames before too, if it is a label map.

        Label maps get a channel for each of their labels, and those of a clip need not have the same labels.
        """
        last, there = self._clip.last, self._clip.classes
        if last is not None and prediction.from_scores == bool(there):
            kinds = ("scores", "a label map") if prediction.from_scores else ("a label map", "scores")
            raise InputError(
                f"frame has {kinds[0]}, but the one before had {kinds[1]}; expected the same all through a clip"
            )
        self._clip.classes = () if prediction.from_scores else prediction.classes
        if last is None or prediction.from_scores:
            return prediction
        values = last.shares.values
        counts = values.amax((0, 2, 3)).gt(_GONE).tolist()
        channels = {label: index for index, label in enumerate(there) if counts[index]}
        classes = tuple(sorted({*channels, *prediction.classes}))
        widened = values.new_zeros(len(values), len(classes), *values.shape[2:])
        for index, label in enumerate(classes):
            if label in channels:
                widened[:, index] = values[:, channels[label]]
        shares = last.shares._replace(values=widened, channels=len(classes))
        self._clip.last, self._clip.classes = last._replace(shares=shares), classes
        return replace(prediction, classes=classes)

    def check(self, sharpener: Sharpener | None, memory: str | None) -> None:
        """Refuse what does not go with the frames of a clip.

        Args:
            sharpener: The sharpener of images by themselves, which must be this one's.
            memory: The memory for tiles; None for whole images.

        Raises:
            InputError: If it does not.
        """
        if self.sharpener is not sharpener:
            raise InputError(
                "steady uses another sharpener than images by themselves; expected the same: SteadySharpener(sharpener)"
            )
        if memory is not None:
            raise InputError(
                f"memory is {memory}, for tiles, but whole frames are compared with each other; leave memory or steady "
                "out (--memory, --steady), or make the frames smaller"
            )


def recalled(now: Tensor, before: Tensor, values: Tensor, sharpener: Sharpener, reach: int) -> tuple[Tensor, Tensor]:
    """Return what the pixels of the frame before that look alike were.

    A pixel counts by how it compares with the closest one: exp(-(d - m) / m), where d is its distance and m that of the
    closest. So noise in the images, which keeps all pixels apart, is averaged away, and a still image without noise
    takes each pixel from where it is.

    Args:
        now: (N, D, H, W) features of a frame.
        before: (N, D, H, W) features of the frame before.
        values: (N, S, H, W) shares of the frame before.
        sharpener: Gives the norm and the hardness of the comparison.
        reach: How far away those pixels may be.

    Returns:
        (N, S, H, W) averages of `values`, and (N, 1, H, W) how alike the closest pixel looks, from 0 to 1.
    """
    window = Window(2 * reach + 1)
    count, _, height, width = now.shape
    averages, likeness = torch.empty_like(values), values.new_empty(count, 1, height, width)
    step = max(1, _NUMBERS_AT_ONCE // (count * window.count * width))
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first, stop = max(top - reach, 0), min(bottom + reach, height)
        around, inner = slice(first, stop), slice(top - first, bottom - first)
        distances = _distances(now[..., around, :], before[..., around, :], window, sharpener, inner)
        closest = distances.amin(1, keepdim=True)
        weights = F.pad(torch.exp((closest - distances) / closest.clamp_min(_SAME)), (0, 0, top - first, stop - bottom))
        averages[..., top:bottom, :] = local_filter(values[..., around, :], weights, window)[..., inner, :]
        likeness[..., top:bottom, :] = torch.exp(-((closest / _ALIKE) ** 2))
    return averages, likeness


def _distances(now: Tensor, before: Tensor, window: Window, sharpener: Sharpener, rows: slice) -> Tensor:
    """Return (N, K, rows, W) distances λ·d from some rows of a frame to another frame, infinite outside the image."""
    (count, _, height, width), wide = now.shape, at_least_float32(now)
    distances = now.new_full((count, window.count, rows.stop - rows.start, width), torch.inf, dtype=wide)
    for shift in shifts(window, height, width):
        part = shift.rows(rows.start, rows.stop)
        if part is not None:
            apart = now[(..., *part.centre)] - before[(..., *part.neighbour)]
            # PyTorch's own norm 1 takes five times as long.
            distance = apart.abs_().sum(1, dtype=wide) if sharpener.cue.norm == 1 else apart.norm(dim=1, dtype=wide)
            there = slice(part.out[0].start - rows.start, part.out[0].stop - rows.start), part.out[1]
            distances[:, part.k][(..., *there)] = sharpener.hardness * distance + _ELSEWHERE * (part.k != window.centre)
    return distances


def _check_cue(sharpener: Sharpener) -> None:
    cue = type(sharpener.cue)
    if not issubclass(cue, EmbeddingCue) or cue.distance is not EmbeddingCue.distance:
        raise InputError(
            f"cue is {cue.__name__}, which cannot compare pixels of two frames; expected a cue that compares "
            "embeddings or colours, such as learned or rgb"
        )


def _check_same(last: _Frame, features: Tensor, channels: int, kind: Scores) -> None:
    def described(features: Tensor, channels: int, kind: Scores) -> dict[str, str]:
        clips, _, height, width = features.shape
        return {
            "pixels": f"{height}x{width} pixels", "clips": f"{clips} in its batch", "channels": f"{channels} channels",
            "kind": f"{kind} as scores", "device": f"tensors on {features.device}",
        }  # fmt: skip

    here, there = described(features, channels, kind), described(last.features, last.shares.channels, last.shares.kind)
    other = [what for what in here if here[what] != there[what]]
    if other:
        raise InputError(
            f"frame has {', '.join(here[what] for what in other)}, but the one before "
            f"{', '.join(there[what] for what in other)}; expected the same all through a clip: call reset() before "
            "another clip, or keep its frames in a folder of its own"
        )
