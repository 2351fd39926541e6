"""Every method of the table on small scenes: probabilities or labels, as its definition or its package gives them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg.comparison.method import After, Example, Method, Setting
from crispseg.comparison.pamr import DILATIONS, PAMR, pamr_weights
from crispseg.comparison.peers import KorniaGuided, KorniaJointBilateral, OpenCVGuided, RankSEG
from crispseg.comparison.rows import ROWS, TableChoices
from crispseg.data import Prediction
from tests.fakes import draw_scene
from tests.marks import needs_pydensecrf

CHOICES = TableChoices(torch.device("cpu"))
ALONE = [row for row in ROWS if not row.needs]


def example(size: tuple[int, int] = (37, 45), seed: int = 0) -> Example:
    """Coarse logits of a scene, with its boundaries."""
    image, labels = draw_scene(np.random.default_rng(seed))
    image, labels = image[: size[0], : size[1]], labels[: size[0], : size[1]]
    shares = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 3).permute(2, 0, 1)[None].float()
    coarse = torch.nn.functional.interpolate(shares, (size[0] // 6, size[1] // 6), mode="area")[0]
    boundary = torch.zeros(1, *size)
    boundary[0, :, :-1] = torch.from_numpy(labels[:, :-1] != labels[:, 1:]).float()
    prediction = Prediction((coarse + 0.02).log(), "logits", (0, 1, 2))
    return Example(torch.from_numpy(image).permute(2, 0, 1), prediction, boundary, torch.from_numpy(labels).long())


def right(result: Tensor, scene: Example) -> float:
    labels = result if result.ndim == 2 else result[0].argmax(0)
    return float((labels == scene.truth).double().mean())


@pytest.fixture(
    scope="module",
    params=[pytest.param(row, marks=needs_pydensecrf if row.package == "pydensecrf" else ()) for row in ALONE],
    ids=[row.name for row in ALONE],
)
def method(request: pytest.FixtureRequest) -> Method:
    built: Method = request.param.build(CHOICES, {})
    return built


@torch.no_grad()
@pytest.mark.parametrize("size", [(37, 45), (16, 23)])
def test_every_method_gives_probabilities_or_labels(method: Method, size: tuple[int, int]) -> None:
    scene = example(size)
    result = method.run(scene, method.start)
    if result.ndim == 2:
        assert result.shape == size
        assert result.dtype == torch.int64
        assert set(result.unique().tolist()) <= {0, 1, 2}
    else:
        assert result.shape == (1, 3, *size)
        torch.testing.assert_close(result.sum(1), torch.ones(1, *size), rtol=0, atol=2e-3)


@torch.no_grad()
def test_a_sweep_gives_what_single_runs_give(method: Method) -> None:
    scene = example()
    settings: list[Setting] = [method.start]
    for name, values in method.values.items():
        settings += [{**method.start, name: value} for value in values[:2] if value != method.start[name]]
    swept = list(method.sweep(scene, settings))
    assert [setting for setting, _ in sorted(swept, key=lambda pair: settings.index(pair[0]))] == settings
    for setting, result in swept:
        torch.testing.assert_close(result, method.run(scene, setting), rtol=1e-4, atol=1e-5)


def test_searches_start_at_a_value_that_is_tried() -> None:
    for row in ALONE:
        method = row.build(CHOICES, {})
        assert method.values.keys() == method.start.keys()
        for name, values in method.values.items():
            assert list(values) == sorted(values)
            assert method.start[name] in values, (row.name, name)


@torch.no_grad()
def test_a_perfect_cue_beats_everything() -> None:
    scene = example((48, 64))
    built = {row.name: row.build(CHOICES, {}) for row in ALONE if row.package is None}
    shares = {name: right(method.run(scene, method.start), scene) for name, method in built.items()}
    assert shares["oracle 9x9 x7"] == 1
    assert shares["baseline"] < shares["embedding 9x9 x7"] < 1


@torch.no_grad()
def test_one_method_after_another_sees_its_scores_alone() -> None:
    scene = example()
    first, second = RankSEG(), PAMR()
    pamr = second.run(scene, second.start)
    both = After(second, second.start, first)
    [(_, result)] = both.sweep(scene, [first.start])
    assert torch.equal(result, both.run(scene, first.start))
    assert torch.equal(result, first.run(scene.predicting(pamr), first.start))
    assert not torch.equal(result, first.run(scene, first.start))


@torch.no_grad()
def test_pamr_is_a_softmax_over_neighbours_of_colour_differences_in_deviations() -> None:
    image = torch.rand(1, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    weights = pamr_weights(image, 0.3)
    for row, column in ((0, 0), (4, 6), (8, 12), (2, 11)):
        logits = {}
        neighbours = [
            (which, place, (row + dilation * (place // 3 - 1), column + dilation * (place % 3 - 1)))
            for which, dilation in enumerate(DILATIONS) for place in range(9) if place != 4
        ]  # fmt: skip
        inside = [(w, p, at) for w, p, at in neighbours if 0 <= at[0] < 9 and 0 <= at[1] < 13]
        for which, place, (r, c) in inside:
            terms = []
            for channel in range(3):
                values = [float(image[0, channel, y, x]) for _, _, (y, x) in inside]
                deviation = float(np.std(values)) + 1e-4
                terms.append(abs(float(image[0, channel, r, c] - image[0, channel, row, column])) / (0.3 * deviation))
            logits[which, place] = -sum(terms) / 3
        total = sum(math.exp(value) for value in logits.values())
        for which in range(len(DILATIONS)):
            for place in range(9):
                expected = math.exp(logits[which, place]) / total if (which, place) in logits else 0.0
                assert float(weights[which][0, place, row, column]) == pytest.approx(expected, abs=2e-4)


@torch.no_grad()
def test_peers_are_called_as_their_packages_say() -> None:
    from cv2 import ximgproc  # noqa: PLC0415
    from kornia.filters import GuidedBlur, JointBilateralBlur  # noqa: PLC0415

    scene = example()
    image, scores = scene.image[None] / 255, scene.probabilities
    guided = KorniaGuided().run(scene, {"radius": 2, "eps": 0.01})
    torch.testing.assert_close(guided, GuidedBlur(5, 0.01)(image, scores))
    bilateral = KorniaJointBilateral().run(scene, {"size": 5, "sigma_color": 0.2, "sigma_space": 2})
    torch.testing.assert_close(bilateral, JointBilateralBlur(5, 0.2, (2.0, 2.0))(scores, image))
    guide = scene.image.permute(1, 2, 0).contiguous().numpy()
    by_class = [ximgproc.guidedFilter(guide, channel.numpy(), 2, 0.01 * 255**2) for channel in scores[0]]
    opencv = OpenCVGuided().run(scene, {"radius": 2, "eps": 0.01})
    np.testing.assert_allclose(opencv[0].numpy(), np.stack(by_class), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("eps", [1e-4, 1e-3, 1e-2, 1e-1])
def test_both_guided_filters_are_one_away_from_the_border(eps: float) -> None:
    scene, setting = example(), {"radius": 2, "eps": eps}
    kornia, opencv = (method.run(scene, setting)[..., 6:-6, 6:-6] for method in (KorniaGuided(), OpenCVGuided()))
    torch.testing.assert_close(opencv, kornia, rtol=0, atol=1e-4)


@torch.no_grad()
def test_one_class_against_background_takes_every_method(method: Method) -> None:
    scene = example()
    one = replace(scene, prediction=Prediction(scene.prediction.scores[1:2], "logits", (0, 1)))
    result = method.run(one, method.start)
    if result.is_floating_point():
        assert result.shape == (1, 1, 37, 45)
    else:  # labels
        assert result.shape == (37, 45)
        assert set(result.unique().tolist()) <= {0, 1}


@torch.no_grad()
def test_rankseg_of_one_class_decides_as_of_two() -> None:
    scene, ranked = example(), RankSEG()
    share = scene.probabilities[:, 1:2]
    one, two = (
        replace(scene, prediction=Prediction(scores[0], "probabilities", (0, 1)))
        for scores in (share, torch.cat([1 - share, share], 1))
    )
    assert torch.equal(ranked.run(one, ranked.start), ranked.run(two, ranked.start))
    uniform = replace(scene, prediction=Prediction.of_labels(torch.full((37, 45), 7)))
    assert ranked.run(uniform, ranked.start).unique().tolist() == [7]


@torch.no_grad()
def test_rankseg_takes_probabilities_that_were_rounded_beyond_one() -> None:
    ranked, sure = RankSEG(), torch.zeros(2, 37, 45)
    sure[1] = torch.nextafter(torch.ones(()), torch.full((), 2.0))
    scene = replace(example(), prediction=Prediction(sure, "probabilities", (0, 1)))
    assert ranked.run(scene, ranked.start).unique().tolist() == [1]


@needs_pydensecrf
@torch.no_grad()
def test_a_weaker_crf_has_a_share_of_the_weights() -> None:
    rows = {row.name: row for row in ROWS}
    scene, crf, rgb = example(), rows["dense CRF"].build(CHOICES, {}), rows["rgb 9x9 x1"].build(CHOICES, {})
    after = rows["rgb 9x9 x1 + dense CRF"].build(
        CHOICES, {"rgb 9x9 x1": (rgb, rgb.start), "dense CRF": (crf, crf.start)}
    )
    filtered = scene.predicting(rgb.run(scene, rgb.start))
    torch.testing.assert_close(after.run(scene, {"share": 1}), crf.run(filtered, crf.start))
    half = {**crf.start, "bilateral_weight": crf.start["bilateral_weight"] / 2, "spatial_weight": 0.5}
    torch.testing.assert_close(after.run(scene, {"share": 0.5}), crf.run(filtered, half))
