"""What any segmentation network gives, as scores."""

from collections.abc import Mapping

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
