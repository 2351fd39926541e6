"""Joint upsampling beyond the contract of all operations: its sizes, its limits, parts of it."""

import importlib
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crispseg import Grid, InputError
from crispseg.grid import Line
from crispseg.ops import joint_upsample
from crispseg.ops._joint_upsample import joint_upsample_part
from crispseg.ops._joint_upsample_scores import joint_upsample_scores
from crispseg.ops.interpolation import Axis, at_scores
from tests.grids import grids
from tests.marks import not_traced
from tests.ops import brute_force
from tests.ops.served import Server, served_by, server

pytestmark = not_traced

__all__ = ["server"]

reference = importlib.import_module("crispseg.ops._joint_upsample.reference")  # the function hides the folder


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.sampled_from([1, 2]),
    st.sampled_from([0.3, 2.0]),
    grids(),
)
@settings(max_examples=80, deadline=None)
def test_it_is_the_sum_over_four_coarse_pixels(
    coarse: tuple[int, int], size: tuple[int, int], norm: int, hardness: float, grid: Grid
) -> None:
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(2, 3, *coarse, generator=generator, dtype=torch.float64)
    features = torch.rand(2, 4, *size, generator=generator, dtype=torch.float64)
    expected = brute_force.joint_upsample(value, features, hardness, norm=norm, grid=str(grid))
    found = joint_upsample(value, features, hardness, norm=norm, grid=grid)
    # Where a pixel falls is computed in float32, as PyTorch does for bilinear upsampling in float32.
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_at_no_hardness_it_is_bilinear() -> None:
    value, features = torch.rand(1, 3, 5, 7), torch.rand(1, 4, 37, 53)
    bilinear = F.interpolate(value, size=(37, 53), mode="bilinear")
    torch.testing.assert_close(joint_upsample(value, features, 1e-9), bilinear)


def test_it_stays_within_what_it_is_made_of_however_far_all_are() -> None:
    value, features = torch.rand(1, 3, 5, 7), 1e4 * torch.rand(1, 4, 37, 53)
    upsampled = joint_upsample(value, features, 40.0)
    assert torch.isfinite(upsampled).all()
    assert upsampled.min() >= value.min() - 1e-6
    assert upsampled.max() <= value.max() + 1e-6


def test_bands_of_rows_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    value, features = torch.rand(2, 3, 5, 7), torch.rand(2, 4, 37, 53).requires_grad_()
    whole = joint_upsample(value, features, 3.0)
    monkeypatch.setattr(reference, "_NUMBERS_AT_ONCE", 4 * 53 * 5)
    torch.testing.assert_close(joint_upsample(value, features, 3.0), whole)


