"""Baselines that a user would write without this library: unfold, a loop over shifted images, kornia.

None is a straw man. Padding with infinity makes neighbours outside the image infinitely far at no cost. Tensors that
autograd does not need are overwritten in place. Weights are taken by `unbind`, whose gradient is a single `stack`.
"""

import math
import warnings

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from benchmarks.inputs import IGNORED
from crispseg import Window

NEAR, FAR = 0.5, 2.0


def unfold_columns(values: Tensor, window: Window, outside: float = 0.0) -> Tensor:
    """Return the neighbours of every pixel side by side, (N, C, K, H, W)."""
    batch, channels, height, width = values.shape
    columns = F.unfold(_padded(values, window, outside), window.size)
    return columns.reshape(batch, channels, window.count, height, width)


def unfold_alone(values: Tensor, window: Window) -> Tensor:
    """Return only the neighbours side by side, the first step of any computation with `F.unfold`."""
    return F.unfold(values, window.size, padding=window.radius)


def unfold_distance(embedding: Tensor, window: Window) -> Tensor:
    """Compute `local_distance` for all neighbours at once."""
    difference = unfold_columns(embedding, window, outside=math.inf).sub_(embedding.unsqueeze(2))
    return (difference.abs() if difference.requires_grad else difference.abs_()).sum(1)


def unfold_weights(embedding: Tensor, window: Window, hardness: float) -> Tensor:
    """Compute `affinity_weights` from `unfold_distance`."""
    return plain_affinity(unfold_distance(embedding, window), hardness)


def unfold_filter(scores: Tensor, weights: Tensor, window: Window, passes: int = 1) -> Tensor:
    """Compute `local_filter` for all neighbours at once."""
    weights = (weights / weights.sum(1, keepdim=True)).unsqueeze(1)
    for _ in range(passes):
        columns = unfold_columns(scores, window)
        learned = columns.requires_grad or weights.requires_grad
        scores = (columns * weights if learned else columns.mul_(weights)).sum(2)
    return scores


