"""Scores from any segmentation network."""

from collections.abc import Mapping

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.errors import InputError


def scores_of(network: nn.Module, image: Tensor) -> Tensor:
    """Run a segmentation network.

    Args:
        network: Gives (N, C, h, w) scores, or a mapping with them at "out", as torchvision's networks do.
        image: (N, 3, H, W).

    Raises:
        InputError: If the network gives anything else.
    """
    output = network(image)
    scores = output.get("out") if isinstance(output, Mapping) else output
    if not isinstance(scores, Tensor) or scores.ndim != 4 or len(scores) != len(image):
        found = tuple(scores.shape) if isinstance(scores, Tensor) else type(output).__name__
        raise InputError(
            f"{type(network).__name__} gives {found}; expected scores (N, C, h, w), or a mapping with them at 'out'"
        )
    return scores


def upsample_scores(network: nn.Module, scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a network's scores to the size of its image, bilinearly, with the network's own corner alignment."""
    if tuple(scores.shape[-2:]) == tuple(size):
        return scores
    return F.interpolate(scores, size, mode="bilinear", align_corners=aligns_corners(network))


def aligns_corners(network: object) -> bool:
    """Return whether the first and last score lie on the corners of the image, not at the centres of their cells.

    Wrappers such as `DataParallel` and `AveragedModel` hide the attributes of their network, which is their `module`.
    """
    if hasattr(network, "align_corners"):
        return bool(network.align_corners)
    wrapped = getattr(network, "module", None)
    return wrapped is not None and aligns_corners(wrapped)