@given(
    coarse=st.tuples(st.integers(1, 4), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 30), st.integers(1, 600)),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
    options=st.tuples(
        st.sampled_from([1, 2]), st.sampled_from(["contiguous", "channels last", "every second column"]), grids()
    ),
)
@settings(max_examples=90, deadline=None)
def test_every_implementation_is_the_reference(
    server: Server, coarse: tuple[int, int], size: tuple[int, int], dtype: torch.dtype, options: tuple[int, str, Grid]
) -> None:
    if server.interpreted and not _is_quick(size):
        return
    norm, layout, grid = options
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(2, 3, *coarse, generator=generator).to(server.device)
    features = torch.randn(2, 5, *size, generator=generator).to(server.device, dtype)
    found = joint_upsample(value, _laid(features, layout), 2.0, norm=norm, grid=grid)
    with served_by(Server("reference")):
        expected = joint_upsample(value, features, 2.0, norm=norm, grid=grid)
    # bfloat16 differences are rounded in PyTorch and not in the kernels.
    tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@given(
    sizes=st.tuples(
        st.tuples(st.integers(1, 4), st.integers(1, 40)), st.tuples(st.integers(1, 40), st.integers(1, 300))
    ),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
    options=st.tuples(
        st.sampled_from([1, 2]), st.sampled_from(["contiguous", "channels last", "every second column"]), grids()
    ),
    whole=st.sampled_from([None, 2.0**96]),
)
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_upsampled_shares_that_are_divided_anew(
    server: Server,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    dtype: torch.dtype,
    options: tuple[int, str, Grid],
    whole: float | None,
) -> None:
    coarse, size = sizes
    if server.interpreted and not _is_quick(size):
        return
    norm, layout, grid = options
    generator = torch.Generator().manual_seed(0)
    # Among them shares that are too small to be divided by the whole, and probabilities below 0 and above 1. Shares of
    # logits are above 0: in a sum of both signs that is almost 0, the logarithm would have no right digits.
    value = torch.rand(2, 9, *coarse, generator=generator) - (0 if whole else 0.01)
    value *= torch.tensor([1.0, 1e-3, 1e-33 if whole else 1e-8])[torch.arange(9) % 3, None, None]
    value *= whole or 1.2
    features = torch.randn(2, 5, *size, generator=generator).to(dtype)
    upsampled = joint_upsample(value, features, 2.0, norm=norm, grid=grid).double()
    before, after = upsampled.sum(1, keepdim=True).float(), torch.rand(2, 1, *size, generator=generator) * (whole or 1)
    before[..., size[1] // 2] = 0
    expected = torch.where(before > 0, upsampled * after / before, 0)
    expected = expected.clamp(0, 1) if whole is None else (expected.clamp(min=2.0**-126) / whole).log()
    maps = value, at_scores(features, coarse, grid), _laid(features, layout), before, after
    value, centres, features, before, after = (each.to(server.device) for each in maps)
    rows, columns = map(Axis.of, grid.lines(size, coarse))
    found = joint_upsample_scores(
        value, centres, features, before, after, rows, columns, 2.0, norm=norm, whole=whole
    )  # fmt: skip
    tolerance = 0.05 if dtype == torch.bfloat16 else 2e-5
    torch.testing.assert_close(found.cpu().double(), expected, rtol=tolerance, atol=tolerance)


def test_a_part_is_a_part_of_the_whole(server: Server) -> None:
    generator = torch.Generator().manual_seed(0)
    value = torch.rand(1, 3, 9, 11, generator=generator).to(server.device)
    features = torch.rand(1, 4, 37, 53, generator=generator).to(server.device)
    whole = joint_upsample(value, features, 3.0)
    centres = F.interpolate(features, size=(9, 11), mode="bilinear")
    part = joint_upsample_part(
        value[..., 2:8, 1:9],
        centres[..., 2:8, 1:9],
        features[..., 12:30, 8:40],
        Axis.of(Line.tiling(9, 37), 12, 2),
        Axis.of(Line.tiling(11, 53), 8, 1),
        3.0,
    )
    torch.testing.assert_close(part, whole[..., 12:30, 8:40])


def _is_quick(size: tuple[int, int]) -> bool:
    """Whether the interpreter tries a size: a quarter of those of up to six programs, which have 128 pixels each."""
    return size[0] * size[1] <= 6 * 128 and size[1] % 4 == 0


def _laid(features: Tensor, layout: str) -> Tensor:
    if layout == "channels last":
        return features.contiguous(memory_format=torch.channels_last)
    return features.repeat_interleave(2, -1)[..., ::2] if layout == "every second column" else features


def test_arguments_of_the_kernel_are_checked() -> None:
    pytest.importorskip("crispseg._C", reason="the C++ kernels were not built")
    kernels = importlib.import_module("crispseg.ops._kernels").kernels()
    maps = [torch.zeros(1, 2, 3, 3), torch.zeros(1, 4, 3, 3), torch.zeros(1, 4, 9, 9)]
    axes, result = ((0, 0, 3, 3, 9, 9), (0, 0, 3, 3, 9, 9)), torch.zeros(1, 2, 9, 9)
    kernels.joint_upsample(*maps, *axes, 1.0, 1, 1, result)
    for wrong in (
        (maps[0].double(), *maps[1:], *axes, 1.0, 1, 1, result),
        (*maps[:2], maps[2].mT[..., :8], *axes, 1.0, 1, 1, result),
        (*maps[:2], maps[2].double(), *axes, 1.0, 1, 1, result),
        (*maps, (0, 0, 0, 3, 9, 9), axes[1], 1.0, 1, 1, result),
        (*maps, (0, 0, 3, 0, 9, 9), axes[1], 1.0, 1, 1, result),
        (*maps, (0, 0, 3, 3, 0, 9), axes[1], 1.0, 1, 1, result),
        (*maps, (0, 0, 3, 3, 9), axes[1], 1.0, 1, 1, result),
        (*maps, *axes, float("nan"), 1, 1, result),
        (*maps, *axes, 1.0, 3, 1, result),
        (*maps, *axes, 1.0, 1, 0, result),
        (*maps, *axes, 1.0, 1, 1, result[..., :8]),
    ):
        with pytest.raises(ValueError, match=r"is not|expected|below|no pixels|are float64"):
            kernels.joint_upsample(*wrong)
    sums = torch.zeros(1, 1, 9, 9)
    wrong_sums = ((sums[..., :8], sums, 1.0), (sums, sums.double(), 1.0), (sums, sums, 0.5), (sums, sums, math.nan))
    for *given_sums, whole in wrong_sums:
        arguments = (*maps, *given_sums, *axes, 1.0, 1, True, whole, 1, result)
        with pytest.raises(ValueError, match=r"is not|expected"):
            kernels.joint_upsample_scores(*arguments)
    # A part that lies beside what it says is never read from: indices stay within what is there.
    for axis in ((0, 50, 99, 99, 99, 99), (50, 0, 99, 99, 99, 99), (0, 0, 3, 2**62, 1, -(2**62))):
        kernels.joint_upsample(*maps, axis, axis, 1.0, 1, 1, result)


@given(
    coarse=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    size=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    norm=st.sampled_from([1, 2]),
    grid=grids(),
)
@settings(max_examples=50, deadline=None)
def test_gradients_are_those_that_autograd_finds_at_any_size(
    coarse: tuple[int, int], size: tuple[int, int], norm: int, grid: Grid
) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 3, *coarse), (2, 4, *coarse), (2, 4, *size), ()
    leaves = [torch.rand(shape, generator=generator, dtype=torch.float64).add(0.1).requires_grad_() for shape in shapes]
    axes = [list(Axis.of(line)) for line in grid.lines(size, coarse)]
    upstream = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64)
    found = torch.ops.crispseg.joint_upsample(*leaves, *axes, norm)
    expected = reference.joint_upsample(*leaves, *axes, norm)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves, upstream), torch.autograd.grad(expected, leaves, upstream)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_features_may_be_of_another_dtype(dtype: torch.dtype) -> None:
    value, features = torch.rand(1, 3, 5, 7), torch.rand(1, 4, 37, 53)
    upsampled = joint_upsample(value, features.to(dtype), 2.0)
    assert upsampled.dtype == value.dtype
    torch.testing.assert_close(upsampled, joint_upsample(value, features, 2.0), rtol=0.1, atol=0.02)


def test_it_compiles() -> None:
    value, features = torch.rand(1, 3, 5, 7), torch.rand(1, 4, 37, 53)
    compiled = torch.compile(
        lambda value, features: joint_upsample(value, features, 2.0), backend="eager", fullgraph=True
    )
    torch.testing.assert_close(compiled(value, features), joint_upsample(value, features, 2.0))


def test_bad_arguments_are_refused() -> None:
    value, features = torch.rand(1, 3, 5, 7), torch.rand(2, 4, 37, 53)
    with pytest.raises(InputError, match="value has N = 1, features have N = 2"):
        joint_upsample(value, features, 2.0)
    with pytest.raises(InputError, match="value is on meta, features on cpu; move both"):
        joint_upsample(value.to("meta"), features[:1], 2.0)
    with pytest.raises(InputError, match="norm is 3"):
        joint_upsample(value, features[:1], 2.0, norm=3)
    with pytest.raises(InputError, match="hardness is 0"):
        joint_upsample(value, features[:1], 0.0)
    with pytest.raises(TypeError, match=r"features is torch\.int64"):
        joint_upsample(value, features[:1].long(), 2.0)
