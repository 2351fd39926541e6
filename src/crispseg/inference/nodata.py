"""Pixels that hold nothing, kept out of the averages of their neighbours."""

import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import MaskedPixels, PartOfPixels, Pixels, read_resized
from crispseg.ops.interpolation import sources

FAR = 1e6
"""Put in the place of features: a pixel with something is so far from it that exp(-λ·d) is 0, for any λ in use."""


def valid_there(pixels: Pixels, box: Box) -> Tensor | None:
    """(*box.size) bool: where a part holds something; None where all of the pixels always do."""
    return pixels.valid(box) if isinstance(pixels, MaskedPixels) and pixels.masked else None


def valid_pixels(image: Pixels, scores: Pixels, box: Box) -> Tensor | None:
    """(*box.size) bool: where the image holds something, and so does the pixel of the scores that it lies in."""
    there = valid_there(image, box)
    rows, columns = (
        (2 * torch.arange(start, stop) + 1) * few // (2 * full)
        for start, stop, few, full in zip(box[:2], box[2:], scores.size, image.size, strict=True)
    )
    said = valid_there(scores, Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1))
    if said is None:
        return there
    said = said[rows - rows[0]][:, columns - columns[0]]
    return said if there is None else said & there


def read_valid_resized(scores: Pixels, size: tuple[int, int], box: Box) -> Tensor:
    """`read_resized`, of those pixels alone that hold something; 0 where none of the four around a pixel does."""
    rows = sources(box.top, box.bottom, scores.size[0], size[0]).bounds
    columns = sources(box.left, box.right, scores.size[1], size[1]).bounds
    coarse = box if scores.size == size else Box(rows[0], columns[0], rows[1], columns[1])
    valid = valid_there(scores, coarse)
    if valid is None:
        return read_resized(scores, size, box)
    weight = valid.to(torch.float32)[None]
    weighted = torch.cat([scores.read(coarse) * weight, weight])
    resized = read_resized(PartOfPixels(weighted, coarse, scores.size), size, box)
    return resized[:-1] / resized[-1:].clamp(min=torch.finfo(torch.float32).tiny)


def kept_apart(features: Tensor, valid: Tensor | None) -> Tensor:
    """(N, D, H, W) features, far from all others where (H, W) `valid` is False."""
    return features if valid is None else features.masked_fill(~valid.to(features.device), FAR)
