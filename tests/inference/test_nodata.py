"""Pixels that hold nothing, in tiles: scores are to the number what they are without them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener
from crispseg.cues import ContourCue, RGBCue, SoftSegmentationCue
from crispseg.data.box import Box
from crispseg.data.pixels import Pixels, TensorPixels
from crispseg.inference import tiles
from crispseg.inference.tiles import sharpen_tiles


class Holed(TensorPixels):
    """A tensor of which (H, W) `there` says where it holds something."""

    masked = True

    def __init__(self, tensor: Tensor, there: Tensor) -> None:
        super().__init__(tensor)
        self._there = there

    def valid(self, box: Box) -> Tensor:
        rows, columns = box.slices
        return self._there[rows, columns]


def joined(sharpener: Sharpener, image: Pixels, scores: Pixels) -> tuple[Tensor, Tensor]:
    found = torch.full((scores.channels, *image.size), torch.nan)
    valid = torch.ones(image.size, dtype=torch.bool)
    for tile in sharpen_tiles(image, scores, sharpener, memory="16GiB"):
        rows, columns = tile.box.slices
        found[:, rows, columns] = tile.scores
        if tile.valid is not None:
            valid[rows, columns] = tile.valid
    return found, valid


@pytest.mark.parametrize(("side", "upsampling"), [(11, "joint"), (100, "bilinear")])
@pytest.mark.parametrize("factor", [1, 2, 8])
@pytest.mark.parametrize(("of", "colours"), list(itertools.product(("image", "scores", "both"), ("one", "many"))))
def test_half_an_image_beside_nothing_is_that_half(
    monkeypatch: pytest.MonkeyPatch, *, side: int, upsampling: str, factor: int, of: str, colours: str
) -> None:
    """Its neighbours there are like it in colour, say another class, and must not count."""
    monkeypatch.setattr(tiles, "tile_side", lambda *_: side)
    options: dict[str, Any] = {"window": 9, "passes": 4, "scores": "probabilities", "upsampling": upsampling}
    sharpener = Sharpener(RGBCue(), **options).eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.full((3, 32, 48), 0.5) if colours == "one" else torch.rand(3, 32, 48, generator=generator)
    scores = torch.rand(3, 32 // factor, 48 // factor, generator=generator)
    scores[0] += 1  # the likeliest label everywhere, so that nothing counts as thin
    scores = scores.softmax(0)
    scores[:, :, 24 // factor :] = torch.tensor([0.0, 0, 1])[:, None, None]
    here, there = torch.ones(32, 48, dtype=torch.bool), torch.ones(scores.shape[1:], dtype=torch.bool)
    if of != "scores":
        here[:, 24:] = False
    if of != "image":
        there[:, 24 // factor :] = False
    half = joined(sharpener, TensorPixels(image[..., :24]), TensorPixels(scores[..., : 24 // factor]))[0]
    found, valid = joined(sharpener, Holed(image, here), Holed(scores, there))
    assert (valid == (torch.arange(48) < 24)).all()
    # Scores that hold something are upsampled where the image does not: the last coarse ones reach over the edge.
    inner = 24 if of != "image" else 24 - 4 * factor - 4 * 4
    torch.testing.assert_close(found[:, :, : max(inner, 1)], half[:, :, : max(inner, 1)], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("factor", [1, 4])
def test_several_windows_and_the_score_weight_beside_nothing(factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 11)
    options: dict[str, Any] = {"window": "5@4,5@2,5", "passes": (1, 2, 3), "score_weight": 0.5, "hardness": 3.0}
    sharpener = Sharpener(RGBCue(), scores="probabilities", **options).eval()
    image, scores = torch.rand(3, 32, 48), torch.rand(3, 32 // factor, 48 // factor).softmax(0)
    half = joined(sharpener, TensorPixels(image[..., :24]), TensorPixels(scores[..., : 24 // factor]))[0]
    here, there = (torch.arange(length) < length // 2 for length in (48, 48 // factor))
    holed = Holed(image, here.expand(32, 48)), Holed(scores, there.expand(32 // factor, 48 // factor))
    found, _ = joined(sharpener, *holed)
    torch.testing.assert_close(found[..., :24], half, atol=1e-5, rtol=1e-4)


def test_a_class_of_missing_neighbours_does_not_spread() -> None:
    sharpener = Sharpener(RGBCue(), passes=20, scores="probabilities").eval()
    scores = torch.tensor([0.55, 0.45])[:, None, None].repeat(1, 24, 24)
    scores[:, :, 12:] = torch.tensor([0.0, 1])[:, None, None]
    here = torch.arange(24).expand(24, 24) < 12
    found, valid = joined(sharpener, Holed(torch.full((3, 24, 24), 0.5), here), TensorPixels(scores))
    assert (valid == here).all()
    torch.testing.assert_close(found[:, :, :12], scores[:, :, :12])


def test_islands_of_what_there_is() -> None:
    """A single pixel amid nothing keeps its score, and no number becomes NaN."""
    rng = np.random.default_rng(1)
    here = torch.from_numpy(rng.random((40, 40)) < 0.05)
    scores = torch.rand(2, 40, 40).softmax(0)
    alone = torch.nn.functional.max_pool2d(here[None].float(), 3, 1, 1)[0] > 0
    for cue in (RGBCue(), SoftSegmentationCue()):
        sharpener = Sharpener(cue, passes=3, scores="probabilities").eval()
        found, valid = joined(sharpener, Holed(torch.rand(3, 40, 40), here), TensorPixels(scores))
        assert (valid == here).all()
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found.sum(0)[here], torch.ones(int(here.sum())))
    assert alone.any()


def test_a_cue_that_is_no_embedding_is_refused() -> None:
    sharpener = Sharpener(ContourCue(), scores="probabilities")
    with pytest.raises(InputError, match="ContourCue; expected"):
        joined(
            sharpener, Holed(torch.rand(3, 8, 8), torch.ones(8, 8, dtype=torch.bool)), TensorPixels(torch.ones(2, 8, 8))
        )
