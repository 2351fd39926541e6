"""Images of any size, sharpened in tiles that fit into memory, to the same result."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.data.box import Box, cut
from crispseg.data.pixels import Pixels, TensorPixels, read_resized
from crispseg.errors import InputError
from crispseg.inference.batch import check_aspect, check_fit, from_probabilities, to_probabilities
from crispseg.inference.sharpener import Sharpener
from crispseg.resident import is_counted, resident_bytes

_SMALLEST = 64
_UNITS = {"": 1, "k": 1, "m": 2, "g": 3, "t": 4}
_FREE = 0.85
"""Of the memory that is left, what is planned with: blocks of the allocator break up."""
_ONCE = 64 * 2**20
"""What libraries take when they are first called."""


@dataclass(frozen=True)
class Tile:
    """A sharpened part of an image."""

    box: Box
    """Which part."""
    scores: Tensor
    """(C, *box.size), float32 or wider, of the kind that the sharpener takes, on the CPU."""


def halo(sharpener: Sharpener) -> int:
    """How many pixels around a part its sharpened scores depend on, besides those that the cue looks at."""
    window = sharpener.window
    return window.size // 2 * window.dilation * sharpener.filter.iterations


@torch.inference_mode()
def sharpen_tiles(
    sharpener: Sharpener, image: Pixels, scores: Pixels, *, memory: str | int, features: Pixels | None = None
) -> Iterator[Tile]:
    """Sharpen an image part by part.

    A part is computed with all pixels around it that it depends on, so that the result is that of the whole image, up
    to rounding. A cue that sees the whole image at once (`Cue.reach` is None) is asked for it at once.

    Args:
        sharpener: What would be called with all of it.
        image: RGB, uint8, or floating point in [0, 1].
        scores: Of the kind that the sharpener takes, at any resolution.
        memory: What the process may hold, as "2GiB", "800 MB" or a number of bytes. It sets the size of the tiles.
        features: Of the size of the image, in place of those that the cue would compute.

    Yields:
        Tiles, row by row.

    Raises:
        InputError: If image and scores do not fit together, or the memory holds no tile.
    """
    check_aspect("scores", scores.size, image.size)
    if features is None and sharpener.cue.reach is None:
        whole = Box(0, 0, *image.size)
        features = TensorPixels(sharpener.features(image.read(whole)[None].to(sharpener.device))[0])
    side = tile_side(sharpener, scores.channels, image.size, parse_memory(memory), features)
    for box in cut(image.size, side):
        yield Tile(box, _sharpen_box(sharpener, image, scores, features, box))


def sharpen_tiled(sharpener: Sharpener, image: Tensor, scores: Tensor, *, memory: str | int) -> Tensor:
    """`sharpener(image, scores)` for one image after the other, in tiles; see `sharpen_tiles`.

    Args:
        sharpener: Does the work, where its weights are.
        image: (N, 3, H, W) RGB, uint8, or floating point in [0, 1].
        scores: (N, C, h, w).
        memory: What the process may hold, besides the result.

    Returns:
        (N, C, H, W) on the CPU.

    Example:
        >>> sharpener = Sharpener.from_pretrained(iterations=2)
        >>> image, scores = torch.rand(1, 3, 96, 128), torch.randn(1, 4, 12, 16)
        >>> tiled = sharpen_tiled(sharpener, image, scores, memory="4GiB")
        >>> with torch.inference_mode():
        ...     torch.testing.assert_close(tiled, sharpener(image, scores), rtol=1e-4, atol=1e-4)
    """
    check_fit(image, scores)
    result = torch.empty(*scores.shape[:2], *image.shape[-2:], dtype=scores.dtype)
    for whole, one_image, one_scores in zip(result, image, scores, strict=True):
        for tile in sharpen_tiles(sharpener, TensorPixels(one_image), TensorPixels(one_scores), memory=memory):
            rows, columns = tile.box.slices
            whole[:, rows, columns] = tile.scores
    return result


def _sharpen_box(sharpener: Sharpener, image: Pixels, scores: Pixels, features: Pixels | None, box: Box) -> Tensor:
    cue, device = sharpener.cue, sharpener.device
    inner = box.grown(halo(sharpener), image.size)
    if features is None:
        outer = inner.grown(cue.reach or 0, image.size).starting_at(cue.step)
        rows, columns = inner.within(outer).slices
        compared = sharpener.features(image.read(outer)[None].to(device))[..., rows, columns]
    else:
        compared = features.read(inner)[None].to(device)
    resized = read_resized(scores, image.size, inner)[None].to(device)
    sharpener.check_scores(resized)
    probabilities = to_probabilities(resized.to(torch.promote_types(compared.dtype, torch.float32)), sharpener.scores)
    crisp = sharpener.filter(probabilities, cue.weights(compared, sharpener.window, sharpener.hardness))
    rows, columns = box.within(inner).slices
    return from_probabilities(crisp[0, :, rows, columns][None], sharpener.scores)[0].cpu()


def tile_side(
    sharpener: Sharpener, classes: int, image: tuple[int, int], memory: int, features: Pixels | None = None
) -> int:
    """Side of the tiles that are computed in so many bytes, of which the process holds some already.

    Raises:
        InputError: If there is none of 64 pixels or more.
    """
    around = 2 * (halo(sharpener) + (0 if features is not None else (sharpener.cue.reach or 0) + sharpener.cue.step))
    held = _ONCE + resident_bytes() if is_counted() and sharpener.device.type == "cpu" else 0
    each = bytes_per_pixel(sharpener, classes)
    side = math.isqrt(max(int(_FREE * (memory - held)), 0) // each) - around
    smallest = min(_SMALLEST, *image)
    if side < smallest:
        needed = held + each * (smallest + around) ** 2 / _FREE
        raise InputError(
            f"{_as_text(memory)} of memory hold no tile: {_as_text(held)} are taken, and {halo(sharpener)} pixels are "
            f"needed around each; expected {_as_text(needed)} or more, fewer iterations or a smaller window"
        )
    return min(side, max(image))


def bytes_per_pixel(sharpener: Sharpener, classes: int) -> int:
    """What the widest moment of the work takes for each pixel of a tile, with what lies around it."""
    cue = sharpener.cue
    channels = cue.channels or 3
    padded = -(-classes // 8) * 8  # the kernel's vectors
    filtering = channels + sharpener.window.count + 4 * padded
    return 4 * (3 + max(cue.workspace + channels, filtering))


def parse_memory(memory: str | int) -> int:
    """Bytes, of a number of them or a text.

    Raises:
        InputError: If it is neither.

    Example:
        >>> parse_memory("1.5 GiB"), parse_memory("800MB")
        (1610612736, 800000000)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", str(memory).lower())
    if match is None or float(match[1]) == 0:
        raise InputError(f"memory is {memory!r}; expected a size such as 2GiB or 800MB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** (0 if not match[2] else _UNITS[match[2]]))


def _as_text(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"
