"""The sharpener sharpens, takes what it says it takes, and refuses the rest with a word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from crispseg import InputError, Sharpener, Window
from crispseg.config_values import LADDER_PASSES
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.inference.upsampling import resize
from crispseg.registry import CUES
from crispseg.window import Windows
from tests.fakes import draw_scene


def scene(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Image (1, 3, 48, 64), labels (48, 64) and probabilities (1, 3, 6, 8) that are the labels averaged over blocks."""
    image, labels = (torch.from_numpy(array) for array in draw_scene(np.random.default_rng(seed)))
    one_hot = F.one_hot(labels.long(), 3).permute(2, 0, 1)[None].float()
    return image.permute(2, 0, 1)[None], labels.long(), F.avg_pool2d(one_hot, 8)


def accuracy(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1)[0] == labels).double().mean())


@pytest.mark.parametrize("seed", range(5))
def test_sharpening_with_the_shipped_weights_beats_upsampling(seed: int) -> None:
    image, labels, coarse = scene(seed)
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    before, after = accuracy(resize(coarse, (48, 64)), labels), accuracy(sharpener(image, coarse), labels)
    assert after > before + 0.15 * (1 - before)


def test_logits_and_probabilities_give_the_same_labels_and_kind() -> None:
    image, _, coarse = scene()
    logits = (coarse + 0.01).log()
    upsampled = resize(logits, (48, 64))
    by_logits = Sharpener.from_pretrained()(image, upsampled)
    by_probabilities = Sharpener.from_pretrained(scores="probabilities")(image, upsampled.softmax(1))
    torch.testing.assert_close(by_logits.softmax(1), by_probabilities)
    torch.testing.assert_close(by_probabilities.sum(1), torch.ones(1, 48, 64))


