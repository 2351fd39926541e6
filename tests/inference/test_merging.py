"""Classes that are negligible in the whole image share a channel of the filter, within a bound that holds."""

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg import InputError, Sharpener, SharpenerConfig
from crispseg.cues import RGBCue
from crispseg.inference.merging import kept_classes
from crispseg.inference.shares import Shares
from crispseg.inference.tiles import sharpen_tiled
from crispseg.inference.upsampling import resize
from crispseg.nn import LocalFilter
from crispseg.ops import local_filter
from crispseg.scores import Scores
from crispseg.window import Window
from tests.marks import needs_tracing

SIZE = (48, 64)
CLASSES, PRESENT = 40, 5


def scene(seed: int = 0, coarser: int = 4, present: int = PRESENT) -> tuple[Tensor, Tensor]:
    """An image and the logits of 40 classes, all but a few of which are unlikely everywhere."""
    generator = torch.Generator().manual_seed(seed)
    size = (SIZE[0] // coarser, SIZE[1] // coarser)
    logits = torch.randn(1, CLASSES, *size, generator=generator) - 10.5
    blobs = F.interpolate(4 * torch.randn(1, present, 4, 5, generator=generator), size=size, mode="bilinear")
    logits[:, torch.randperm(CLASSES, generator=generator)[:present]] = blobs
    return torch.rand(1, 3, *SIZE, generator=generator), logits


def sharpener(negligible: float, kind: Scores = "logits", **options: float | str | tuple[int, ...] | None) -> Sharpener:
    given = {"window": "5@2,5", "passes": (3, 2), "hardness": 3.0, "score_weight": 0, "guard": None} | options
    return Sharpener(RGBCue(), scores=kind, negligible=negligible, **given)  # type: ignore[arg-type]


def crisp(sharpener: Sharpener, image: Tensor, logits: Tensor) -> Tensor:
    """The probabilities that a sharpener makes of logits, given as it takes them."""
    with torch.inference_mode():
        if sharpener.scores == "probabilities":
            return sharpener(image, logits.softmax(1))  # type: ignore[no-any-return]
        return sharpener(image, logits).exp()  # type: ignore[no-any-return]


def channels(sharpener: Sharpener, image: Tensor, logits: Tensor) -> int:
    with torch.no_grad():
        features, wide = sharpener.prepare(image, logits)
        return sharpener.upsample(image, wide, features).values.shape[1]


WAYS = [("logits", 4), ("logits", 1), ("probabilities", 4), ("probabilities", 1)]


@pytest.mark.parametrize(("kind", "coarser"), WAYS)
@pytest.mark.parametrize("negligible", [0.002, 0.01, 0.1])
def test_no_probability_moves_by_more_than_is_negligible(kind: Scores, coarser: int, negligible: float) -> None:
    image, logits = scene(coarser=coarser)
    merging, whole = (crisp(sharpener(each, kind), image, logits) for each in (negligible, 0))
    assert 0 < (merging - whole).abs().max() <= negligible
    torch.testing.assert_close(merging.sum(1), torch.ones(1, *SIZE), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "coarser"), WAYS)
def test_classes_that_are_kept_are_what_they_were(kind: Scores, coarser: int) -> None:
    image, logits = scene(coarser=coarser)
    merging, whole = (crisp(sharpener(each, kind), image, logits) for each in (0.01, 0))
    same = torch.isclose(merging, whole, rtol=1e-4, atol=0).flatten(2).all(2)[0]
    assert PRESENT <= int(same.sum()) < CLASSES
    assert torch.equal(merging.argmax(1), whole.argmax(1))


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("negligible", [0.002, 0.02])
def test_with_a_score_weight_they_change_by_a_bounded_factor(norm: int, negligible: float) -> None:
    image, logits = scene()
    options = {"score_weight": 2.0, "hardness": 5.0, "passes": (3, 2), "window": "5@2,5", "guard": None}
    made = [Sharpener(RGBCue(norm), negligible=each, **options) for each in (negligible, 0)]  # type: ignore[arg-type]
    merging, whole = (crisp(each, image, logits) for each in made)
    bound = norm * 2 * negligible * 5.0 * 2.0 * 5  # of the logarithm: 2·ε·λ·μ for each of the 5 passes
    kept = merging.amax((0, 2, 3)) > negligible
    factors = (merging[:, kept] / whole[:, kept]).log()
    assert 1e-6 < factors.abs().max() <= bound
    torch.testing.assert_close(merging.sum(1), torch.ones(1, *SIZE), rtol=0, atol=1e-5)


