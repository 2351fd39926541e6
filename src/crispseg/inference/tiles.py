"""Sharpen images of any size in tiles that fit into memory, with the same result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.cues.cue import EmbeddingCue
from crispseg.data.box import Box, cut
from crispseg.data.pixels import MaskedPixels, Pixels, TensorPixels
from crispseg.errors import InputError
from crispseg.inference.checks import check_fit, check_place
from crispseg.inference.finding_gentleness import contrast_of_labels, gentleness_of_pixels
from crispseg.inference.label_groups import TOGETHER
from crispseg.inference.label_maps import sharpened_labels
from crispseg.inference.memory import bytes_per_pixel, parse_memory, tile_side
from crispseg.inference.padding import without_padding
from crispseg.inference.parts import Parts
from crispseg.inference.sharpener import Sharpener
from crispseg.process_memory import give_back

Done = Callable[[float], object]
"""A function that is told the share that is done, from 0 to 1."""


@dataclass(frozen=True)
class Tile:
    """A sharpened part of an image."""

    box: Box
    """The position of the tile."""
    scores: Tensor
    """(C, *box.size) scores, float32 or wider, of the kind that the sharpener takes, on the CPU."""
    valid: Tensor | None = None
    """(*box.size) bool mask of pixels where image and scores have data; None if all have."""


class Tiles:
    """An image that is sharpened tile by tile.

    Every tile is computed with all surrounding pixels that it depends on, so that the result equals that of the whole
    image, up to rounding. If the cue needs the whole image at once (`Cue.reach` is None), its features are computed for
    the whole image. Pixels without data (`MaskedPixels`) contribute neither to their neighbours nor to the upsampling.

    Args:
        sharpener: The sharpener.
        image: RGB, uint8 or floating point in [0, 1].
        scores: Scores of the kind that the sharpener takes, at any resolution; its grid says how they lie on the image.
        memory: The memory that the process may use, such as "2GiB", "800 MB" or a number of bytes. It sets the size of
            the tiles.
        features: Features of the size of the image to use instead of those of the cue.
        multiple: The side of the tiles is a multiple of this if it is at least as large.

    Raises:
        InputError: If image and scores do not fit together, or the memory is too small for a tile.
    """

    @torch.no_grad()
    def __init__(
        self,
        sharpener: Sharpener,
        image: Pixels,
        scores: Pixels,
        *,
        memory: str | int,
        features: Pixels | None = None,
        multiple: int = 1,
    ) -> None:
        check_place(image.size, scores.size, scores.channels, sharpener.grid, sharpener.scores)
        if _may_lack(image, scores) and not isinstance(sharpener.cue, EmbeddingCue):
            raise InputError(
                f"image or scores may have pixels without data, and the cue is {type(sharpener.cue).__name__}; "
                "expected a cue that compares embeddings or colours, which can leave such pixels out"
            )
        self._channels, self.size = scores.channels, image.size
        self._parts = parts = Parts(sharpener, image, scores, features)
        suits = sharpener.finds_gentleness
        self._gentleness = gentleness_of_pixels(image, parts.scores, sharpener.scores, parts.lines) if suits else None
        sharpener = parts.sharpener = sharpener.acting_on(self._gentleness)  # then tiles may need less around them
        contrasted = self._gentleness is not None and not self._gentleness.is_usual
        each = bytes_per_pixel(sharpener, scores.channels, contrasted=contrasted)
        side = tile_side(sharpener, each, image.size, parse_memory(memory), parts.margin)
        self.side = max(side // multiple * multiple, min(side, multiple))
        """The largest height and width of a tile that fits into the memory."""

    @torch.no_grad()
    def sharpened(self, box: Box) -> Tile:
        """Return a tile at a place, at most `side` pixels high and wide."""
        valid = self._parts.valid(box)
        if valid is not None and not valid.any():
            return Tile(box, torch.zeros(self._channels, *box.size), valid)
        give_back()
        return Tile(box, self._parts.sharpened(box, self._gentleness), valid)


def sharpen_tiles(
    image: Pixels,
    scores: Pixels,
    sharpener: Sharpener,
    *,
    memory: str | int,
    features: Pixels | None = None,
    multiple: int = 1,
) -> Iterator[Tile]:
    """Yield the tiles of an image, row by row; see `Tiles` for the arguments and errors."""
    tiles = Tiles(sharpener, image, scores, memory=memory, features=features, multiple=multiple)
    yield from map(tiles.sharpened, cut(image.size, tiles.side))


def sharpen_tiled(
    image: Tensor,
    scores: Tensor,
    sharpener: Sharpener,
    *,
    memory: str | int,
    features: Tensor | None = None,
    done: Done = lambda share: None,
) -> Tensor:
    """Return `sharpener(image, scores)`, computed image by image in tiles; see `sharpen_tiles`.

    Args:
        image: (N, 3, H, W) RGB, uint8 or floating point in [0, 1].
        scores: (N, C, h, w) scores.
        sharpener: The sharpener, which runs on the device of its weights.
        memory: The memory that the process may use besides the result.
        features: (N, D, H, W) features to use instead of those of the cue.
        done: Called after each tile with the share of its image that is done.

    Returns:
        (N, C, H, W) scores on the CPU.

    Example:
        >>> sharpener = Sharpener.from_pretrained(passes=2)
        >>> image, scores = torch.rand(1, 3, 96, 128), torch.randn(1, 4, 12, 16)
        >>> tiled = sharpen_tiled(image, scores, sharpener, memory="16GiB")
        >>> with torch.inference_mode():
        ...     torch.testing.assert_close(tiled, sharpener(image, scores), rtol=1e-4, atol=1e-4)
    """
    check_fit(image, scores, sharpener.grid, sharpener.scores)
    result = torch.empty(*scores.shape[:2], *image.shape[-2:], dtype=scores.dtype)
    for n, whole in enumerate(result):
        given = None if features is None else TensorPixels(features[n])
        pixels = TensorPixels(image[n]), TensorPixels(scores[n])
        for tile in sharpen_tiles(*pixels, sharpener, memory=memory, features=given):
            rows, columns = tile.box.slices
            whole[:, rows, columns] = tile.scores
            done(_share(tile.box, pixels[0].size))
    return result


@torch.no_grad()
def sharpen_label_map_tiled(
    image: Tensor,
    labels: Tensor,
    sharpener: Sharpener,
    *,
    memory: str | int,
    features: Tensor | None = None,
    done: Done = lambda share: None,
) -> Tensor:
    """Return what `sharpen_label_map` returns, computed in tiles; see `sharpen_tiles`.

    Args:
        image: (3, H, W) RGB, uint8 or floating point in [0, 1].
        labels: (h, w) integers, any number of labels.
        sharpener: The sharpener, which runs on the device of its weights.
        memory: The memory that the process may use besides the result.
        features: (1, D, H, W) features to use instead of those of the cue.
        done: Called after each tile with the share of the image that is done.

    Returns:
        (H, W) int64 labels on the CPU.

    Raises:
        InputError: If image and labels do not fit together, or the memory is too small for a tile.
    """
    sharpener, pixels = sharpener.of_labels(), TensorPixels(image)
    said, given = TensorPixels(labels[None]), None if features is None else TensorPixels(features[0])
    check_place(pixels.size, said.size, 2, sharpener.grid, "probabilities")
    contrast = contrast_of_labels(pixels, without_padding(labels, sharpener.grid, pixels.size), sharpener)
    parts = Parts(sharpener, pixels, said, given)
    result = torch.empty(pixels.size, dtype=torch.int64)
    each = bytes_per_pixel(sharpener, TOGETHER, of_labels=True)
    for box in cut(pixels.size, tile_side(sharpener, each, pixels.size, parse_memory(memory), parts.margin)):
        inner, compared = parts.compared(box)
        rows, columns = box.within(inner).slices
        result[box.slices] = sharpened_labels(sharpener, parts.scores, compared, inner, contrast)[rows, columns].cpu()
        done(_share(box, pixels.size))
        give_back()
    return result


def _share(box: Box, size: tuple[int, int]) -> float:
    """Return the share of an image that is done with a tile, of those that go row by row."""
    height, width = size
    return (box.top + (box.bottom - box.top) * box.right / width) / height


def _may_lack(*maps: Pixels) -> bool:
    return any(isinstance(pixels, MaskedPixels) and pixels.masked for pixels in maps)
