"""What the filter mixes into single pixels, and an embedding as colours: the maths of the paper's figure 2."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops import local_filter
from crispseg.precision import widest
from crispseg.window import WindowLike

_CLIPPED = 0.01
"""Share of the pixels that may be darker or lighter than a principal component is drawn."""

_AT_ONCE = 1 << 20
"""Pixels whose values are widened at a time."""


def contributions(weights: Tensor, window: WindowLike, pixels: Sequence[tuple[int, int]], passes: int) -> Tensor:
    """Return how much every pixel contributes to the filtered scores of single pixels.

    That is the derivative of each one's filtered score by all scores, which is exact, the filter being linear in them.

    Args:
        weights: (1, K, H, W) of the window.
        window: The neighbours.
        pixels: x, y of each.
        passes: Passes of the filter. One gives the weights of the window (eq. 3).

    Returns:
        (pixels, H, W) on the CPU; the most of each is 1.

    Example:
        >>> contributions(torch.ones(1, 9, 1, 4), 3, [(0, 0)], passes=1)
        tensor([[[1., 1., 0., 0.]]])
    """
    scores = weights.new_zeros(1, len(pixels), *weights.shape[-2:]).requires_grad_()
    columns, rows = zip(*pixels, strict=True)
    with torch.enable_grad():
        filtered = local_filter(scores, weights, window, passes=passes)
        picked = filtered[0, torch.arange(len(pixels)), torch.tensor(rows), torch.tensor(columns)].sum()
    (shares,) = torch.autograd.grad(picked, scores)
    return (shares[0] / shares[0].amax((1, 2), keepdim=True)).cpu()


def principal_components(embedding: Tensor) -> Tensor:
    """Return the three principal components of a (D, H, W) embedding over all pixels, (3, H, W) uint8.

    Each is stretched to the whole range, but for a hundredth of the pixels at both ends. Missing ones are grey.
    """
    pixels, wide = embedding.flatten(1), widest(embedding.device)
    mean = pixels.mean(1, dtype=wide)[:, None]
    chunks = torch.split(pixels, _AT_ONCE, dim=1)  # all of a large image in float64 would be twice its embedding
    scatter = torch.stack([(chunk - mean) @ (chunk - mean).T for chunk in chunks]).sum(0)
    vectors = torch.linalg.eigh(scatter.cpu()).eigenvectors.to(embedding.device).flip(1)[:, :3]
    # An eigenvector has no sign of its own: its largest entry is made positive, so that the colours do not change.
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
