"""Label maps of many labels become what a channel for each would make of them, in memory that stays the same."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, Window, sharpen_array
from crispseg.cues import ContourCue, Cue, RGBCue
from crispseg.data import Prediction
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, TensorPixels
from crispseg.inference import label_groups, label_maps, tiles
from crispseg.inference.label_channels import LabelChannels
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.one_image import sharpen_one
from crispseg.inference.upsampling import resize, upsampled_labels


def dense(sharpener: Sharpener, image: Tensor, labels: Tensor, features: Tensor | None = None) -> Tensor:
    """By a channel for each label."""
    said = Prediction.of_labels(labels)
    with torch.inference_mode():
        crisp = sharpener.expecting("probabilities").taking_labels()(image[None], said.scores[None], features=features)[
            0
        ]
    return said.labels(crisp)


def scene(count: int, size: tuple[int, int], scale: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    height, width = (max(1, round(length / scale)) for length in size)
    blocks = torch.randint(0, count, (height, width), generator=generator)
    side = int(torch.randint(1, 5, (), generator=generator))
    labels = blocks.repeat_interleave(side, 0).repeat_interleave(side, 1)[:height, :width]
    return torch.rand(3, *size, generator=generator), labels * 7


SCALES = (1, 2, 5, 8, 0.7)


@pytest.mark.parametrize(
    ("scale", "count", "guard"), [*product(SCALES, [3, 40], [None, 0.2, 0.5]), *product(SCALES, [800], [0.2])]
)
def test_labels_are_those_of_a_channel_for_each(scale: float, count: int, guard: float | None) -> None:
    generator = torch.Generator().manual_seed(count)
    image, labels = scene(count, (61, 75), scale, generator)
    sharpener = Sharpener(RGBCue(), window=Window(5), hardness=5.0, passes=7, guard=guard)
    found, expected = sharpen_label_map(image, labels, sharpener), dense(sharpener, image, labels)
    with torch.inference_mode():
        channels = sharpener.expecting("probabilities").taking_labels()
        first, second = channels(image[None], Prediction.of_labels(labels).scores[None])[0].topk(2, 0).values
    assert torch.equal(found[first - second > 1e-6], expected[first - second > 1e-6])  # two labels may be as likely
    assert (first - second > 1e-6).float().mean() > 0.99


@pytest.mark.parametrize(("window", "passes"), [(Window(3, 2), 1), (Window(7), 4), (Window(9), 25)])
def test_windows_and_passes(window: Window, passes: int) -> None:
    image, labels = scene(60, (90, 110), 1, torch.Generator().manual_seed(1))
    sharpener = Sharpener.from_pretrained(window=window, passes=passes)
    assert torch.equal(sharpen_label_map(image, labels, sharpener), dense(sharpener, image, labels))


LADDER: dict[str, Any] = {"window": "5@4,3@2,5", "passes": (3, 6, 2)}


@pytest.mark.parametrize(
    ("scale", "count", "guard", "score_weight"),
    [
        *product([1], [12], [None, 0.4], [0, 0.7]),
        (1, 700, 0.4, 0.7),
        (4, 60, None, 0.7),
        (4, 60, 0.4, 0),
        (0.7, 30, 0.4, 0.7),
    ],
)
def test_several_windows_and_the_score_weight(
    scale: float, count: int, guard: float | None, score_weight: float
) -> None:
    image, labels = scene(count, (61, 75), scale, torch.Generator().manual_seed(count))
    for cue in (RGBCue(), RGBCue(norm=2)):
        sharpener = Sharpener(cue, hardness=3.0, guard=guard, score_weight=score_weight, **LADDER)
        assert torch.equal(sharpen_label_map(image, labels, sharpener), dense(sharpener, image, labels))


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("cue", [RGBCue(), RGBCue(norm=2), ContourCue()])
def test_weights_compare_the_shares_of_all_labels(cue: Cue, scale: float) -> None:
    """Also where labels go in several groups, and up to the borders of the image."""
    size = (40, 52)
    image, labels = scene(300, size, scale, torch.Generator().manual_seed(7))
    sharpener = Sharpener(cue, window="7@3,5", passes=1, hardness=2.0, score_weight=0.4, scores="probabilities")
    features = torch.rand(1, 1, *size) if isinstance(cue, ContourCue) else image[None]
    whole = Box(0, 0, *size)
    channels = LabelChannels(sharpener, TensorPixels(labels[None]), PartOfPixels(features[0], whole, size), whole)
    groups = [
        (torch.tensor([item.label for item in group]), Box.enclosing([item.box for item in group]))
        for group in label_groups.grouped(channels.labelled(), 8)
    ]
    assert len(groups) > 3
    shares = sharpener.upsample(image[None], Prediction.of_labels(labels).scores[None], features)
    for level in sharpener.levels:
        found = label_maps._weights(channels, features, groups, level)
        torch.testing.assert_close(found, sharpener.weights(features, shares, level.window))
        assert not torch.allclose(found, cue.weights(features, level.window, 2.0))


ONE: dict[str, Any] = {"window": 5, "passes": 3}
GRIDS = ["centres", "corners", "stride=8", "stretched"]


@pytest.mark.parametrize(
    ("options", "grid", "scale", "side"),
    [
        *product([ONE], GRIDS, [8], [40, 5]),
        *product([LADDER | {"score_weight": 0.5}], GRIDS, [8], [40]),
        pytest.param(ONE, "corners", 1, 23, marks=pytest.mark.slow),
        pytest.param(LADDER | {"score_weight": 0.5}, "centres", 1, 23, marks=pytest.mark.slow),
    ],
)
def test_tiles_are_parts_of_the_whole(
    options: dict[str, Any], grid: str, scale: float, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (36, 50) if scale == 1 else (64, 88) if side > 5 else (32, 40)
    image, labels = scene(2000, size, scale, torch.Generator().manual_seed(side))
    sharpener = Sharpener(RGBCue(), hardness=2.0, guard=0.4, grid=grid, **options)
    monkeypatch.setattr(tiles, "tile_side", lambda *_: side)
    tiled = sharpen_one(image, Prediction.of_labels(labels), sharpener, memory="16GiB")
    assert tiled.scores is None
    assert torch.equal(tiled.after, sharpen_label_map(image, labels, sharpener))


def test_contours_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = scene(30, (50, 40), 4, torch.Generator().manual_seed(2))
    boundary = torch.rand(1, 50, 40)
    sharpener = Sharpener(ContourCue(), window=Window(5), passes=3)
    whole = sharpen_one(image, Prediction.of_labels(labels), sharpener, boundary)
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 17)
    tiled = sharpen_one(image, Prediction.of_labels(labels), sharpener, boundary, memory="16GiB")
    assert torch.equal(tiled.after, whole.after)


def test_contours_from_elsewhere() -> None:
    image, labels = scene(30, (50, 40), 4, torch.Generator().manual_seed(2))
    boundary = torch.rand(1, 1, 50, 40)
    sharpener = Sharpener(ContourCue(), window=Window(5), passes=3, score_weight=0.0)
    found = sharpen_label_map(image, labels, sharpener, boundary)
    assert torch.equal(found, dense(sharpener, image, labels, boundary))


@pytest.mark.parametrize("together", [1, 3, 16])
def test_it_does_not_matter_how_many_go_together(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_groups, "TOGETHER", together)
    image, labels = scene(50, (60, 60), 1, torch.Generator().manual_seed(3))
    sharpener = Sharpener(RGBCue(), window=Window(5), passes=5)
    assert torch.equal(sharpen_label_map(image, labels, sharpener), dense(sharpener, image, labels))


@pytest.mark.parametrize("scale", [1, 2, 3.3, 8, 0.6])
def test_labels_before_are_those_of_resized_channels(scale: float) -> None:
    _, labels = scene(90, (64, 72), scale, torch.Generator().manual_seed(4))
    said = Prediction.of_labels(labels)
    shares = resize(said.scores[None], (64, 72))[0]
    first, second = shares.topk(2, 0).values
    clear = first - second > 1e-6
    assert torch.equal(upsampled_labels(labels, (64, 72))[clear], said.labels(shares)[clear])


def test_any_number_of_labels() -> None:
    labels = torch.arange(48 * 64).reshape(48, 64)
    image = torch.rand(3, 48, 64)
    sharpener = Sharpener(RGBCue(), window=Window(3), hardness=200.0, passes=1)
    result = sharpen_one(image, Prediction.of_labels(labels), sharpener)
    assert result.scores is None
    assert torch.equal(result.before, labels)
    array = sharpen_array(image.permute(1, 2, 0).numpy(), labels.numpy().astype(np.uint16), sharpener=sharpener)
    assert array.dtype == np.uint16
    assert torch.equal(torch.from_numpy(array.astype(np.int64)), result.after)
    with pytest.raises(InputError, match=r"3072 labels.*a channel for each; expected at most 1024"):
        sharpen_one(image, Prediction.of_labels(labels), sharpener, keep_scores=True)


def test_scores_of_a_label_map_are_given_where_asked_for() -> None:
    image, labels = scene(5, (30, 40), 2, torch.Generator().manual_seed(5))
    regional: dict[str, Any] = {"window": "9@2,3", "cue_weight": (0.5, 1), "score_weight": 0}
    sharpener = Sharpener(RGBCue(), passes=2, **regional)  # label maps go without the first window
    kept = sharpen_one(image, Prediction.of_labels(labels), sharpener, keep_scores=True)
    assert kept.scores is not None
    assert torch.equal(kept.after, sharpen_one(image, Prediction.of_labels(labels), sharpener).after)


@pytest.mark.parametrize("cell", [2, 4])
def test_what_is_as_thin_as_its_cells_is_not_lost_where_the_image_shows_little(cell: int) -> None:
    """A filter that looks past a faint vessel would give it to what is around."""
    rows, columns = np.mgrid[:32, :32]
    labels = torch.from_numpy(abs(columns - 16 - 6 * np.sin(rows / 6)) < 1).long()
    before = labels.repeat_interleave(cell, 0).repeat_interleave(cell, 1)
    noise = 0.02 * torch.randn(3, 32 * cell, 32 * cell, generator=torch.Generator().manual_seed(0))
    after = sharpen_label_map((0.5 - 0.03 * before + noise).clamp(0, 1), labels, Sharpener.from_pretrained())
    assert (after[before > 0] > 0).float().mean() > 0.75