def test_nothing_changes_where_nothing_is_negligible() -> None:
    image, logits = scene()
    result = crisp(sharpener(0), image, logits)
    with torch.inference_mode():
        made = sharpener(0)
        features, wide = made.prepare(image, logits)
        shares = made.upsample(image, wide, features)
        weights = {window: made.weights(features, shares, window) for window in made.window}
        values = shares.values
        for level in made.levels:
            values = local_filter(values, weights[level.window], level.window, passes=level.passes)
        assert torch.equal(result, shares.with_values(values).scores().exp())
    assert channels(sharpener(0), image, logits) == CLASSES
    assert channels(sharpener(0.01), image, 0 * logits) == CLASSES  # no class is negligible
    few = scene()[1][:, :7]
    assert channels(sharpener(0.4), image, few) == 7  # the kernels filter 8 channels as fast as 2


def test_the_rest_of_the_classes_has_one_channel() -> None:
    image, logits = scene()
    assert PRESENT < channels(sharpener(0.01), image, logits) <= 16
    assert channels(sharpener(0.01, "multilabel"), image, logits) == 2 * CLASSES


def test_the_choice_is_the_largest_that_the_bound_allows() -> None:
    probabilities = torch.tensor([0.004, 0.9, 0.003, 0.05, 0.002, 0.041] + 10 * [0.0])[None, :, None, None].repeat(
        1, 1, 2, 2
    )
    kept = kept_classes(probabilities, 1.0, 0.00701)
    assert kept is not None
    assert kept.classes[0][kept.used[0]].tolist() == [0, 1, 3, 5]
    apart = probabilities.clone()
    apart[0, :, 0, 0] = torch.tensor([0.006, 0.9, 0.0, 0.05, 0.0, 0.044] + 10 * [0.0])
    kept = kept_classes(apart, 1.0, 0.00701)
    assert kept is not None
    assert kept.classes[0][kept.used[0]].tolist() == [0, 1, 3, 5]


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("score_weight", [0.0, 0.5])
def test_a_result_does_not_depend_on_the_batch(kind: Scores, score_weight: float) -> None:
    scenes = [scene(0), scene(1, present=12), scene(2, present=CLASSES)]
    image, logits = (torch.cat(parts) for parts in zip(*scenes, strict=True))
    made = sharpener(0.01, kind, score_weight=score_weight)
    together = crisp(made, image, logits)
    for each, (one, scores) in zip(together, scenes, strict=True):
        torch.testing.assert_close(each[None], crisp(made, one, scores), rtol=1e-5, atol=1e-7)


def test_log_probabilities_are_finite_and_keep_their_order() -> None:
    image, logits = scene()
    logits[:, 3] = logits[:, 4] + 1 - 200  # far below what float32 holds as a probability
    logits[:, 4] -= 200
    with torch.inference_mode():
        result = sharpener(0.01)(image, logits)
        assert torch.isfinite(result).all()
        order = logits.amax((0, 2, 3)).argsort()
        image, scores = torch.rand(1, 3, *SIZE), logits.mean((2, 3), keepdim=True).expand(-1, -1, 6, 8)
        alike = sharpener(0.01)(image, scores)
    assert order[0] == 4
    expected = scores.log_softmax(1)[..., :1, :1].expand_as(alike)
    held = expected > -150
    torch.testing.assert_close(alike[held], expected[held], rtol=1e-4, atol=1e-4)


def test_a_rest_that_comes_from_elsewhere_is_shared_like_the_image_shares_it() -> None:
    probabilities = torch.zeros(1, 12, 1, 8)
    probabilities[:, 0] = 1
    probabilities[:, :3, :, :2] = torch.tensor([0.992, 0.006, 0.002])[None, :, None, None]
    made = Sharpener(RGBCue(), scores="probabilities", negligible=0.01, window=3, passes=7, hardness=1.0)
    with torch.inference_mode():
        result = made(torch.zeros(1, 3, 1, 8), probabilities)
    assert (result[:, 1] > 0).all()
    torch.testing.assert_close(result[:, 1], 3 * result[:, 2])
    torch.testing.assert_close(result.sum(1), torch.ones(1, 1, 8))


def test_every_class_gets_a_gradient() -> None:
    image, logits = scene()
    made = sharpener(0.1)
    logits.requires_grad_()
    recorded = made(image, logits)
    assert torch.equal(recorded.detach(), made.with_options(negligible=0)(image, logits).detach())
    (gradient,) = torch.autograd.grad(recorded.square().sum(), logits)
    assert (gradient.abs().amax((0, 2, 3)) > 0).all()
    learning = Sharpener(RGBCue(), learn_hardness=True, window=5, passes=3, negligible=0.1)
    learning(image, logits.detach()).square().sum().backward()
    assert learning.log_hardness.grad is not None
    assert learning.log_hardness.grad != 0


