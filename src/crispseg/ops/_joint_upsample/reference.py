"""`joint_upsample` in plain PyTorch."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.compatibility import is_exporting
from crispseg.ops._sums import total
from crispseg.ops.interpolation import Axis, sources
from crispseg.precision import at_least_float32

_NUMBERS_AT_ONCE = 2**21
"""The size of a band of rows, 8 MB: large enough to outweigh the cost of calls, smaller than a whole image."""


def joint_upsample(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    hardness: float | Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
) -> Tensor:
    """See `crispseg.ops._joint_upsample.joint_upsample_part`; the axes as lists."""
    corners = _corners(Axis(*rows), Axis(*columns), features)
    parts = []
    for band in _bands(features):
        here = [corner.of(band) for corner in corners]
        _, weights = _distances_and_weights(features[..., band, :], centres, here, hardness, norm)
        weights = weights.to(value.dtype)
        spread = [weights[:, index, None] * corner.take(value) for index, corner in enumerate(here)]
        parts.append(spread[0] + spread[1] + spread[2] + spread[3])
    return torch.cat(parts, -2)


def joint_upsample_backward(
    grad: Tensor,
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of value, centres, features and hardness."""
    wide = at_least_float32(value, features)
    upstream, values, middles, pixels = (x.detach().to(wide) for x in (grad, value, centres, features))
    to_value, to_centres, to_features = (torch.zeros_like(x) for x in (values, middles, pixels))
    corners = _corners(Axis(*rows), Axis(*columns), features)
    distances, weights = _distances_and_weights(pixels, middles, corners, hardness, norm)
    to_weights = torch.stack([(upstream * corner.take(values)).sum(1) for corner in corners], 1)
    to_exponents = weights * (to_weights - (weights * to_weights).sum(1, keepdim=True))  # through the softmax
    to_hardness = -total(distances.masked_fill(weights == 0, 0) * to_exponents)
    to_distances = -hardness.detach().to(wide) * to_exponents
    for index, corner in enumerate(corners):
        to_value += corner.give(weights[:, index, None] * upstream, *value.shape[-2:])
        step = pixels - corner.take(middles)
        to_step = to_distances[:, index, None] * _direction(step, distances[:, index, None], norm)
        to_features += to_step
        to_centres -= corner.give(to_step, *centres.shape[-2:])
    return (
        to_value.to(value.dtype),
        to_centres.to(centres.dtype),
        to_features.to(features.dtype),
        to_hardness.to(hardness.dtype),
    )


class _Line(NamedTuple):
    """The coarse rows (or columns) on one side of the pixels' rows (or columns)."""

    place: Tensor
    """(H,) or (W,) indices, which never decrease."""
    share: Tensor
    """The share of each."""
    most: int
    """An upper bound on how often the same index occurs."""

    def of(self, band: slice) -> "_Line":
        """Return the line of some of the pixels' rows."""
        return _Line(self.place[band], self.share[band], self.most)

    def give(self, amount: Tensor, count: int) -> Tensor:
        """Sum (..., W) amounts to (..., w) at the coarse indices, in a fixed order."""
        coarse = torch.arange(count, device=amount.device)
        places = torch.searchsorted(self.place, coarse)[:, None] + torch.arange(self.most, device=amount.device)
        places = places.clamp(max=len(self.place) - 1)
        theirs = self.place[places] == coarse[:, None]
        theirs[:, 1:] &= places[:, 1:] > places[:, :-1]  # the last pixel once
        return amount[..., places].masked_fill(~theirs, 0).sum(-1)


class _Corner(NamedTuple):
    """One of the four coarse pixels around each pixel."""

    row: _Line
    column: _Line

    def of(self, band: slice) -> "_Corner":
        """Return the corner of some rows of pixels."""
        return _Corner(self.row.of(band), self.column)

    def take(self, coarse: Tensor) -> Tensor:
        """Return the (N, C, H, W) values of (N, C, h, w) at this corner of each pixel."""
        return coarse.index_select(-1, self.column.place).index_select(-2, self.row.place)

    def give(self, amount: Tensor, height: int, width: int) -> Tensor:
        """Sum (N, C, H, W) amounts at the pixels to (N, C, h, w) at the coarse pixels: the transpose of `take`."""
        by_row = self.column.give(amount, width)
        return self.row.give(by_row.transpose(-1, -2), height).transpose(-1, -2)


def _corners(rows: Axis, columns: Axis, features: Tensor) -> list[_Corner]:
    up, across = (
        _lines(axis, count, features.device) for axis, count in zip((rows, columns), features.shape[-2:], strict=True)
    )
    return [_Corner(row, column) for row in up for column in across]


def _lines(axis: Axis, count: int, device: torch.device) -> tuple[_Line, _Line]:
    found = sources(axis.start, axis.start + count, axis, device).counted_from(axis.first)
    most = 0 if is_exporting() else _most(axis, count)  # only for gradients, which are not exported
    return _Line(found.before, 1 - found.share, most), _Line(found.behind, found.share, most)


def _most(axis: Axis, count: int) -> int:
    """Return the largest number of pixels that can have the same coarse row on one side."""
    if axis.length <= 2:
        return count
    # Pixels between two coarse rows, or all before the second one or after the last but one.
    second = (2 * axis.pixels + axis.shift) // (2 * axis.steps)
    last_but_one = (2 * (axis.length - 2) * axis.pixels + axis.shift) // (2 * axis.steps)
    before, behind = second + 1 - axis.start, axis.start + count - last_but_one + 1
    return min(count, max(axis.pixels // axis.steps + 2, before, behind))


def _bands(features: Tensor) -> Iterator[slice]:
    """Yield bands of rows that fit into a CPU's cache; on other devices and while tracing, all rows at once."""
    if features.device.type != "cpu" or torch.compiler.is_compiling():
        yield slice(None)
        return
    band = max(1, _NUMBERS_AT_ONCE // max(1, features.shape[1] * features.shape[-1]))
    for top in range(0, features.shape[-2], band):
        yield slice(top, top + band)


def _distances_and_weights(
    features: Tensor, centres: Tensor, corners: Sequence[_Corner], hardness: float | Tensor, norm: int
) -> tuple[Tensor, Tensor]:
    """Return (N, 4, H, W) tensors, float32 or wider; the weights of a pixel sum to 1."""
    distances = torch.stack([_distance(features, corner.take(centres), norm) for corner in corners], 1)
    tents = torch.stack([corner.row.share[:, None] * corner.column.share for corner in corners])
    # A softmax, so that the weights sum to 1 at any distance. The rounding of PyTorch's own depends on its threads.
    exponents = tents.log() - hardness * distances
    powers = (exponents - exponents.amax(1, keepdim=True)).exp()
    return distances, powers / powers.sum(1, keepdim=True)


def _distance(features: Tensor, others: Tensor, norm: int) -> Tensor:
    """Return the (N, H, W) distances, float32 or wider."""
    difference = features - others
    wide = at_least_float32(features)
    if norm == 1:
        return difference.abs().sum(1, dtype=wide)
    length: Tensor = torch.linalg.vector_norm(difference, dim=1, dtype=wide)
    return length


def _direction(step: Tensor, distance: Tensor, norm: int) -> Tensor:
    """Return the gradient of a distance with respect to the step between two pixels; 0 at distance 0."""
    return step.sign() if norm == 1 else step / distance.masked_fill(distance == 0, 1)
