"""`local_distance` in plain PyTorch: a loop over the window, with a backward that keeps nothing but the embedding.

Autograd alone would keep one (N, D, H, W) difference for each neighbour; here the backward recomputes it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from crispseg.ops._layout import laid_out
from crispseg.ops.shift import Shift, shifts, strided_size
from crispseg.precision import at_least_float32
from crispseg.window import Window


def local_distance(embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    """See `crispseg.ops.local_distance`."""
    window = Window(size, dilation)
    batch, _, height, width = embedding.shape
    shape = (batch, window.count, strided_size(height, stride), strided_size(width, stride))
    distance = embedding.new_full(shape, torch.inf)
    for pixels, target in zip(_channels_last(embedding), distance, strict=True):
        for shift in _distinct_pairs(pixels, window, stride):
            difference = pixels[shift.centre] - pixels[shift.neighbour]
            values = difference.abs_().sum(-1) if norm == 1 else difference.norm(dim=-1)
            target[shift.k][shift.out] = values
            if stride == 1:
                target[-1 - shift.k][shift.neighbour] = values
    return laid_out(distance)


def local_distance_backward(
    grad: Tensor, embedding: Tensor, size: int, dilation: int, norm: int, stride: int
) -> Tensor:
    """Return the gradient of the embedding."""
    window = Window(size, dilation)
    images = _channels_last(embedding)
    result = torch.zeros_like(images)
    for pixels, upstream, target in zip(images, grad.to(images.dtype).contiguous(), result, strict=True):
        for shift in _distinct_pairs(pixels, window, stride):
            pair_grad = upstream[shift.k][shift.out]
            if stride == 1 and shift.k != window.centre:
                pair_grad = pair_grad + upstream[-1 - shift.k][shift.neighbour]
            difference = pixels[shift.centre] - pixels[shift.neighbour]
            step = _norm_gradient(difference, norm).mul_(pair_grad.unsqueeze(-1))
            target[shift.centre] += step
            target[shift.neighbour] -= step
    return torch.empty_like(embedding).copy_(result.permute(0, 3, 1, 2))


_BAND_BYTES = 2**21


def _channels_last(embedding: Tensor) -> Tensor:
    """Return (N, H, W, D) in the accumulation dtype, with the channels of a pixel adjacent in memory."""
    return embedding.detach().permute(0, 2, 3, 1).to(at_least_float32(embedding)).contiguous()


def _distinct_pairs(pixels: Tensor, window: Window, stride: int) -> Iterator[Shift]:
    """Yield all pairs of an (H, W, D) image, one band of rows after the other.

    At stride 1 every pair occurs twice, with d(i, j) = d(j, i), so the first half of the window is enough.
    """
    height, width, dim = pixels.shape
    whole = [s for s in shifts(window, height, width, stride) if stride > 1 or s.k <= window.centre]
    # The differences of a band stay in the CPU's cache; those of a whole image do not, which is several times slower.
    band = max(1, _BAND_BYTES // max(width * dim * pixels.element_size(), 1))
    for first in range(0, strided_size(height, stride), band):
        for shift in whole:
            part = shift.rows(first, first + band)
            if part is not None:
                yield part


def _norm_gradient(difference: Tensor, norm: int) -> Tensor:
    """Return the gradient of the norm by the difference, 0 where the difference is 0; overwrites `difference`."""
    if norm == 1:
        return difference.sign_()
    length = difference.norm(dim=-1, keepdim=True)
    return difference.div_(length.masked_fill_(length == 0, 1))
