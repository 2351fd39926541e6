"""Keep pixels without data out of the averages of their neighbours."""

import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import MaskedPixels, PartOfPixels, Pixels, read_resized
from crispseg.grid import Line
from crispseg.ops.interpolation import sources

FAR = 1e6
"""The features of pixels without data: so far from all others that exp(-λ·d) is 0, for any λ in use."""


def valid_there(pixels: Pixels, box: Box) -> Tensor | None:
    """Return a (*box.size) bool mask of the pixels with data, or None if all pixels always have data."""
    return pixels.valid(box) if isinstance(pixels, MaskedPixels) and pixels.masked else None


def valid_pixels(image: Pixels, scores: Pixels, lines: tuple[Line, Line], box: Box) -> Tensor | None:
    """Return a (*box.size) bool mask of the pixels where the image and the nearest score have data.

    It is None if all pixels always have data.
    """
    there = valid_there(image, box)
    rows, columns = _nearest(lines[0], box.top, box.bottom), _nearest(lines[1], box.left, box.right)
    said = valid_there(scores, Box.spanning(rows, columns))
    if said is None:
        return there
    said = said[rows - rows[0]][:, columns - columns[0]]
    return said if there is None else said & there


def _nearest(line: Line, start: int, stop: int) -> Tensor:
    """Return the index of the nearest score for each pixel from `start` to `stop`."""
    doubled = (2 * torch.arange(start, stop) + 1) * line.steps - line.shift + line.pixels
    return (doubled // (2 * line.pixels)).clamp(0, line.length - 1)


def read_valid_resized(scores: Pixels, lines: tuple[Line, Line], box: Box) -> Tensor:
    """Return `read_resized` of the pixels with data alone; 0 where none of the four pixels around has data."""
    rows, columns = sources(box.top, box.bottom, lines[0]).bounds, sources(box.left, box.right, lines[1]).bounds
    coarse = box if all(line.is_identity for line in lines) else Box.between(rows, columns)
    valid = valid_there(scores, coarse)
    if valid is None:
        return read_resized(scores, lines, box)
    weight = valid.to(torch.float32)[None]
    weighted = torch.cat([scores.read(coarse) * weight, weight])
    resized = read_resized(PartOfPixels(weighted, coarse, scores.size), lines, box)
    return resized[:-1] / resized[-1:].clamp(min=torch.finfo(torch.float32).tiny)


def kept_apart(features: Tensor, valid: Tensor | None) -> Tensor:
    """Return (N, D, H, W) features, replaced by `FAR` where (H, W) `valid` is False."""
    return features if valid is None else features.masked_fill(~valid.to(features.device), FAR)