@needs_tracing
def test_traces_and_transforms_filter_every_class() -> None:
    image, logits = scene()
    made = sharpener(0.1)
    whole = made.with_options(negligible=0)
    with torch.no_grad():
        exported = torch.export.export(made, (image, logits)).module()
        torch.testing.assert_close(exported(image, logits), whole(image, logits), rtol=1e-4, atol=1e-4)
        shares = Shares.of(logits, "logits")
        mapped = torch.vmap(lambda scores: Shares.of(scores[None], "logits").merging(0.1).values[0])(logits)
        torch.testing.assert_close(mapped, shares.values)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("coarser", [4, 1])
def test_tiles_stay_within_the_bound(kind: Scores, coarser: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.tiles.tile_side", lambda *_: 24)
    image, logits = scene(coarser=coarser)
    scores = logits.softmax(1) if kind == "probabilities" else logits
    tiled = sharpen_tiled(image, scores, sharpener(0.01, kind), memory="16GiB")
    tiled = tiled if kind == "probabilities" else tiled.exp()
    whole = crisp(sharpener(0, kind), image, logits)
    assert 0 < (tiled - whole).abs().max() <= 0.01
    torch.testing.assert_close(tiled.sum(1), torch.ones(1, *SIZE), rtol=0, atol=1e-5)
    exact = sharpen_tiled(image, scores, sharpener(0, kind), memory="16GiB")
    torch.testing.assert_close(exact if kind == "probabilities" else exact.exp(), whole, rtol=1e-3, atol=1e-6)


def test_the_guard_keeps_what_it_kept() -> None:
    image, logits = scene()
    merging, whole = (crisp(sharpener(each, guard=0.4), image, logits) for each in (0.01, 0))
    assert (merging - whole).abs().max() <= 0.01
    assert torch.equal(merging.argmax(1), whole.argmax(1))


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_inputs_are_left_alone_and_sizes_and_dtypes_are_as_before(kind: Scores) -> None:
    image, logits = scene(coarser=1)
    given = logits.softmax(1) if kind == "probabilities" else logits
    before = given.clone()
    with torch.inference_mode():
        made = sharpener(0.01, kind)
        result = made(image, given)
        assert torch.equal(given, before)
        smaller = made(image, given, output_size=(20, 30))
        torch.testing.assert_close(
            smaller.sum(1) if kind == "probabilities" else smaller.exp().sum(1), torch.ones(1, 20, 30)
        )
        if kind == "probabilities":
            torch.testing.assert_close(smaller, resize(result, (20, 30)))
        assert made(image, given.half()).dtype == torch.float16


def test_many_channels_are_filtered_in_groups() -> None:
    scores, weights = (
        torch.rand(2, 70, 9, 11),
        {Window(3, 2): torch.rand(2, 9, 9, 11), Window(3): torch.rand(2, 9, 9, 11)},
    )
    given = scores.clone()
    expected = scores
    for window, here in weights.items():
        expected = local_filter(expected, here, window, passes=2)
    assert torch.equal(LocalFilter("3@2,3", passes=2)(scores, weights.__getitem__), expected)
    assert torch.equal(scores, given)


@pytest.mark.parametrize("value", [-0.01, 0.5, math.nan, "few", True])
def test_a_value_out_of_range_is_refused(value: float | str) -> None:
    with pytest.raises(InputError, match=rf"negligible is .*{value}.*; expected a number from 0 to below 0.5"):
        SharpenerConfig(negligible=value)


MEMORY = """
import sys
import torch
from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.process_memory import forget_peak, mapped_blocks, peak_bytes, resident_bytes

classes, side = int(sys.argv[1]), 320
logits = torch.full((1, classes, side // 4, side // 4), -12.0)
logits[:, :20] = torch.randn(1, 20, side // 4, side // 4)
image = torch.rand(1, 3, side, side)
made = Sharpener(RGBCue(), window="5@2,5", passes=2, hardness=3.0, score_weight=0.5)
with torch.inference_mode():
    made(image[..., :32, :32], logits[..., :8, :8])
    forget_peak()
    before = resident_bytes()
    made(image, logits)
print(peak_bytes() - before)
"""


def peak(classes: int) -> int:
    command = [sys.executable, "-c", MEMORY, str(classes)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_memory_of_many_classes_is_that_of_their_result() -> None:
    one_class = 4 * 320 * 320
    assert peak(150) < peak(20) + (150 + 16) * one_class
