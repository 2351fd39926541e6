"""How much every pixel contributes to the filtered scores of single pixels, as in the paper's figure 2."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from crispseg.nn import LocalFilter
from crispseg.window import Window


def contributions(
    filter: LocalFilter, weights: Tensor | Callable[[Window], Tensor], like: Tensor, pixels: Sequence[tuple[int, int]]
) -> Tensor:
    """Return how much every pixel contributes to the filtered scores of given pixels.

    The contribution is the derivative of a filtered score by all scores. It is exact, because the filter is linear.

    Args:
        filter: The filter. One pass returns the weights of the window (eq. 3).
        weights: Its weights, as the filter takes them.
        like: (1, …, H, W) tensor, which gives the size, the device and the dtype.
        pixels: The x and y of each given pixel.

    Returns:
        (pixels, H, W) on the CPU; the largest contribution to each pixel is 1.

    Example:
        >>> image = torch.zeros(1, 3, 1, 4)
        >>> contributions(LocalFilter(3), torch.ones(1, 9, 1, 4), image, [(0, 0)])
        tensor([[[1., 1., 0., 0.]]])
    """
    scores = like.new_zeros(1, len(pixels), *like.shape[-2:]).requires_grad_()
    columns, rows = zip(*pixels, strict=True)
    with torch.enable_grad():
        filtered = filter(scores, weights)
        picked = filtered[0, torch.arange(len(pixels)), torch.tensor(rows), torch.tensor(columns)].sum()
    (shares,) = torch.autograd.grad(picked, scores)
    return (shares[0] / shares[0].amax((1, 2), keepdim=True)).cpu()
