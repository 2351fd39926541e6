"""Scores that are in doubt along boundaries alone are filtered more gently than those of a network."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.data.pixels import TensorPixels
from crispseg.grid import Grid
from crispseg.inference.finding_gentleness import gentleness_of, gentleness_of_pixels
from crispseg.inference.tiles import sharpen_tiled
from tests.fakes import PHOTO
from tests.inference.test_nodata import Holed

SIZE = (96, 160)
LINES = Grid.of("stretched").lines(SIZE, (12, 20))


def truth(cell: int = 8) -> Tensor:
    """Return the probabilities of the true labels of a scene, averaged over square cells."""
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    labels = ((rows - 40) ** 2 + (columns - 70) ** 2 < 900).long() + 2 * (columns > 130)
    return F.avg_pool2d(F.one_hot(labels, 3).permute(2, 0, 1)[None].float(), cell)


def made(**options: Any) -> Sharpener:
    usual: dict[str, Any] = {"window": "3@4,3", "passes": 2, "hardness": 2.0, "scores": "probabilities"}
    return Sharpener(RGBCue(), **usual | options).eval()


@pytest.mark.parametrize(("cell", "factor"), [(1, 3), (4, 3), (8, 3), (16, 2)])
def test_true_labels_count_the_more_the_closer_they_are(cell: int, factor: float) -> None:
    scores = truth(cell)
    lines = Grid.of("stretched").lines(SIZE, (scores.shape[-2], scores.shape[-1]))
    blurred = F.avg_pool2d(scores, 3, 1, 1, count_include_pad=False)  # at one pixel, averages are labels
    found = gentleness_of(PHOTO, blurred if cell == 1 else scores, "probabilities", lines)
    assert found.contrast == factor
    torch.testing.assert_close(found.guarding.item(), min(1.0, cell / 12))


def test_true_labels_count_more_than_a_networks_scores() -> None:
    assert gentleness_of(PHOTO, truth(), "probabilities", LINES).contrast == 3
    unsure = 0.1 * torch.randn(2, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    unsure[:, 0, :, :10] += 1
    unsure[:, 1, :, 10:] += 1
    assert gentleness_of(PHOTO, unsure, "logits", LINES).contrast.tolist() == [[[[1.0]]], [[[1.0]]]]
    labels = F.one_hot(truth().argmax(1), 3).permute(0, 3, 1, 2).float()
    assert gentleness_of(PHOTO, labels, "probabilities", LINES).contrast == 1, "labels do not say what is in doubt"
    both = torch.cat([truth(), unsure[:1].softmax(1)])
    assert gentleness_of(PHOTO, both, "probabilities", LINES).contrast.flatten().tolist() == [3, 1]
    # Of 15 × 23 blocks, 16 hold 4 % of doubt and nothing else, at the corner some of which lie beyond the image.
    some = in_between()
    expected = 1 + 2 * (1 - 0.04 * 16 / (15 * 23) / 0.003)
    assert gentleness_of(PHOTO, some, "probabilities", LINES).contrast.item() == pytest.approx(expected, abs=1e-4)


def in_between() -> Tensor:
    """Return scores that are upsampled with less regard to the image, but not without: of a contrast from 1 to 2."""
    scores = truth()
    scores[..., :6, :6] = 0
    scores[:, 0, :6, :6], scores[:, 1, :6, :6] = 0.96, 0.04
    assert 1.2 < gentleness_of(PHOTO, scores, "probabilities", LINES).contrast < 1.8
    return scores


def test_it_is_the_factor_of_the_hardness_if_the_weight_is_auto() -> None:
    torch.manual_seed(0)
    image, sure, unsure = torch.rand(1, 3, *SIZE), truth(), (0.7 * truth() + 0.1)
    gentler = made(hardness=6.0, score_weight=0.7, upsampling="bilinear")
    torch.testing.assert_close(made()(image, unsure), made(score_weight=0.7)(image, unsure))
    for scores, pixels in ((sure, 8), (truth(4), 4)):
        free, guarded = (gentler.with_options(guard=guard)(image, scores) for guard in (None, made().guard))
        torch.testing.assert_close(made()(image, scores), torch.lerp(free, guarded, pixels / 12))
    assert not torch.allclose(made()(image, sure), made(score_weight=0.7)(image, sure), atol=1e-3)
    far = made(window="3@32,3@4,3")
    assert torch.equal(far.nearby()(image, sure), made()(image, sure)), "nor does it depend on regional levels"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_image_of_a_batch_has_its_own(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    images, sharpener = torch.rand(3, 3, *SIZE), made()
    sharpener.cue.to(dtype)
    scores = torch.cat([truth(), torch.randn(1, 3, 12, 20).softmax(1), in_between()])
    for one, image, crisp in zip(scores, images, sharpener(images, scores), strict=True):
        torch.testing.assert_close(sharpener(image[None], one[None])[0], crisp)


@pytest.mark.parametrize("scores", [truth(), truth(4), in_between()], ids=["sure", "close", "in between"])
@pytest.mark.parametrize("grid", ["stretched", "box=-10,-6,170,100"])
def test_tiles_are_parts_of_the_whole(grid: str, scores: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.tiles.tile_side", lambda *_: 40)
    monkeypatch.setattr("crispseg.inference.finding_gentleness._AT_ONCE", 7)
    torch.manual_seed(0)
    image, sharpener = torch.rand(1, 3, *SIZE), made(grid=grid)
    with torch.inference_mode():
        whole = sharpener(image, scores)
    torch.testing.assert_close(sharpen_tiled(image, scores, sharpener, memory="16GiB"), whole, rtol=1e-4, atol=1e-4)


def test_pixels_without_data_do_not_count() -> None:
    sure, unsure = truth()[0], truth()[0] * 0 + 1 / 3
    sure[:, 8:] = unsure[:, 8:] = torch.nan
    there = sure[0].isfinite()
    assert gentleness_of_pixels(TensorPixels(PHOTO[0]), Holed(sure, there), "probabilities", LINES).contrast == 3
    assert gentleness_of_pixels(TensorPixels(PHOTO[0]), Holed(unsure, there), "probabilities", LINES).contrast == 1
    assert (
        gentleness_of_pixels(TensorPixels(PHOTO[0]), Holed(sure, there & False), "probabilities", LINES).contrast == 1
    )
