"""The handcrafted cue: the soft segmentation of Leordeanu et al. (2012), eight maps (paper sec. 5)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from crispseg.checks import check_image, is_finite
from crispseg.cues.colour_words import WORDS, colour_words, resize_bicubic, stretch
from crispseg.cues.cue import EmbeddingCue
from crispseg.errors import InputError
from crispseg.ops import _registration
from crispseg.value_checks import check_count

_PATCH_RADIUS = 8
_PATCH_STEP = 8
_SEED_STEP = 30
_ENERGY = 0.5
_MEDIAN = 9
_ROWS_AT_ONCE = 32
_EPSILON = np.finfo(np.float64).eps


class SoftSegmentationCue(EmbeddingCue, name="soft"):
    """Distances between soft segmentations, which are computed from the colours of the image alone.

    The maps share one scale and lie in [0, 1]. They are deterministic, and a constant image has constant maps. They are
    computed on the CPU, image by image, in about half a second for 480×360 pixels. They have no derivative: where the
    image needs one for something else, give the cue `image.detach()`.
    The paper does not give a hardness; the default was found on CamVid val (docs/decisions/0016-cues.md). Trulls et al.
    (2013), who mask descriptors with these maps, use 30 to 40.

    Args:
        maps: D, the number of leading components to keep. If an image has fewer, the remaining maps are 0.
        norm: 1 or 2.

    Raises:
        InputError: If `maps` is below 1, or `norm` is not 1 or 2.

    Example:
        >>> SoftSegmentationCue()(torch.rand(1, 3, 24, 32)).shape
        torch.Size([1, 8, 24, 32])
    """

    summary: ClassVar[str] = "soft segmentations, made of colours; nothing is learned"
    arguments: ClassVar[Mapping[str, Sequence[Any] | type]] = {"maps": range(1, 1025), "norm": (1, 2)}
    farthest: ClassVar[float] = 0.5
    default_hardness: ClassVar[float] = 100.0
    default_passes: ClassVar[int] = 1

    def __init__(self, maps: int = 8, norm: int = 2) -> None:
        super().__init__(norm)
        check_count("maps", maps)
        self.maps = self.channels = maps

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, maps, H, W) soft segmentations of (N, 3, H, W) RGB in [0, 1], on the device of the image.

        Raises:
            InputError: If the image has another shape or no pixel, or holds NaN or infinity.
            NotImplementedError: If a derivative by the image is requested.
        """
        check_image(image)
        if 0 in image.shape[-2:]:
            raise InputError(f"image has shape {tuple(image.shape)}; expected at least one pixel")
        features: Tensor = torch.ops.crispseg.soft_segmentation(image, self.maps)
        return features

    def extra_repr(self) -> str:
        """Return maps and norm, for `repr`."""
        return f"maps={self.maps}, {super().extra_repr()}"


def _run(image: Tensor, maps: int) -> Tensor:
    """Compute soft segmentations as an operator, so that compiler and exporter do not trace into NumPy."""
    if not is_finite(image):
        raise InputError("image holds NaN or infinity; expected RGB in [0, 1]")
    features = _shapes(image, maps)
    for index, pixels in enumerate(image.cpu().double().numpy()):  # to the CPU first: the device may have no float64
        features[index] = torch.from_numpy(soft_segmentation(pixels, maps)).to(image.dtype)
    return features


def _shapes(image: Tensor, maps: int) -> Tensor:
    return image.new_empty(image.shape[0], maps, *image.shape[-2:])


_registration.define("soft_segmentation(Tensor image, int maps) -> Tensor", _shapes, _run)
_registration.refuse_derivatives(
    "soft_segmentation", "soft segmentations have no derivative; give SoftSegmentationCue image.detach()"
)


