"""The operations a third time: whole tensors in float64, differentiated by autograd, for sizes too large for loops.

Nothing is shared with the kernels or the references: neighbours are gathered by index, K copies of a map at once, or
by shifts of the whole map, and no gradient is written by hand. `test_oracle.py` holds the values against the loops of
`brute_force.py`.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg.window import Window
from tests.ops.brute_force import bresenham


def _steps(window: Window) -> Tensor:
    return (torch.arange(window.size) - window.size // 2) * window.dilation


def _around(x: Tensor, window: Window, stride: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return values at centres (..., 1, H', W'), at neighbours (..., K, H', W'), and which neighbours are inside."""
    height, width = x.shape[-2:]
    rows = (torch.arange(0, height, stride) + _steps(window)[:, None])[:, None, :, None]
    columns = (torch.arange(0, width, stride) + _steps(window)[:, None])[None, :, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    there = x[..., rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return x[..., None, ::stride, ::stride], there.flatten(-4, -3), inside.flatten(0, 1)


def _distance(difference: Tensor, dim: int, norm: int) -> Tensor:
    return difference.abs().sum(dim) if norm == 1 else torch.linalg.vector_norm(difference, dim=dim)


def local_distance(embedding: Tensor, window: Window, *, norm: int = 1, stride: int = 1) -> Tensor:
    """See `crispseg.ops.local_distance`."""
    here, there, inside = _around(embedding, window, stride)
    return _distance(here - there, 1, norm).where(inside, torch.inf)


def local_parity(labels: Tensor, window: Window, *, stride: int = 1, ignore_index: int = 255) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    here, there, inside = _around(labels.long(), window, stride)
    itself = (torch.arange(window.count) == window.count // 2)[:, None, None]
    pair = inside & ~itself & (here != ignore_index) & (there != ignore_index)
    return pair & (here == there), pair


def affinity(distance: Tensor, hardness: Tensor) -> Tensor:
    """See `crispseg.ops.affinity`."""
    outside = torch.isposinf(distance)
    return torch.exp(-hardness * distance.masked_fill(outside, 0)).where(~outside, 0)


def affinity_weights(
    embedding: Tensor, hardness: Tensor, window: Window, *, norm: int = 1, normalize: bool = False
) -> Tensor:
    """See `crispseg.ops.affinity_weights`."""
    weights = affinity(local_distance(embedding, window, norm=norm), hardness)
    return weights / weights.sum(1, keepdim=True) if normalize else weights


def local_contour(boundary: Tensor, window: Window) -> Tensor:
    """See `crispseg.ops.local_contour`; of equal pixels on a line the gradient goes to that nearest the neighbour."""
    height, width = boundary.shape[-2:]
    _, _, inside = _around(boundary, window)
    planes = []
    for row in _steps(window).tolist():
        for column in _steps(window).tolist():
            # From the neighbour to the centre; of steps of no length there is one, which is 0.
            line = bresenham(0, 0, row, column)[::-1] if (row, column) != (0, 0) else []
            values = [
                boundary[:, 0, (torch.arange(height) + y).clamp(0, height - 1)[:, None]][
                    ..., (torch.arange(width) + x).clamp(0, width - 1)
                ].squeeze(2)
                for y, x in line
            ]
            planes.append(_first_largest(torch.stack(values)) if values else 0 * boundary[:, 0])
    return torch.stack(planes, 1).where(inside, torch.inf)


def _first_largest(values: Tensor) -> Tensor:
    largest = (values == values.amax(0)).int().argmax(0)
    return values.gather(0, largest[None])[0]


def local_filter(scores: Tensor, weights: Tensor, window: Window, *, passes: int = 1, normalize: bool = True) -> Tensor:
    """See `crispseg.ops.local_filter`."""
    reach, (height, width) = window.size // 2 * window.dilation, scores.shape[-2:]
    own = weights.where(_around(scores[:, :1], window)[2], 0)
    total = own.sum(1) if normalize else own.new_ones(own[:, 0].shape)
    for _ in range(passes):
        wide, result = F.pad(scores, (reach,) * 4), torch.zeros_like(scores)
        steps = range(0, 2 * reach + 1, window.dilation)
        # One neighbour after another takes a tenth of the time: K copies of all scores do not fit into a cache.
        for k, (top, left) in enumerate((top, left) for top in steps for left in steps):
            result = result + own[:, k, None] * wide[..., top : top + height, left : left + width]
        scores = result / total.masked_fill(total == 0, 1)[:, None]
    return scores


def embedding_loss(
    embedding: Tensor,
    labels: Tensor,
    window: Window,
    *,
    near: float = 0.5,
    far: float = 2.0,
    norm: int = 1,
    stride: int = 1,
    ignore_index: int = 255,
    balance: str = "none",
    reduction: str = "mean",
) -> Tensor:
    """See `crispseg.ops.embedding_loss`."""
    distance = local_distance(embedding, window, norm=norm, stride=stride)
    parity, pair = local_parity(labels, window, stride=stride, ignore_index=ignore_index)
    same, different = (distance[pair & parity] - near).relu(), (far - distance[pair & ~parity]).relu()
    groups = [torch.cat((same, different))] if balance == "none" else [same, different]
    means = [group.mean() for group in groups if len(group)]
    if not means:
        return embedding.sum() * 0
    mean = torch.stack(means).mean()
    return mean if reduction == "mean" else mean * (len(same) + len(different))


def joint_upsample(value: Tensor, features: Tensor, hardness: Tensor, *, norm: int = 1) -> Tensor:
    """See `crispseg.ops.joint_upsample`."""
    coarse = value.shape[-2:]
    centres = F.interpolate(features, size=coarse, mode="bilinear", align_corners=False)
    (up, down), (left, right) = (_tents(few, full) for few, full in zip(coarse, features.shape[-2:], strict=True))
    corners = [(row, column) for row in (up, down) for column in (left, right)]
    tents = torch.stack([share[:, None] * other for (_, share), (_, other) in corners])
    taken = [(row[:, None], column) for (row, _), (column, _) in corners]
    distances = torch.stack([_distance(features - centres[..., y, x], 1, norm) for y, x in taken], 1)
    # The weights of a pixel may all be below what float64 holds; their quotients are not.
    weights = (tents.log() - hardness * distances).softmax(1)
    return (weights[:, None] * torch.stack([value[..., y, x] for y, x in taken], 2)).sum(2)


def _tents(few: int, full: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """For every pixel along an axis: the coarse one before it and what it counts, and the one behind.

    Where it falls is rounded to float32, as in PyTorch's own interpolation: it is part of the definition.
    """
    position = ((torch.arange(full) + 0.5) * (few / full) - 0.5).clamp(0, few - 1)
    before = position.floor().long()
    share = (position - before).double()
    return (before, 1 - share), ((before + 1).clamp(max=few - 1), share)
