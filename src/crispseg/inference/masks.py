"""Masks of the pixels that contribute to single pixels, and embeddings as colours, as in the paper's figure 2."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from crispseg.nn import LocalFilter
from crispseg.precision import widest
from crispseg.window import Window

_CLIPPED = 0.01
"""The share of pixels that are clipped at either end of a principal component."""

_AT_ONCE = 1 << 20
"""Pixels that are converted to a wider dtype at a time."""


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


def principal_components(embedding: Tensor) -> Tensor:
    """Return the three principal components of a (D, H, W) embedding over all pixels as (3, H, W) uint8.

    Each component is stretched to the whole range and clips one percent of the pixels at either end. Missing components
    are grey.
    """
    pixels, wide = embedding.flatten(1), widest(embedding.device)
    mean = pixels.mean(1, dtype=wide)[:, None]
    chunks = torch.split(pixels, _AT_ONCE, dim=1)  # the whole embedding in float64 would double its memory
    scatter = torch.stack([(chunk - mean) @ (chunk - mean).T for chunk in chunks]).sum(0)
    vectors = torch.linalg.eigh(scatter.cpu()).eigenvectors.to(embedding.device).flip(1)[:, :3]
    # The sign of an eigenvector is arbitrary: the largest entry is made positive, so that the colours are stable.
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    directions = (vectors * largest.sign()).T
    components = torch.cat([directions @ (chunk - mean) for chunk in chunks], dim=1)
    ordered = components.sort(1).values
    last = ordered.shape[1] - 1
    low, high = (ordered[:, round(share * last)][:, None] for share in (_CLIPPED, 1 - _CLIPPED))
    stretched = torch.full((3, pixels.shape[1]), 0.5, dtype=wide)
    spread = (high - low).clamp(min=torch.finfo(wide).tiny)
    stretched[: len(components)] = ((components - low) / spread).clamp(0, 1).cpu()
    return (255 * stretched).round().to(torch.uint8).reshape(3, *embedding.shape[1:])