def soft_segmentation(image: np.ndarray, maps: int = 8) -> np.ndarray:
    """Return the soft segmentation of an image by Leordeanu et al. (ECCV 2012, sec. 4).

    The result of a pixel depends only on its colour word, so everything is computed in tables of words, weighted by the
    number of pixels of each word.

    Args:
        image: (3, H, W) RGB, float64, finite.
        maps: The number of leading components to keep.

    Returns:
        (maps, H, W) float64 in [0, 1], scaled jointly.
    """
    words = colour_words(image)
    table = _components(_foregrounds(words), np.bincount(words.ravel(), minlength=WORDS), maps)
    soft = resize_bicubic(np.moveaxis(table[words], -1, 0), image.shape[1:])
    return stretch(np.stack([median_filter(channel) for channel in soft]))


def _foregrounds(words: np.ndarray) -> np.ndarray:
    """Return how much each word belongs to the foreground around each seed, (WORDS, seeds), by co-occurring words."""
    presence = _presence(words, _PATCH_STEP)
    mean = presence.mean(0)
    subspace = _leading_subspace(presence - mean)
    projected = (_presence(words, _SEED_STEP) - mean) @ subspace @ subspace.T
    foreground, background = np.maximum(mean + projected, 0), np.maximum(mean - projected, 0)
    share: np.ndarray = foreground / (foreground + background + _EPSILON)
    return share.T


def _presence(words: np.ndarray, step: int) -> np.ndarray:
    """Return (patches, WORDS), 1 for each word that occurs in a patch of 17×17 pixels, clipped at the image borders."""
    side = 2 * _PATCH_RADIUS + 1
    rows, columns = (_grid(length, step) for length in words.shape)
    windows = sliding_window_view(np.pad(words, _PATCH_RADIUS, mode="edge"), (side, side))
    patches = windows[np.ix_(rows, columns)].reshape(len(rows) * len(columns), side * side)
    presence = np.zeros((len(patches), WORDS))
    presence[np.arange(len(patches))[:, None], patches] = 1
    return presence


def _grid(length: int, step: int) -> np.ndarray:
    """Return the centres of patches that fit into a length, or its middle if none fits."""
    centres = np.arange(_PATCH_RADIUS, length - _PATCH_RADIUS, step)
    return centres if len(centres) else np.array([length // 2])


def _leading_subspace(centred: np.ndarray) -> np.ndarray:
    """Return the fewest principal directions that hold half of the energy, (WORDS, n)."""
    occurring = np.flatnonzero(centred.any(0))
    subspace = np.zeros((centred.shape[1], 0))
    if len(occurring):
        values, vectors = _eigen(centred[:, occurring].T @ centred[:, occurring])
        count = 1 + int(np.searchsorted(values.cumsum() / values.sum(), _ENERGY))
        subspace = np.zeros((centred.shape[1], count))
        subspace[occurring] = vectors[:, :count]
    return subspace


def _components(table: np.ndarray, pixels: np.ndarray, maps: int) -> np.ndarray:
    """Return the principal components, (WORDS, maps), of a table whose row w stands for `pixels[w]` pixels."""
    centred = table - np.average(table, axis=0, weights=pixels)
    _, vectors = _eigen((centred * pixels[:, None]).T @ centred)
    components = centred @ vectors[:, :maps]
    return np.pad(components, ((0, 0), (0, maps - components.shape[1])))


def _eigen(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues, largest first, and eigenvectors whose largest entry is positive.

    The sign does not affect distances, but it affects the maps' joint scaling by their smallest and largest value.
    """
    values, vectors = np.linalg.eigh(scatter)
    vectors = vectors[:, ::-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
    return values[::-1].clip(0), vectors * np.where(largest < 0, -1, 1)


def median_filter(channel: np.ndarray) -> np.ndarray:
    """Return the median of the 9×9 pixels around every pixel of an (H, W) map; pixels outside count as 0."""
    windows = sliding_window_view(np.pad(channel, _MEDIAN // 2), (_MEDIAN, _MEDIAN))
    middle = _MEDIAN**2 // 2
    filtered = np.empty_like(channel)
    for first in range(
        0, len(channel), _ROWS_AT_ONCE
    ):  # the windows of all rows at once would take the memory of 81 images
        rows = slice(first, first + _ROWS_AT_ONCE)
        band = windows[rows].reshape(-1, channel.shape[1], _MEDIAN**2)
        filtered[rows] = np.partition(band, middle, axis=-1)[..., middle]
    return filtered