def test_a_single_logit_goes_through_the_sigmoid() -> None:
    image, _, coarse = scene()
    probability = coarse[:, 2:].clamp(0.01, 0.99)
    by_logit = Sharpener.from_pretrained()(image, resize(probability, (48, 64)).logit())
    by_probability = Sharpener.from_pretrained(scores="probabilities")(image, resize(probability, (48, 64)))
    torch.testing.assert_close(by_logit.sigmoid(), by_probability, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_coarse_scores_come_out_better_than_bilinear_ones(seed: int) -> None:
    image, labels, coarse = scene(seed)
    given: dict[str, Any] = {"window": 5, "passes": 1, "hardness": 4.0, "score_weight": 0.7}  # auto: always bilinear
    joint, bilinear = (
        Sharpener.from_pretrained(scores="probabilities", upsampling=upsampling, **given)
        for upsampling in ("joint", "bilinear")
    )
    assert accuracy(joint(image, coarse), labels) > accuracy(bilinear(image, coarse), labels)
    half = resize(coarse, (25, 33))  # more than half of the height and width
    torch.testing.assert_close(joint(image, half), bilinear(image, half))


def test_uint8_and_float_images_are_the_same() -> None:
    image, _, coarse = scene()
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    torch.testing.assert_close(sharpener(image, coarse), sharpener(image / 255, coarse))


def test_a_batch_is_its_images_one_by_one() -> None:
    scenes = [scene(seed) for seed in range(3)]
    images, coarse = torch.cat([s[0] for s in scenes]), torch.cat([s[2] for s in scenes])
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    together = sharpener(images, coarse)
    for index in range(3):
        alone = sharpener(images[index : index + 1], coarse[index : index + 1])
        torch.testing.assert_close(together[index : index + 1], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_classes", [1, 2, 21, 150])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_any_class_count_and_dtype(num_classes: int, dtype: torch.dtype) -> None:
    scores = torch.randn(1, num_classes, 3, 4).to(dtype)
    result = Sharpener.from_pretrained()(torch.rand(1, 3, 12, 16), scores)
    assert result.shape == (1, num_classes, 12, 16)
    assert result.dtype == dtype
    assert torch.isfinite(result).all()


def test_output_size() -> None:
    image, _, coarse = scene()
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    assert sharpener(image, coarse, output_size=(20, 30)).shape == (1, 3, 20, 30)
    torch.testing.assert_close(
        sharpener(image, coarse, output_size=(24, 32)), resize(sharpener(image, coarse), (24, 32))
    )


def test_one_class_stays_as_it_is() -> None:
    image, _, _ = scene()
    ones = torch.ones(1, 1, 48, 64)
    torch.testing.assert_close(Sharpener.from_pretrained(scores="probabilities")(image, ones), ones)


def test_the_options_reach_the_filter() -> None:
    image, _, coarse = scene()
    results = [
        Sharpener.from_pretrained(**options, scores="probabilities")(image, coarse)
        for options in (
            {},
            {"window": Window(5)},
            {"window": Window(5, dilation=2)},
            {"hardness": 1.0},
            {"passes": 2},
            {"cue": "learned:norm=2"},
        )
    ]
    for index, result in enumerate(results):
        assert all(not torch.equal(result, other) for other in results[index + 1 :])


def test_any_module_may_give_the_embedding_and_learns_from_the_scores() -> None:
    image, labels, coarse = scene()
    embedding = nn.Conv2d(3, 4, 3, padding=1)
    sharpener = Sharpener(LearnedCue(embedding), hardness=1.0, passes=3)
    loss = F.cross_entropy(sharpener(image, (coarse + 0.01).log()), labels[None])
    loss.backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.abs().max() > 0
    rgb = Sharpener(RGBCue(), hardness=15.0, passes=5, scores="probabilities")
    assert accuracy(rgb(image, coarse), labels) > accuracy(resize(coarse, (48, 64)), labels)


class ColourEdges(nn.Module):
    """A boundary detector: where the colour changes much to the right or below."""

    def forward(self, image: Tensor) -> Tensor:
        padded = F.pad(image, (0, 1, 0, 1), mode="replicate")
        right, below = padded[..., :-1, 1:] - image, padded[..., 1:, :-1] - image
        return (right.abs().sum(1, keepdim=True) + below.abs().sum(1, keepdim=True) > 0.5).to(image.dtype)


CUE_MAKERS: dict[str, Callable[[], Cue]] = {
    "learned": lambda: Sharpener.from_pretrained().cue,
    "rgb": RGBCue,
    "soft": SoftSegmentationCue,
    "contour": lambda: ContourCue(ColourEdges()),
}


@pytest.mark.parametrize("name", list(CUES))
def test_any_cue_sharpens_and_brings_its_own_defaults(name: str) -> None:
    image, labels, coarse = scene()
    cue = CUE_MAKERS[name]()
    sharpener = Sharpener(cue, scores="probabilities")
    assert sharpener.hardness == cue.default_hardness
    assert sharpener.window == Windows.of(cue.default_window)
    assert sharpener.passes == (cue.default_passes if len(sharpener.window) == 1 else LADDER_PASSES)
    single = Sharpener(cue, window=9)
    assert (single.window, single.passes) == (Windows.of(9), cue.default_passes)
    sharpened = Sharpener(cue, window=Window(7), passes=5, score_weight=0.7, scores="probabilities")(image, coarse)
    before = accuracy(resize(coarse, (48, 64)), labels)
    assert accuracy(sharpened, labels) > before + 0.1 * (1 - before)


@pytest.mark.slow  # traces every cue
@pytest.mark.parametrize("name", list(CUES))
def test_any_cue_goes_through_the_compiler(name: str) -> None:
    image, _, coarse = scene()
    sharpener = Sharpener(CUE_MAKERS[name](), passes=2, scores="probabilities")
    compiled = torch.compile(sharpener, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(image, coarse), sharpener(image, coarse))


def test_features_stand_in_for_those_of_the_cue() -> None:
    image, _, coarse = scene()
    boundary = ColourEdges()(image / 255)
    options: dict[str, Any] = {"hardness": 3.0, "passes": 2, "scores": "probabilities"}
    by_network = Sharpener(ContourCue(ColourEdges()), **options)(image, coarse)
    by_features = Sharpener(ContourCue(), **options)(image, coarse, features=boundary)
    assert torch.equal(by_network, by_features)
    assert not torch.equal(by_features, Sharpener(ContourCue(), **options)(image, coarse, features=0 * boundary))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.zeros(1, 1, 24, 32), r"features has \(N, H, W\) = \(1, 24, 32\), image has \(1, 48, 64\)"),
        (torch.zeros(1, 48, 64), r"features has shape \(1, 48, 64\); expected 4 dimensions"),
        (torch.full((1, 1, 48, 64), 200.0), "features run from 200 to 200"),
    ],
)
def test_features_that_do_not_fit_are_refused(features: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sharpener(ContourCue())(IMAGE, torch.rand(1, 3, 6, 8), features=features)


def test_a_module_that_is_no_cue_is_refused() -> None:
    with pytest.raises(TypeError, match=r"missing; expected Sharpener.from_pretrained\(\) .*Sharpener\(cue=\.\.\.\)"):
        Sharpener()
    with pytest.raises(TypeError, match=r"cue is Conv2d; expected a crispseg.cues.Cue: .*LearnedCue"):
        Sharpener(nn.Conv2d(3, 4, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"cue is str; expected a crispseg.cues.Cue: .*from_pretrained\(cue='rgb'\)"):
        Sharpener("rgb")  # type: ignore[arg-type]


def test_expecting_shares_the_weights() -> None:
    sharpener = Sharpener.from_pretrained()
    other = sharpener.expecting("probabilities")
    assert (sharpener.scores, other.scores) == ("logits", "probabilities")
    assert other.cue is sharpener.cue


IMAGE = torch.zeros(1, 3, 48, 64, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("image", "scores", "message"),
    [
        (IMAGE[0], torch.rand(1, 3, 6, 8), r"image has shape \(3, 48, 64\); expected \(N, 3, H, W\)"),
        (IMAGE[:, :1], torch.rand(1, 3, 6, 8), r"image has shape \(1, 1, 48, 64\)"),
        (IMAGE, torch.rand(3, 6, 8), r"scores has shape \(3, 6, 8\); expected 4 dimensions"),
        (IMAGE, torch.rand(2, 3, 6, 8), "1 images but scores for 2"),
        (IMAGE, torch.rand(1, 3, 8, 6), r"image is 48x64 but its scores are 8x6, another aspect"),
        (IMAGE, torch.rand(1, 3, 48, 48), "another aspect"),
        (IMAGE, torch.rand(1, 0, 6, 8), "at least one pixel and one channel"),
        (IMAGE.float() - 1, torch.full((1, 3, 6, 8), 1 / 3), r"image runs from -1 to -1; expected uint8, or floating"),
        (IMAGE.float() + 128, torch.full((1, 3, 6, 8), 1 / 3), "image runs from 128 to 128"),
        (IMAGE, torch.full((1, 3, 6, 8), torch.nan), "144 of 144 scores are NaN or infinite; .*: look for an overflow"),
        (
            IMAGE,
            torch.full((1, 3, 6, 8), -torch.inf),
            r"scores are NaN or infinite; .*: limit logits with scores\.clamp",
        ),
        (IMAGE, 3 * torch.ones(1, 3, 6, 8), r"scores run from 3 to 3; expected probabilities"),
    ],
)
def test_wrong_inputs_are_refused(image: Tensor, scores: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sharpener.from_pretrained(scores="probabilities")(image, scores)


def test_values_are_not_looked_at_while_a_cuda_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert Sharpener.from_pretrained(passes=1)(IMAGE, torch.full((1, 3, 6, 8), torch.nan)).isnan().any()


def test_wrong_dtypes_are_refused() -> None:
    sharpener = Sharpener.from_pretrained()
    with pytest.raises(TypeError, match=r"scores is torch.int64"):
        sharpener(IMAGE, torch.zeros(1, 3, 6, 8, dtype=torch.long))
    with pytest.raises(TypeError, match=r"image is torch.int32"):
        sharpener(IMAGE.int(), torch.rand(1, 3, 6, 8))


@pytest.mark.parametrize(("rows", "columns"), [(6, 8), (7, 9), (5, 7), (1, 1), (48, 64), (17, 22), (36, 46)])
def test_grids_that_networks_round_are_taken(rows: int, columns: int) -> None:
    assert Sharpener.from_pretrained()(IMAGE, torch.rand(1, 2, rows, columns)).shape == (1, 2, 48, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hardness": 0.0}, "hardness is 0.0; expected a number above 0"),
        ({"passes": 0}, "passes is 0"),
        ({"cue": "learned:norm=3"}, "norm is 3"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
        ({"device": torch.device("cuda", 99)}, "device 'cuda:99' cannot be used here"),
        ({"dtype": "float16"}, "dtype is 'float16'; expected torch.float32"),
        ({"dtype": torch.int8}, "dtype is torch.int8; expected torch.float32"),
        ({"scores": "softmax"}, "scores is 'softmax'; expected one of 'logits', 'probabilities'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sharpener.from_pretrained(**options)  # type: ignore[arg-type]


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights .*none.safetensors: no such file"):
        Sharpener.from_pretrained(tmp_path / "none.safetensors")
