"""Scores of the padding of an input never count."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import Grid, Sharpener, Window, sharpen_masks
from crispseg.cues import RGBCue
from crispseg.inference import tiles
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.tiles import sharpen_label_map_tiled, sharpen_tiled
from crispseg.inference.upsampling import resize_scores, upsampled_labels

SIZE, CELLS = (41, 64), (16, 16)
IMAGE = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
SCORES = 2 * torch.randn(3, *CELLS, generator=torch.Generator().manual_seed(1))


def made(grid: str, scores: str = "logits") -> Sharpener:
    options = {"window": Window(3), "hardness": 3.0, "passes": 2, "grid": grid, "scores": scores}
    return Sharpener(RGBCue(), **options).eval()  # type: ignore[arg-type]


def of_objects(grid: str, scores: Tensor) -> Tensor:
    sharpener = made("centres", "multilabel")
    found = sharpen_masks(IMAGE, scores, scores="multilabel", sharpener=sharpener, grid=grid, soft=True)
    return torch.as_tensor(found)


WAYS: dict[str, Callable[[str, Tensor], Tensor]] = {
    "whole": lambda grid, scores: made(grid)(IMAGE[None], scores[None])[0],
    "tiled": lambda grid, scores: sharpen_tiled(IMAGE[None], scores[None], made(grid), memory="16GiB")[0],
    "labels": lambda grid, scores: sharpen_label_map(IMAGE, scores.argmax(0), made(grid)),
    "labels, tiled": lambda grid, scores: sharpen_label_map_tiled(
        IMAGE, scores.argmax(0), made(grid), memory="16GiB"
    ),
    "before": lambda grid, scores: resize_scores(scores[None], SIZE, Grid.of(grid), "logits")[0],
    "labels before": lambda grid, scores: upsampled_labels(scores.argmax(0), SIZE, Grid.of(grid)),
    "objects": of_objects,
}  # fmt: skip


def on_image(grid: str) -> Tensor:
    """Return as (16, 16) bool which cells have their centre on the image."""
    left, top, right, bottom = Grid.of(grid).box(SIZE, CELLS)
    y, x = (torch.from_numpy((np.arange(16) + 0.5) / 16) * (end - start) + start
            for start, end in ((top, bottom), (left, right)))  # fmt: skip
    return ((y >= 0) & (y <= SIZE[0]))[:, None] & (x >= 0) & (x <= SIZE[1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("grid", ["letterbox", "padded", "box=-9,-5.5,70,50"])
@torch.inference_mode()
def test_scores_of_the_padding_do_not_count(way: str, grid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 17)
    counts, find = on_image(grid), WAYS[way]
    elsewhere = torch.where(counts, SCORES, torch.tensor([-50.0, -50, 50])[:, None, None])
    found = find(grid, SCORES)
    assert torch.equal(find(grid, elsewhere), found)
    edge = counts.clone()  # the last rows and columns that count do count, though a cell may lie half beside the image
    edge[1:-1, 1:-1] &= ~(counts[2:, 1:-1] & counts[:-2, 1:-1] & counts[1:-1, 2:] & counts[1:-1, :-2])
    assert not torch.equal(find(grid, torch.where(edge, -SCORES, SCORES)), found)


def test_an_image_between_two_scores_has_the_nearest_to_its_middle() -> None:
    labels = torch.arange(4)[:, None].expand(4, 4)
    for top, expected in ((-22.0, 2), (-29.5, 3)):  # rows of 10 pixels, for an image of 2
        there = upsampled_labels(labels, (2, 40), Grid("box", (0, top, 40, top + 40)))
        assert there.unique().tolist() == [expected]
