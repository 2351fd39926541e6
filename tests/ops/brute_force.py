"""The operations once more, as loops over single pixels that read like the paper: the oracle of the contract test."""

import math
from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor

from crispseg.window import Window

HALF = Fraction(1, 2)


def neighbours(window: Window, row: int, column: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Place in the window, row and column of the neighbours that are inside the image."""
    half = window.size // 2
    for k in range(window.size**2):
        r = row + (k // window.size - half) * window.dilation
        c = column + (k % window.size - half) * window.dilation
        if 0 <= r < height and 0 <= c < width:
            yield k, r, c


def centres(height: int, width: int, stride: int) -> Iterator[tuple[int, int, int, int]]:
    """Row and column on the grid of centres, and in the image."""
    for i, row in enumerate(range(0, height, stride)):
        for j, column in enumerate(range(0, width, stride)):
            yield i, j, row, column


def local_distance(embedding: Tensor, window: Window, *, norm: int = 1, stride: int = 1) -> Tensor:
    batch, _, height, width = embedding.shape
    size = (batch, window.size**2, math.ceil(height / stride), math.ceil(width / stride))
    result = torch.full(size, torch.inf, dtype=torch.float64)
    for n in range(batch):
        for i, j, row, column in centres(height, width, stride):
            for k, r, c in neighbours(window, row, column, height, width):
                difference = [abs(v) for v in (embedding[n, :, row, column] - embedding[n, :, r, c]).tolist()]
                result[n, k, i, j] = sum(difference) if norm == 1 else math.sqrt(sum(v * v for v in difference))
    return result


def local_parity(labels: Tensor, window: Window, *, stride: int = 1, ignore_index: int = 255) -> tuple[Tensor, Tensor]:
    batch, height, width = labels.shape
    size = (batch, window.size**2, math.ceil(height / stride), math.ceil(width / stride))
    parity, valid = torch.zeros(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    for n in range(batch):
        for i, j, row, column in centres(height, width, stride):
            for k, r, c in neighbours(window, row, column, height, width):
                one, other = int(labels[n, row, column]), int(labels[n, r, c])
                if (r, c) != (row, column) and ignore_index not in (one, other):
                    valid[n, k, i, j] = True
                    parity[n, k, i, j] = one == other
    return parity, valid


def bresenham(row: int, column: int, end_row: int, end_column: int) -> list[tuple[int, int]]:
    """Pixels of the line between two others: the nearest to each of equal steps, halves towards larger coordinates."""
    steps = max(abs(end_row - row), abs(end_column - column))
    fractions = [Fraction(step, steps) for step in range(steps + 1)]
    return [
        (math.floor(row + f * (end_row - row) + HALF), math.floor(column + f * (end_column - column) + HALF))
        for f in fractions
    ]


def local_contour(boundary: Tensor, window: Window) -> Tensor:
    batch, _, height, width = boundary.shape
    result = torch.full((batch, window.size**2, height, width), torch.inf, dtype=torch.float64)
    for n in range(batch):
        for row in range(height):
            for column in range(width):
                for k, r, c in neighbours(window, row, column, height, width):
                    line = bresenham(row, column, r, c) if (r, c) != (row, column) else []
                    result[n, k, row, column] = max((float(boundary[n, 0, y, x]) for y, x in line), default=0.0)
    return result


def affinity(distance: Tensor, hardness: float) -> Tensor:
    values = [math.exp(-hardness * d) for d in distance.flatten().tolist()]
    return torch.tensor(values, dtype=torch.float64).reshape(distance.shape)


def local_filter(scores: Tensor, weights: Tensor, window: Window, *, passes: int = 1, normalize: bool = True) -> Tensor:
    batch, channels, height, width = scores.shape
    result = scores.double()
    for _ in range(passes):
        before, result = result, torch.zeros_like(result)
        for n in range(batch):
            for row in range(height):
                for column in range(width):
                    inside = list(neighbours(window, row, column, height, width))
                    total = sum(float(weights[n, k, row, column]) for k, _, _ in inside) if normalize else 1.0
                    for channel in range(channels):
                        value = sum(
                            float(weights[n, k, row, column]) * float(before[n, channel, r, c]) for k, r, c in inside
                        )
                        result[n, channel, row, column] = value / total if total else 0.0
    return result


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
) -> float:
    distance = local_distance(embedding, window, norm=norm, stride=stride)
    parity, valid = local_parity(labels, window, stride=stride, ignore_index=ignore_index)
    same = [max(d - near, 0.0) for d in distance[valid & parity].tolist()]
    different = [max(far - d, 0.0) for d in distance[valid & ~parity].tolist()]
    groups = [group for group in ([same + different] if balance == "none" else [same, different]) if group]
    mean = sum(sum(group) / len(group) for group in groups) / len(groups) if groups else 0.0
    return mean if reduction == "mean" else mean * (len(same) + len(different))


def span(grid: str, few: int, full: int, other: tuple[int, int]) -> tuple[float, float]:
    """Where score 0 lies, in pixels from the middle of pixel 0, and how far it is from one to the next.

    Args:
        grid: Its text.
        few: Scores along this side.
        full: Pixels along it.
        other: Scores and pixels along the other one.
    """
    kind, _, numbers = grid.partition("=")
    if kind == "corners":
        return (0.0, max(full - 1, 1) / (few - 1)) if few > 1 else ((full - 1) / 2, 1.0)
    if kind == "stride":
        step, first = map(float, f"{numbers},0".split(",")[:2])
        return first, step
    if kind in ("letterbox", "padded"):
        cell = max(full / few, other[1] / other[0])
        padding = (few * cell - full) / 2 if kind == "letterbox" else 0.0
        return cell / 2 - 0.5 - padding, cell
    if kind == "box":
        begin, end = map(float, numbers.split(","))
        return begin + (end - begin) / few / 2 - 0.5, (end - begin) / few
    return full / few / 2 - 0.5, full / few


def spans(grid: str, coarse: tuple[int, int], size: tuple[int, int]) -> list[tuple[float, float]]:
    """`span` of rows and of columns."""
    (h, w), (height, width) = coarse, size
    if grid.startswith("box="):
        left, top, right, bottom = grid.removeprefix("box=").split(",")
        return [span(f"box={top},{bottom}", h, height, (0, 0)), span(f"box={left},{right}", w, width, (0, 0))]
    return [span(grid, h, height, (w, width)), span(grid, w, width, (h, height))]


def bilinear(value: Tensor, y: float, x: float) -> Tensor:
    """(C, h, w) where y and x fall, or at the nearest place in it."""
    h, w = value.shape[-2:]
    y, x = min(max(y, 0.0), h - 1.0), min(max(x, 0.0), w - 1.0)
    total = torch.zeros(value.shape[0], dtype=torch.float64)
    for r in range(math.floor(y), min(math.floor(y) + 2, h)):
        for c in range(math.floor(x), min(math.floor(x) + 2, w)):
            total += (1 - abs(y - r)) * (1 - abs(x - c)) * value[:, r, c]
    return total


def joint_upsample(value: Tensor, features: Tensor, hardness: float, *, norm: int = 1, grid: str = "centres") -> Tensor:
    (batch, channels, h, w), (height, width) = value.shape, features.shape[-2:]
    (top, down), (left, across) = spans(grid, (h, w), (height, width))
    places = [(r, c, top + r * down, left + c * across) for r in range(h) for c in range(w)]
    centre = torch.zeros(batch, features.shape[1], h, w, dtype=torch.float64)
    for n in range(batch):
        for r, c, y, x in places:
            centre[n, :, r, c] = bilinear(features[n], y, x)
    result = torch.zeros(batch, channels, height, width, dtype=torch.float64)
    for n in range(batch):
        for row in range(height):
            for column in range(width):
                total = 0.0
                y = min(max((row - top) / down, 0), h - 1)
                x = min(max((column - left) / across, 0), w - 1)
                for r in range(math.floor(y), min(math.floor(y) + 2, h)):
                    for c in range(math.floor(x), min(math.floor(x) + 2, w)):
                        distance = float(
                            torch.linalg.vector_norm(features[n, :, row, column] - centre[n, :, r, c], ord=norm)
                        )
                        weight = (1 - abs(y - r)) * (1 - abs(x - c)) * math.exp(-hardness * distance)
                        result[n, :, row, column] += weight * value[n, :, r, c]
                        total += weight
                result[n, :, row, column] /= total
    return result
