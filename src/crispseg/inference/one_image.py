"""Sharpen one image with its prediction, optionally apply a CRF, and measure the time."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crispseg.data import Prediction, read_boundary
from crispseg.data.intensity import to_bytes
from crispseg.errors import InputError, naming
from crispseg.grid import CENTRES, Grid
from crispseg.inference.checks import check_fit
from crispseg.inference.crf import DenseCRF, check_exclusive
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
from crispseg.inference.tiles import Done, sharpen_label_map_tiled, sharpen_tiled
from crispseg.inference.upsampling import resize, resize_scores, upsampled_labels
from crispseg.scores import Scores


@dataclass(frozen=True)
class Sharpened:
    """The result for one image."""

    before: Tensor
    """(H, W) int64 labels of the upsampled prediction."""
    after: Tensor
    """(H, W) int64 labels after all stages."""
    scores: Tensor | None
    """(C, H, W) scores after all stages, of the kind of the prediction; None for a label map, unless requested."""
    seconds: float
    """The time that the stages took."""


@torch.no_grad()
def sharpen_one(
    image: Tensor,
    prediction: Prediction,
    sharpener: Sharpener | None,
    boundary: Tensor | None = None,
    *,
    steady: SteadySharpener | None = None,
    crf: DenseCRF | None = None,
    memory: str | None = None,
    done: Done = lambda share: None,
    keep_scores: bool = False,
) -> Sharpened:
    """Sharpen the prediction of an image on the device of the sharpener's weights, then apply the CRF.

    Args:
        image: (3, H, W) uint8, or floating point in [0, 1]; the CRF uses 8 bits of it.
        prediction: The prediction. If it does not say how its scores lie on the image, the sharpener's grid applies.
        sharpener: The sharpener; None only upsamples the scores.
        boundary: (1, H, W) boundary map of the image, for a contour cue; None for other cues.
        steady: A `SteadySharpener` of the sharpener, for which the image is the next frame of a clip; None for an
            image by itself. A label map then gets a channel for each of its labels.
        crf: The CRF that takes the sharpened scores; None for no CRF.
        memory: The memory that the sharpener may use besides the result, such as "2GiB": it works in tiles. None for
            the whole image at once.
        done: Called after each tile with the share of the image that is done.
        keep_scores: Whether to return scores for a label map too, with a channel for each of its labels.

    Raises:
        InputError: If image, prediction and boundary map do not fit together, or memory is given for frames of a clip.
    """
    if steady is not None:
        steady.check(sharpener, memory)
    start = time.perf_counter()
    if not (prediction.from_scores or keep_scores or crf or steady or sharpener is None):
        expecting, features = sharpener.expecting("probabilities", prediction.grid), features_of(boundary, sharpener)
        if memory is None:
            after = sharpen_label_map(image, prediction.given, expecting, features)
        else:
            given = prediction.given
            after = sharpen_label_map_tiled(image, given, expecting, memory=memory, features=features, done=done)
        seconds = time.perf_counter() - start
        return Sharpened(labels_before(image, prediction, sharpener), after, None, seconds)
    scores = sharpened_scores(sharpener, image, prediction, boundary, memory, done=done, steady=steady)
    if crf is not None:
        scores = refined(crf, scores, image[None], prediction.kind)
    seconds = time.perf_counter() - start
    return Sharpened(labels_before(image, prediction, sharpener), prediction.labels(scores[0]), scores[0], seconds)


def labels_before(image: Tensor, prediction: Prediction, sharpener: Sharpener | None) -> Tensor:
    """Return the (H, W) int64 labels of the upsampled but unsharpened prediction of a (3, H, W) image."""
    size, grid = (image.shape[-2], image.shape[-1]), grid_of(prediction, sharpener)
    if not prediction.from_scores:
        return upsampled_labels(prediction.given, size, grid)
    return prediction.labels(resize_scores(prediction.scores[None], size, grid, prediction.kind)[0])


def grid_of(prediction: Prediction, sharpener: Sharpener | None) -> Grid:
    """Return how the scores lie on their image: by the grid of the prediction, or else of the sharpener."""
    if prediction.grid is not None:
        return prediction.grid
    return CENTRES if sharpener is None else sharpener.grid


def refined(crf: DenseCRF, scores: Tensor, image: Tensor, kind: Scores) -> Tensor:
    """Return (N, C, H, W) scores of a kind after a CRF that sees the (N, 3, H, W) image.

    Raises:
        InputError: If the labels may overlap.
    """
    check_exclusive(kind)
    return Shares.of(scores, kind).mapped(lambda choices: crf(choices, to_bytes(image))).scores()


def sharpened_scores(
    sharpener: Sharpener | None,
    image: Tensor,
    prediction: Prediction,
    boundary: Tensor | None,
    memory: str | None = None,
    *,
    done: Done = lambda share: None,
    steady: SteadySharpener | None = None,
) -> Tensor:
    """Return (1, C, H, W) sharpened scores on the CPU, of the kind of the prediction; see `sharpen_one`."""
    batch, scores = image[None], prediction.scores[None]
    if sharpener is None:
        features_of(boundary, None)
        grid = grid_of(prediction, None)
        check_fit(batch, scores, grid, prediction.kind)
        return resize_scores(scores, (image.shape[-2], image.shape[-1]), grid, prediction.kind)
    expecting = sharpener.for_prediction(prediction)
    features = features_of(boundary, sharpener)
    if memory is not None:
        return sharpen_tiled(batch, scores, expecting, memory=memory, features=features, done=done)
    work = expecting if steady is None else steady.using(expecting)
    sharp: Tensor = work(batch.to(sharpener.device), scores.to(sharpener.device), features=features)
    return sharp.cpu()


def fitted_boundary(path: Path | str | None, image: Tensor) -> Tensor | None:
    """Return the (1, H, W) boundary map of a file, resized to its (3, H, W) image; None if there is no file.

    Raises:
        InputError: If the file cannot be read, or its aspect ratio differs from the image's.
    """
    if path is None:
        return None
    path = Path(path)
    boundary, size = read_boundary(path), (image.shape[-2], image.shape[-1])
    with naming(path):
        check_boundary(size, boundary)
    return resize(boundary[None], size)[0]


def check_boundary(size: tuple[int, int], boundary: Tensor) -> None:
    """Refuse a (1, h, w) boundary map that cannot cover the whole image (height, width), at any resolution."""
    rows, columns = boundary.shape[-2:]
    if not CENTRES.explains(size, (rows, columns)):
        raise InputError(
            f"image is {size[0]}x{size[1]} but its boundaries are {rows}x{columns}, another aspect ratio; expected "
            "boundaries of the whole image, upright by its EXIF tag: crop the padding, and resize them to the image"
        )


def default_kind(sharpener: Sharpener | None) -> Scores | None:
    """Return the kind of scores that files hold if nothing else says so: the kind of the sharpener.

    It is None if the sharpener takes logits or is None: then files hold logits, unless they look like object masks.
    """
    return None if sharpener is None or sharpener.scores == "logits" else sharpener.scores


def features_of(boundary: Tensor | None, sharpener: Sharpener | None) -> Tensor | None:
    """Return a (1, H, W) boundary map as (1, 1, H, W) features of a contour cue, on the sharpener's device.

    Raises:
        InputError: If the sharpener's cue does not take boundary maps.
    """
    if boundary is None:
        return None
    if sharpener is None or not sharpener.cue.takes_boundaries:
        used = "none" if sharpener is None else type(sharpener.cue).__name__
        raise InputError(
            f"boundary maps were given, but the cue is {used}; expected a cue that takes them, such as ContourCue(): "
            "choose it, or leave the boundary maps out"
        )
    return boundary[None].to(sharpener.device)
