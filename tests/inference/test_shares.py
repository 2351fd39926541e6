"""Both tails of every kind of scores are exact, whatever way they take."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crispseg import Sharpener, Window, sharpen_array
from crispseg.cues import LearnedCue, RGBCue
from crispseg.data import Prediction
from crispseg.inference import tiles
from crispseg.inference.one_image import sharpen_one
from crispseg.inference.shares import Shares
from crispseg.inference.tiles import sharpen_tiled
from crispseg.ops import affinity_weights
from crispseg.scores import SCORES, Scores

RANGE = torch.cat([torch.linspace(-100, 100, 4001).double(), torch.logspace(-6, 0, 61).double()])
"""Logits."""


def test_the_kinds_are_known_once() -> None:
    assert get_args(Scores) == SCORES


def close(found: Tensor, expected: Tensor, digits: float) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=digits, atol=digits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "channels"), [("logits", 1), ("multilabel", 1), ("multilabel", 3)])
def test_logits_come_back(kind: Scores, channels: int, dtype: torch.dtype) -> None:
    logits = RANGE[None, None, None].to(dtype).expand(1, channels, 1, -1)
    close(Shares.of(logits, kind).scores(), logits, 1e-6)


@pytest.mark.parametrize("channels", [2, 5])
def test_log_probabilities_of_classes_are_those_of_a_softmax(channels: int) -> None:
    logits = torch.zeros(1, channels, 1, len(RANGE))
    logits[:, -1] = RANGE
    close(Shares.of(logits, "logits").scores(), logits.double().log_softmax(1), 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("kind", "channels"), [("logits", 1), ("multilabel", 2)])
@pytest.mark.parametrize("logit", [-100.0, -87.5, -40.0, -17.0, -16.6, 0.0, 0.001, 16.6, 17.0, 40.0, 88.0, 100.0])
def test_an_image_of_one_logit_keeps_it(kind: Scores, channels: int, dtype: torch.dtype, logit: float) -> None:
    sharpener = Sharpener(RGBCue(), window=Window(5), hardness=3.0, passes=7, scores=kind)
    scores = torch.full((1, channels, 5, 6), logit, dtype=dtype)
    crisp = sharpener(torch.rand(1, 3, 20, 24), scores)
    assert crisp.dtype == dtype
    torch.testing.assert_close(crisp, scores[:, :, :1, :1].expand_as(crisp), rtol=1e-5, atol=5e-6)


def reference(image: Tensor, logits: Tensor, passes: int) -> Tensor:
    """Filtered odds in float64, whose 1 - p is averaged too."""
    sharpener = Sharpener(RGBCue().double(), window=Window(3), hardness=2.0, passes=passes, guard=None).double()
    features = sharpener.features(image.double())
    weights = sharpener.cue.weights(features, sharpener.window[0], sharpener.hardness)
    yes, no = (sharpener.filter((sign * logits.double()).sigmoid(), weights) for sign in (1, -1))
    odds: Tensor = yes.log() - no.log()
    return odds


def wide_scene() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(1, 3, 40, 48, generator=generator)
    logits = torch.linspace(-100, 100, 48).expand(1, 2, 40, 48) + torch.randn(1, 2, 40, 48, generator=generator)
    return image, logits.contiguous()


@pytest.mark.parametrize("kind", ["logits", "multilabel"])
def test_filtered_logits_are_those_of_float64(kind: Scores) -> None:
    image, logits = wide_scene()
    logits = logits if kind == "multilabel" else logits[:, :1]
    options: dict[str, Any] = {"guard": None, "score_weight": 0, "cue_weight": 1}
    sharpener = Sharpener(RGBCue(), window=Window(3), hardness=2.0, passes=2, scores=kind, **options)
    close(sharpener(image, logits), reference(image, logits, 2), 1e-5)


@pytest.mark.parametrize("guard", [None, 0.4])
@pytest.mark.parametrize("grid", [(40, 48), (10, 12)])
@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("channels", [1, 3])
@torch.inference_mode()
def test_batch_tiles_arrays_and_files_agree(
    kind: Scores, channels: int, grid: tuple[int, int], guard: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, 40, 48), dtype=torch.uint8, generator=generator)
    logits = 40 * torch.randn(1, channels, *grid, generator=generator)
    ways: dict[Scores, Callable[[Tensor], Tensor]] = {
        "probabilities": lambda logits: logits.sigmoid() if channels == 1 else logits.softmax(1),
        "multilabel_probabilities": torch.sigmoid,
    }
    scores = ways.get(kind, torch.Tensor.contiguous)(logits)
    sharpener = Sharpener(RGBCue(), window=Window(5), hardness=4.0, passes=3, scores=kind, guard=guard)
    whole = sharpener(image, scores)
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 17)
    tiled = sharpen_tiled(image, scores, sharpener, memory="16GiB")
    array = sharpen_array(image[0].permute(1, 2, 0).numpy(), scores[0].numpy(), sharpener=sharpener)
    saved = sharpen_one(image[0], Prediction(scores[0], kind, tuple(range(channels))), sharpener)
    for other in (tiled[0], torch.from_numpy(array), saved.scores):
        torch.testing.assert_close(other, whole[0], rtol=1e-4, atol=2e-6)
    threshold, exclusive = 0.5 if "probabilities" in kind else 0.0, channels > 1 and not kind.startswith("multilabel")
    one, other = (values.argmax(-3) if exclusive else values > threshold for values in (tiled, whole))
    assert torch.equal(one, other)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize(
    ("logits", "probabilities"), [("logits", "probabilities"), ("multilabel", "multilabel_probabilities")]
)
def test_the_score_weight_means_the_same_for_logits_and_probabilities(
    logits: Scores, probabilities: Scores, norm: int, channels: int
) -> None:
    """A single class counts like two; labels that may overlap do not compare scores, so none depends on another."""
    generator = torch.Generator().manual_seed(0)
    image, scores = (torch.randn(1, count, 12, 13, generator=generator) for count in (3, channels))
    sharpener = Sharpener(RGBCue(norm=norm), window="5@2,3", hardness=0.7, cue_weight=1, score_weight=0.9)
    one_by_one = logits == "multilabel" or channels == 1
    chances = scores.sigmoid() if one_by_one else scores.softmax(1)
    compared = torch.cat([1 - chances, chances], 1) if one_by_one else chances
    for window in sharpener.window:
        weighed = {} if logits == "multilabel" else {"scores": compared, "score_weight": 0.9}
        expected = affinity_weights(image, window, 0.7, norm=norm, **weighed)  # type: ignore[arg-type]
        for kind, given in ((logits, scores), (probabilities, chances)):
            found = sharpener.expecting(kind).weights(image, Shares.of(given, kind), window)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    crisp = sharpener.expecting(logits)(image.sigmoid(), scores)
    crisp = crisp.sigmoid() if one_by_one else crisp.exp()
    torch.testing.assert_close(
        sharpener.expecting(probabilities)(image.sigmoid(), chances), crisp, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("kind", "channels", "norm"), [("logits", 1, 2), ("logits", 3, 1), ("multilabel", 2, 2)])
def test_several_windows_and_the_score_weight_have_the_gradients_of_finite_differences(
    kind: Scores, channels: int, norm: int
) -> None:
    options: dict[str, Any] = {
        "window": "3@2,3",
        "passes": (1, 2),
        "hardness": 2.0,
        "score_weight": 0.6,
        "scores": kind,
    }
    cue = LearnedCue(nn.Conv2d(3, 3, 1), norm=norm)
    sharpener = Sharpener(cue, learn_hardness=True, **options).double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    logits = 2 * torch.randn(1, channels, 4, 5, generator=generator, dtype=torch.float64)

    def sharpened(features: Tensor, value: Tensor, log_hardness: Tensor) -> Tensor:
        parameters = {"log_hardness": log_hardness}
        crisp: Tensor = torch.func.functional_call(sharpener, parameters, (image, value), {"features": features})
        return crisp

    inputs = image.clone(), logits, sharpener.log_hardness.detach()
    assert torch.autograd.gradcheck(sharpened, [each.clone().requires_grad_() for each in inputs])


@pytest.mark.parametrize(("kind", "channels"), [("logits", 1), ("logits", 3), ("multilabel", 2)])
def test_gradients_are_those_of_finite_differences(kind: Scores, channels: int) -> None:
    sharpener = Sharpener(RGBCue().double(), window=Window(3), hardness=2.0, passes=2, scores=kind).double()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 4, 5, generator=generator, dtype=torch.float64)
    logits = 8 * torch.randn(1, channels, 4, 5, generator=generator, dtype=torch.float64)
    logits[..., 0, 0] = 0

    def sharpened(value: Tensor) -> Tensor:
        return sharpener.filtered(Shares.of(value, kind), image).scores()

    assert torch.autograd.gradcheck(sharpened, logits.requires_grad_())


@pytest.mark.parametrize(("kind", "channels"), [("logits", 1), ("logits", 3), ("multilabel", 2)])
def test_gradients_are_finite_over_the_whole_range(kind: Scores, channels: int) -> None:
    sharpener = Sharpener(RGBCue(), window=Window(3), hardness=2.0, passes=2, scores=kind)
    image, logits = wide_scene()
    scores = logits.repeat(1, 2, 1, 1)[:, :channels].clone().requires_grad_()
    sharpener(image, scores).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_labels_that_do_not_exclude_each_other_leave_a_background() -> None:
    logits = torch.tensor([[-3.0, 2.0, 1.0, -1.0], [-2.0, -1.0, 4.0, -2.0]])[:, None]
    prediction = Prediction(logits, "multilabel", (0, 1, 2))
    assert prediction.labels(logits).tolist() == [[0, 1, 2, 0]]
    assert prediction.as_probabilities.labels(logits.sigmoid()).tolist() == [[0, 1, 2, 0]]


def test_array_scores_keep_their_tails() -> None:
    sharpener = Sharpener(RGBCue(), window=Window(3), passes=1)
    scores: np.ndarray = np.full((1, 4, 4), 30.0, dtype=np.float32)
    crisp = torch.from_numpy(sharpen_array(np.zeros((8, 8, 3), np.uint8), scores, sharpener=sharpener))
    torch.testing.assert_close(crisp, torch.full((1, 8, 8), 30.0), rtol=1e-6, atol=0)
