"""Regional levels act in images of few labels, and not in scenes of many."""

from typing import Any

import pytest
import torch
from torch import Tensor

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.data.pixels import TensorPixels
from crispseg.grid import Grid
from crispseg.inference.finding_gentleness import gentleness_of, gentleness_of_pixels
from crispseg.inference.tiles import sharpen_tiled
from tests.fakes import PHOTO
from tests.inference.test_nodata import Holed

SIZE = (48, 256)
LINES = Grid.of("stretched").lines(SIZE, SIZE)


def scores_of(*shares: float) -> Tensor:
    """Return the scores of a network that is in doubt everywhere, with a band of each label as wide as its share."""
    torch.manual_seed(0)
    ends = torch.tensor(shares).cumsum(0) / sum(shares) * SIZE[1]
    labels = torch.bucketize(torch.arange(SIZE[1]) + 0.5, ends).expand(SIZE)
    scores = 12 * torch.nn.functional.one_hot(labels, 7).permute(2, 0, 1).float() + torch.rand(7, *SIZE)
    return scores[None]


def made(**options: Any) -> Sharpener:
    usual: dict[str, Any] = {"window": "3@32,3@4,3", "passes": 2, "hardness": 2.0}
    return Sharpener(RGBCue(), **usual | options).eval()


def regional_amount(scores: Tensor) -> float:
    return gentleness_of(PHOTO, scores, "logits", LINES).regional.item()


@pytest.mark.parametrize(("labels", "amount"), [(1, 1), (2, 1), (3, 1), (6, 0)])
def test_equally_frequent_labels_are_counted(labels: int, amount: float) -> None:
    assert regional_amount(scores_of(*[1] * labels)) == amount


def test_rare_labels_count_in_part() -> None:
    some = regional_amount(scores_of(6, 6, 6, 6, 1))
    assert 0.2 < some < 0.8
    assert regional_amount(scores_of(6, 6, 6, 6, 2)) < some < regional_amount(scores_of(6, 6, 6, 6, 0.5))


def test_regional_levels_act_by_that_amount() -> None:
    image = torch.rand(1, 3, *SIZE)
    always = made(cue_weight="0.5,1,1", score_weight="2,0.7,0.7")
    few, some, many = scores_of(1, 1), scores_of(6, 6, 6, 6, 1), scores_of(1, 1, 1, 1, 1, 1)
    torch.testing.assert_close(made()(image, few), always(image, few), rtol=0, atol=0)
    torch.testing.assert_close(made()(image, many), made().nearby()(image, many), rtol=0, atol=0)
    assert not torch.allclose(made()(image, many), always(image, many), atol=1e-3), "weights that are given act in full"
    both, alone = made()(image.expand(2, -1, -1, -1), torch.cat([few, many])), made()(image, few)
    torch.testing.assert_close(both[:1], alone)
    torch.testing.assert_close(both[1:], made()(image, many))
    between = made(guard=None)(image, some)
    assert not torch.allclose(between, made(guard=None).nearby()(image, some), atol=1e-3)
    assert not torch.allclose(between, always.with_options(guard=None)(image, some), atol=1e-3)


@pytest.mark.parametrize(
    "options", [{"cue_weight": 0.5}, {"window": 9, "cue_weight": 0.9, "passes": 1}, {"window": "3@32", "passes": 2}]
)
def test_levels_act_in_a_scene_if_their_weights_are_given_or_none_is_local(options: dict[str, Any]) -> None:
    image, many, sharpener = torch.rand(1, 3, *SIZE), scores_of(1, 1, 1, 1, 1, 1), made(guard=None, **options)
    crisp = sharpener(image, many)
    assert not torch.allclose(crisp.softmax(1), many.softmax(1), atol=1e-3)
    with torch.inference_mode():
        tiled = sharpen_tiled(image, many, sharpener, memory="16GiB")
    torch.testing.assert_close(tiled, crisp, rtol=1e-4, atol=1e-4)


def test_masks_of_a_pixel_are_of_levels_that_act() -> None:
    sharpener, image = made(), torch.rand(1, 3, *SIZE)
    few, many = (
        gentleness_of(PHOTO, scores, "logits", LINES) for scores in (scores_of(1, 1), scores_of(1, 1, 1, 1, 1, 1))
    )
    assert sharpener.acting_on(few) is sharpener is sharpener.acting_on(None)
    assert [str(window) for window in sharpener.acting_on(many).window] == ["3@4", "3"]
    assert torch.isfinite(sharpener.acting_on(many)(image, scores_of(1, 1))).all()


@pytest.mark.parametrize("scores", [scores_of(1, 1), scores_of(6, 6, 6, 6, 1), scores_of(1, 1, 1, 1, 1, 1)])
def test_tiles_are_parts_of_the_whole(scores: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.tiles.tile_side", lambda *_: 40)
    monkeypatch.setattr("crispseg.inference.finding_gentleness._AT_ONCE", 7)
    image, sharpener = torch.rand(1, 3, *SIZE), made()
    with torch.inference_mode():
        whole = sharpener(image, scores)
    torch.testing.assert_close(sharpen_tiled(image, scores, sharpener, memory="16GiB"), whole, rtol=1e-4, atol=1e-4)


def test_tiles_of_a_scene_need_less_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    margins: list[int] = []

    def tile_side(*given: Any) -> int:
        margins.append(given[-1])
        return 40

    monkeypatch.setattr("crispseg.inference.tiles.tile_side", tile_side)
    for scores in (scores_of(1, 1), scores_of(1, 1, 1, 1, 1, 1)):
        sharpen_tiled(torch.rand(1, 3, *SIZE), scores, made(), memory="16GiB")
    assert margins[0] - margins[1] == 2 * 32


def test_labels_without_data_do_not_count() -> None:
    scores = scores_of(1, 1, 1, 1, 1, 1)[0]
    scores[..., SIZE[1] // 3 :] = torch.nan
    assert (
        gentleness_of_pixels(TensorPixels(PHOTO[0]), Holed(scores, scores[0].isfinite()), "logits", LINES).regional == 1
    )


def test_without_regional_levels_given_weights_stay() -> None:
    near = made(cue_weight="0.5,2,3").nearby()
    assert [level.cue_weight for level in near.levels] == [2, 3]
    assert [level.score_weight for level in near.levels] == [0.7, 0.7]
