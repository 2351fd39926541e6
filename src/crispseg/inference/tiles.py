"""Sharpen images of any size in tiles that fit into memory, with the same result."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.cues.cue import EmbeddingCue
from crispseg.data.box import Box, cut
from crispseg.data.pixels import MaskedPixels, PartOfPixels, Pixels, TensorPixels, read_resized
from crispseg.errors import InputError
from crispseg.grid import Line
from crispseg.inference.batch import check_fit, check_place, uncovered
from crispseg.inference.doubt import gentleness_of_pixels
from crispseg.inference.gentleness import Gentleness, for_upsampling
from crispseg.inference.guard import guard_reach
from crispseg.inference.label_groups import TOGETHER
from crispseg.inference.label_maps import sharpened_labels
from crispseg.inference.memory import parse_memory
from crispseg.inference.nodata import kept_apart, read_valid_resized, valid_pixels, valid_there
from crispseg.inference.padding import UnpaddedPixels
from crispseg.inference.parts import filtered_part
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tile_memory import STRIP, bytes_per_pixel, tile_side
from crispseg.inference.upsampling import JointResize
from crispseg.ops.interpolation import Axis, sources
from crispseg.precision import at_least_float32
from crispseg.process_memory import give_back


@dataclass(frozen=True)
class Tile:
    """A sharpened part of an image."""

    box: Box
    """The position of the tile."""
    scores: Tensor
    """(C, *box.size) scores, float32 or wider, of the kind that the sharpener takes, on the CPU."""
    valid: Tensor | None = None
    """(*box.size) bool mask of pixels where image and scores have data; None if all have."""


def halo(sharpener: Sharpener, lines: tuple[Line, Line]) -> int:
    """Return how many pixels around a part its sharpened scores depend on, beyond those that the cue looks at."""
    return max(sharpener.filter.reach, guard_reach(sharpener.guard, sharpener.thin_reach(lines)))


@torch.inference_mode()
def sharpen_tiles(
    sharpener: Sharpener,
    image: Pixels,
    scores: Pixels,
    *,
    memory: str | int,
    features: Pixels | None = None,
    multiple: int = 1,
) -> Iterator[Tile]:
    """Sharpen an image tile by tile.

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
        multiple: Tiles start at multiples of this if they are at least as large.

    Yields:
        Tiles, row by row.

    Raises:
        InputError: If image and scores do not fit together, or the memory is too small for a tile.
    """
    check_place(image.size, scores.size, scores.channels, sharpener.grid, sharpener.scores)
    if _may_lack(image, scores) and not isinstance(sharpener.cue, EmbeddingCue):
        raise InputError(
            f"image or scores may have pixels without data, and the cue is {type(sharpener.cue).__name__}; expected a "
            "cue that compares embeddings or colours, which can leave such pixels out"
        )
    scores = UnpaddedPixels(scores, sharpener.grid, image.size)
    features = _known_at_once(sharpener, image, features)
    margin = _margin(sharpener, image, scores, features)
    lines = sharpener.grid.lines(image.size, scores.size)
    gentleness = gentleness_of_pixels(scores, sharpener.scores, lines) if sharpener.suits_doubt else None
    contrasted = gentleness is not None and not gentleness.is_usual
    each = bytes_per_pixel(sharpener, scores.channels, contrasted=contrasted)
    side = tile_side(sharpener, each, image.size, parse_memory(memory), margin)
    for box in cut(image.size, max(side // multiple * multiple, min(side, multiple))):
        valid = valid_pixels(image, scores, lines, box)
        if valid is not None and not valid.any():
            yield Tile(box, torch.zeros(scores.channels, *box.size), valid)
            continue
        yield Tile(box, _sharpen_box(sharpener, image, scores, features, box, gentleness=gentleness), valid)
        give_back()


def sharpen_tiled(
    sharpener: Sharpener, image: Tensor, scores: Tensor, *, memory: str | int, features: Tensor | None = None
) -> Tensor:
    """Return `sharpener(image, scores)`, computed image by image in tiles; see `sharpen_tiles`.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        image: (N, 3, H, W) RGB, uint8 or floating point in [0, 1].
        scores: (N, C, h, w) scores.
        memory: The memory that the process may use besides the result.
        features: (N, D, H, W) features to use instead of those of the cue.

    Returns:
        (N, C, H, W) scores on the CPU.

    Example:
        >>> sharpener = Sharpener.from_pretrained(passes=2)
        >>> image, scores = torch.rand(1, 3, 96, 128), torch.randn(1, 4, 12, 16)
        >>> tiled = sharpen_tiled(sharpener, image, scores, memory="16GiB")
        >>> with torch.inference_mode():
        ...     torch.testing.assert_close(tiled, sharpener(image, scores), rtol=1e-4, atol=1e-4)
    """
    check_fit(image, scores, sharpener.grid, sharpener.scores)
    result = torch.empty(*scores.shape[:2], *image.shape[-2:], dtype=scores.dtype)
    for n, whole in enumerate(result):
        given = None if features is None else TensorPixels(features[n])
        pixels = TensorPixels(image[n]), TensorPixels(scores[n])
        for tile in sharpen_tiles(sharpener, *pixels, memory=memory, features=given):
            rows, columns = tile.box.slices
            whole[:, rows, columns] = tile.scores
    return result


@torch.inference_mode()
def sharpen_label_map_tiled(
    sharpener: Sharpener, image: Tensor, labels: Tensor, *, memory: str | int, features: Tensor | None = None
) -> Tensor:
    """Return what `sharpen_label_map` returns, computed in tiles; see `sharpen_tiles`.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        image: (3, H, W) RGB, uint8 or floating point in [0, 1].
        labels: (h, w) integers, any number of labels.
        memory: The memory that the process may use besides the result.
        features: (1, D, H, W) features to use instead of those of the cue.

    Returns:
        (H, W) int64 labels on the CPU.

    Raises:
        InputError: If image and labels do not fit together, or the memory is too small for a tile.
    """
    sharpener, pixels = sharpener.of_labels(), TensorPixels(image)
    said = UnpaddedPixels(TensorPixels(labels[None]), sharpener.grid, pixels.size)
    check_place(pixels.size, said.size, 2, sharpener.grid, "probabilities")
    given = _known_at_once(sharpener, pixels, None if features is None else TensorPixels(features[0]))
    margin = _margin(sharpener, pixels, said, given)
    result = torch.empty(pixels.size, dtype=torch.int64)
    each = bytes_per_pixel(sharpener, TOGETHER, of_labels=True)
    for box in cut(pixels.size, tile_side(sharpener, each, pixels.size, parse_memory(memory), margin)):
        inner, compared = _compared(sharpener, pixels, said, given, box)
        rows, columns = box.within(inner).slices
        result[box.slices] = sharpened_labels(sharpener, said, compared, inner)[rows, columns].cpu()
        give_back()
    return result


def _known_at_once(sharpener: Sharpener, image: Pixels, features: Pixels | None) -> Pixels | None:
    """Return the features of the whole image if they are given or the cue needs the whole image; None otherwise."""
    if features is not None or sharpener.cue.reach is not None:
        return features
    whole = Box(0, 0, *image.size)
    return TensorPixels(sharpener.features(image.read(whole)[None].to(sharpener.device))[0])


def _compared(
    sharpener: Sharpener, image: Pixels, scores: Pixels, features: Pixels | None, box: Box
) -> tuple[Box, PartOfPixels]:
    """Return a box grown by the reach of the filter, and the features of its pixels."""
    inner = box.grown(halo(sharpener, sharpener.grid.lines(image.size, scores.size)), image.size)
    around = _with_centres(sharpener, scores, image.size, inner)
    there = (
        features_of_box(sharpener, image, around, STRIP)
        if features is None
        else features.read(around).to(sharpener.device)
    )
    return inner, PartOfPixels(there, around, image.size)


def _sharpen_box(
    sharpener: Sharpener,
    image: Pixels,
    scores: Pixels,
    features: Pixels | None,
    box: Box,
    *,
    gentleness: Gentleness | None,
) -> Tensor:
    inner, compared = _compared(sharpener, image, scores, features, box)
    lines = sharpener.grid.lines(image.size, scores.size)
    valid = valid_pixels(image, scores, lines, inner)
    apart = kept_apart(compared.read(inner)[None], valid)
    gentleness = None if gentleness is None else gentleness.to(apart.device)
    shares = _upsampled(sharpener, scores, inner, compared, gentleness)
    shares = shares._replace(gentleness=gentleness, thin_reach=sharpener.thin_reach(lines))
    return filtered_part(sharpener, shares, apart, box.within(inner), valid).scores()[0].cpu()


def features_of_box(sharpener: Sharpener, image: Pixels, box: Box, strip: int | None = None) -> Tensor:
    """Return the (D, *box.size) features of a part of the image, which depend on the surrounding pixels.

    Args:
        sharpener: The sharpener.
        image: The image.
        box: The part.
        strip: The rows to compute at a time, so that the network takes little memory; None for all.
    """
    if strip is not None and strip < box.size[0]:
        whole: Tensor | None = None
        for top in range(box.top, box.bottom, strip):
            part = box._replace(top=top, bottom=min(top + strip, box.bottom))
            found = features_of_box(sharpener, image, part)
            whole = found.new_empty(len(found), *box.size) if whole is None else whole
            whole[(..., *part.within(box).slices)] = found
        assert whole is not None
        return whole
    outer = box.grown(sharpener.cue.reach or 0, image.size).starting_at(sharpener.cue.step)
    rows, columns = box.within(outer).slices
    return sharpener.features(image.read(outer)[None].to(sharpener.device))[0, :, rows, columns]


def _upsampled(
    sharpener: Sharpener, scores: Pixels, box: Box, features: PartOfPixels, gentleness: Gentleness | None
) -> Shares:
    """Return the shares of a part of the image; the features must cover its surroundings too."""
    cue, near, lines = sharpener.cue, features.read(box)[None], sharpener.grid.lines(features.size, scores.size)
    if isinstance(cue, EmbeddingCue) and sharpener.upsamples_jointly(scores.size, features.size):
        coarse = _sources_of(box, lines)
        shares = _shares(sharpener, scores.read(coarse), near)
        centres = for_upsampling(read_resized(features, _back(lines), coarse)[None], gentleness)
        centres, near = kept_apart(centres, valid_there(scores, coarse)), for_upsampling(near, gentleness)
        axes = Axis.of(lines[0], box.top, coarse.top), Axis.of(lines[1], box.left, coarse.left)
        resize = JointResize(centres, near, axes, sharpener.hardness, cue.norm)
        shares = shares.merging(sharpener.negligible).upsampled(resize)
    else:
        shares = _shares(sharpener, read_valid_resized(scores, lines, box), near).merging(sharpener.negligible)
    return shares.without(uncovered(lines, sharpener.grid, near.device, box))


def _sources_of(box: Box, lines: tuple[Line, Line]) -> Box:
    """Return the box of the source pixels of a part of a resized map."""
    rows, columns = sources(box.top, box.bottom, lines[0]), sources(box.left, box.right, lines[1])
    (top, bottom), (left, right) = rows.bounds, columns.bounds
    return Box(top, left, bottom, right)


def _back(lines: tuple[Line, Line]) -> tuple[Line, Line]:
    return lines[0].back(), lines[1].back()


def _with_centres(sharpener: Sharpener, scores: Pixels, size: tuple[int, int], box: Box) -> Box:
    """Return the box of an image, grown to include the centres of the coarse pixels that it is upsampled from."""
    if not sharpener.upsamples_jointly(scores.size, size):
        return box
    lines = sharpener.grid.lines(size, scores.size)
    at = _sources_of(_sources_of(box, lines), _back(lines))
    return Box(min(box.top, at.top), min(box.left, at.left), max(box.bottom, at.bottom), max(box.right, at.right))


def _may_lack(*maps: Pixels) -> bool:
    return any(isinstance(pixels, MaskedPixels) and pixels.masked for pixels in maps)


def _shares(sharpener: Sharpener, scores: Tensor, features: Tensor) -> Shares:
    """Check (C, h, w) scores and return their shares on the device of the features."""
    sharpener.check_scores(scores)
    wide = scores[None].to(features.device, at_least_float32(features))
    return Shares.of(wide, sharpener.scores)


def _coarse_pixel(sharpener: Sharpener, scores: Pixels, size: tuple[int, int]) -> int:
    """Return how far, in image pixels, the centres of coarse pixels may lie outside the part upsampled from them."""
    if not sharpener.upsamples_jointly(scores.size, size):
        return 0
    return max(-(-line.pixels // line.steps) for line in sharpener.grid.lines(size, scores.size)) + 1


def _margin(sharpener: Sharpener, image: Pixels, scores: Pixels, features: Pixels | None) -> int:
    """Return how many pixels around a tile are computed with it."""
    looked_at = 0 if features is not None else (sharpener.cue.reach or 0) + sharpener.cue.step
    around = halo(sharpener, sharpener.grid.lines(image.size, scores.size))
    return around + _coarse_pixel(sharpener, scores, image.size) + looked_at