def unfold_parity(labels: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Compute `local_parity` for all neighbours at once, in float32 since `F.unfold` takes no integers."""
    return _parity(unfold_columns(labels.unsqueeze(1).float(), window, outside=IGNORED)[:, 0], labels, window)


def unfold_loss(embedding: Tensor, labels: Tensor, window: Window) -> Tensor:
    """Compute `embedding_loss` for all neighbours at once."""
    return _hinge(unfold_distance(embedding, window), *unfold_parity(labels, window))


def unfold_contour(boundary: Tensor, window: Window) -> Tensor:
    """Compute `local_contour` for all neighbours at once."""
    columns = unfold_columns(boundary, window, outside=math.inf)[:, 0]
    return torch.stack([columns[:, pixels].amax(1) for pixels in _lines(window)], 1)


def shift_distance(embedding: Tensor, window: Window) -> Tensor:
    """Compute `local_distance` neighbour by neighbour."""
    neighbours = _shifted(embedding, window, outside=math.inf)
    if embedding.requires_grad:
        return torch.stack([(embedding - neighbour).abs().sum(1) for neighbour in neighbours], 1)
    batch, _, height, width = embedding.shape
    distance = embedding.new_empty(batch, window.count, height, width)
    difference = torch.empty_like(embedding)
    for k, neighbour in enumerate(neighbours):
        torch.sub(embedding, neighbour, out=difference).abs_()
        torch.sum(difference, 1, out=distance[:, k])
    return distance


def shift_weights(embedding: Tensor, window: Window, hardness: float) -> Tensor:
    """Compute `affinity_weights` from `shift_distance`."""
    return plain_affinity(shift_distance(embedding, window), hardness)


def shift_filter(scores: Tensor, weights: Tensor, window: Window, passes: int = 1) -> Tensor:
    """Compute `local_filter` neighbour by neighbour."""
    learned = scores.requires_grad or weights.requires_grad
    each = (weights / weights.sum(1, keepdim=True)).unsqueeze(2).unbind(1)
    for _ in range(passes):
        total = torch.zeros_like(scores)
        for weight, neighbour in zip(each, _shifted(scores, window), strict=True):
            if learned:
                total += weight * neighbour
            else:
                total.addcmul_(weight, neighbour)
        scores = total
    return scores


def shift_parity(labels: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Compute `local_parity` neighbour by neighbour."""
    return _parity(torch.stack(_shifted(labels, window, outside=IGNORED), 1), labels, window)


def shift_loss(embedding: Tensor, labels: Tensor, window: Window) -> Tensor:
    """Compute `embedding_loss` neighbour by neighbour."""
    return _hinge(shift_distance(embedding, window), *shift_parity(labels, window))


def shift_contour(boundary: Tensor, window: Window) -> Tensor:
    """Compute `local_contour` neighbour by neighbour."""
    neighbours = _shifted(boundary[:, 0], window, outside=math.inf)
    return torch.stack([torch.stack([neighbours[k] for k in pixels]).amax(0) for pixels in _lines(window)], 1)


def plain_affinity(distance: Tensor, hardness: float) -> Tensor:
    """Compute `affinity`."""
    return torch.exp(-hardness * distance)


def plain_joint_upsample(scores: Tensor, embedding: Tensor, hardness: float) -> Tensor:
    """Compute `joint_upsample`, one of the four coarse pixels around each pixel at a time."""
    coarse, size = scores.shape[-2:], embedding.shape[-2:]
    centres = F.interpolate(embedding, coarse, mode="bilinear")
    rows, columns = (_position(*lengths, scores) for lengths in zip(coarse, size, strict=True))
    total, mass = torch.zeros_like(scores[:, :1, :1, :1]), torch.zeros_like(scores[:, :1, :1, :1])
    for row in (rows.floor(), rows.ceil()):
        for column in (columns.floor(), columns.ceil()):
            across = centres[:, :, row.long()][..., column.long()]
            # A pixel exactly on a coarse pixel meets it twice, so each counts half.
            tent = (1 - (rows - row).abs() - 0.5 * (rows % 1 == 0))[:, None] * (
                1 - (columns - column).abs() - 0.5 * (columns % 1 == 0)
            )
            weight = tent * torch.exp(-hardness * (embedding - across).abs().sum(1, keepdim=True))
            total = total + weight * scores[:, :, row.long()][..., column.long()]
            mass = mass + weight
    return total / mass


def _position(few: int, many: int, like: Tensor) -> Tensor:
    """Return the positions of the pixels of a resized axis on the original axis."""
    return ((torch.arange(many, device=like.device) + 0.5) * (few / many) - 0.5).clamp(0, few - 1)


def kornia_bilateral(guide: Tensor, scores: Tensor, window: Window) -> Tensor:
    """Run kornia's filter in its default form: weights from squared colour distances and a Gaussian in space."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kornia warns on import
        from kornia.filters import joint_bilateral_blur  # noqa: PLC0415 - takes seconds, and kornia is optional
    return joint_bilateral_blur(scores, guide, window.size, 0.3, (3.0, 3.0))


def _padded(values: Tensor, window: Window, outside: float) -> Tensor:
    return F.pad(values, [window.radius] * 4, value=outside)


def _shifted(values: Tensor, window: Window, outside: float = 0.0) -> list[Tensor]:
    """Return views of the image shifted to each neighbour, in window order."""
    height, width = values.shape[-2:]
    padded, steps = _padded(values, window, outside), range(window.size)
    return [padded[..., row : row + height, column : column + width] for row in steps for column in steps]


def _parity(neighbours: Tensor, labels: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    centre = labels.unsqueeze(1)
    valid = (neighbours != IGNORED) & (centre != IGNORED)
    valid[:, window.centre] = False
    return (neighbours == centre) & valid, valid


def _hinge(distance: Tensor, parity: Tensor, valid: Tensor) -> Tensor:
    hinge = torch.where(parity, distance - NEAR, FAR - distance).clamp(min=0)
    return torch.where(valid, hinge, 0).sum() / valid.sum()


def _lines(window: Window) -> list[list[int]]:
    """Return for each neighbour the indices in the window on the straight line from it to the centre."""
    radius = window.radius
    lines = []
    for row, column in window.offsets:
        steps = max(abs(row), abs(column), 1)
        points = [(round(row * step / steps), round(column * step / steps)) for step in range(steps, -1, -1)]
        lines.append([(r + radius) * window.size + c + radius for r, c in points])
    return lines
