"""Pictures show what they say, and a click on them finds its pixel."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError, SharpenerConfig, Window, sharpen_array
from crispseg.app.answers import explained
from crispseg.app.session import PixelMasks
from crispseg.app.views import (
    Scale,
    changed_pixels,
    crops,
    labels_picture,
    legend,
    marked,
    picture,
    pixel_tiles,
    summary,
    tinted,
    write_picture,
)
from crispseg.inference.one_image import Sharpened
from crispseg.scores import Scores


def result_of(before: torch.Tensor, after: torch.Tensor) -> Sharpened:
    return Sharpened(before, after, torch.zeros(1, *after.shape), 0.25)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (48, 64), (360, 480), (700, 500), (3000, 1999), (5, 2600)])
def test_every_place_of_a_picture_is_a_pixel_and_the_other_way_round(height: int, width: int) -> None:
    scale = Scale(height, width)
    shown = scale.shown
    assert 480 <= max(shown) <= 1280
    assert scale.pixel((0, 0)) == (min(width // shown[0] // 2, width - 1), min(height // shown[1] // 2, height - 1))
    assert scale.pixel(shown) == (width - 1, height - 1)
    if shown[0] >= width and shown[1] >= height:
        seen = {scale.pixel((x, y)) for x in range(shown[0]) for y in (0, shown[1] - 1)}
        assert {x for x, _ in seen} == set(range(width))


def test_a_small_picture_is_enlarged_in_squares() -> None:
    pixels = torch.randint(0, 256, (3, 4, 6), dtype=torch.uint8)
    shown = np.asarray(picture(pixels))
    assert shown.shape == (320, 480, 3)
    for x, y in ((0, 0), (3, 2), (5, 3)):
        square = shown[80 * y : 80 * y + 80, 80 * x : 80 * x + 80]
        assert (square == pixels[:, y, x].numpy()).all()
        assert Scale(4, 6).pixel((80 * x + 79, 80 * y)) == (x, y)


def test_changed_pixels_and_no_others_are_marked() -> None:
    before = torch.zeros(480, 480, dtype=torch.long)
    after = before.clone()
    after[100:102, 7] = 3
    image = torch.randint(0, 256, (3, 480, 480), dtype=torch.uint8)
    result = result_of(before, after)
    shown = np.asarray(changed_pixels(image, result)).astype(int)
    coloured = shown.max(-1) != shown.min(-1)
    assert set(zip(*map(list, np.nonzero(coloured)), strict=True)) == {(100, 7), (101, 7)}
    told = summary(result, (480, 480), "4 classes")
    assert "<b>0.00 %</b> of the pixels changed (2 of 230,400) · 250 ms · 480 × 480 pixels, 4 classes" in told


def test_a_ring_is_drawn_around_the_pixel() -> None:
    blank = Image.new("RGB", (640, 480), (90, 90, 90))
    ringed = np.asarray(marked(blank, Scale(960, 1280), (1000, 200))).astype(int)
    rows, columns = np.nonzero((ringed != 90).any(-1))
    assert abs(columns.mean() - 500) < 1
    assert abs(rows.mean() - 100) < 1
    assert (ringed[100, 500] == 90).all()
    assert marked(blank, Scale(960, 1280), None) is blank


def test_tiles_show_the_surroundings_of_the_pixel(tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 30, 40), dtype=torch.uint8)
    mask = torch.rand(30, 40)
    masks = PixelMasks((2, 29), SharpenerConfig(window=Window(3, 2), passes=4), mask, mask.flip(0))
    tiles = pixel_tiles(image, image.flip(1), masks)
    white = [100 / float(each.sum()) for each in (mask, mask)]
    assert re.findall("<figcaption>(.*?)</figcaption>", tiles) == [
        "image",
        "embedding: pixels of like colours mix",
        f"one pass: black adds nothing, white {white[0]:.2g} % of the average",
        f"all 4 passes: black adds nothing, white {white[1]:.2g} % of the average",
    ]
    assert tiles.count('<rect x="18" y="18" width="5" height="5"') == 8
    drawn = [_decode(data, tmp_path) for data in re.findall(r'href="data:image/png;base64,([^"]+)"', tiles)]
    assert all(tile.shape == (41, 41, 3) for tile in drawn)
    assert (drawn[0][20, 20] == image[:, 29, 2].numpy()).all()
    assert (drawn[0][10, 30] == image[:, 19, 12].numpy()).all()
    assert (drawn[1][20, 20] == image[:, 0, 2].numpy()).all()
    assert drawn[2][20, 20, 0] == round(255 * float(mask[29, 2]))
    assert drawn[3][20, 20, 0] == round(255 * float(mask[0, 2]))
    assert (drawn[0][:, :18] == 211).all()  # beyond the image


def _decode(data: str, folder: Path) -> np.ndarray:

    path = folder / "tile.png"
    path.write_bytes(base64.b64decode(data))
    return np.asarray(Image.open(path))


def test_a_picture_is_written_without_loss(tmp_path: Path) -> None:
    shown = picture(torch.randint(0, 256, (3, 480, 500), dtype=torch.uint8))
    files = [write_picture(shown, tmp_path) for _ in range(2)]
    assert files[0] != files[1]
    assert np.array_equal(np.asarray(Image.open(files[0])), np.asarray(shown))


def test_pixels_that_one_pass_takes_far_apart_are_drawn_larger(tmp_path: Path) -> None:
    mask = torch.zeros(60, 60)
    mask[30, 30] = 1
    masks = PixelMasks((30, 30), SharpenerConfig(window="3@8,3", passes=2), mask, mask)
    black = torch.zeros(3, 60, 60, dtype=torch.uint8)
    tiles = pixel_tiles(black, black, masks)
    drawn = [_decode(data, tmp_path) for data in re.findall(r'href="data:image/png;base64,([^"]+)"', tiles)]
    assert [int((tile[..., 0] > 0).sum()) for tile in drawn] == [0, 0, 25, 1]


COLOURS = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 0, 255]]).float()


def test_black_tints_nothing_and_the_part_that_changed_is_framed_and_enlarged(tmp_path: Path) -> None:
    image = torch.full((3, 480, 640), 100, dtype=torch.uint8)
    labels = torch.zeros(480, 640, dtype=torch.long)
    labels[:, 320:] = 1
    coloured = tinted(image, labels, COLOURS)
    assert (coloured[:, :, :320] == 100).all()
    assert coloured[:, 0, 400].tolist() == [185, 45, 45]
    part = (100, 200, 120, 160)
    framed = np.asarray(labels_picture(coloured, part))
    assert (framed[100, 200:360] == 255).all()
    assert (framed[219, 200:360] == 255).all()
    assert (framed[110:210, 210:310] == 100).all()
    html = crops(image, coloured, part)
    before, after = (_decode(data, tmp_path) for data in re.findall(r'base64,([^"]+)"', html))
    assert (before == 100).all()
    assert after.shape == (120, 160, 3)
    assert np.array_equal(after, coloured[:, 100:220, 200:360].permute(1, 2, 0).numpy())


def test_a_legend_names_the_labels_that_are_there() -> None:
    after = torch.tensor([[0, 0, 1, 1]])
    told = legend(result_of(torch.tensor([[0, 2, 1, 1]]), after), COLOURS, ("none", "<b>"))
    entries = re.findall("<li>(.*?)</li>", told)
    assert len(entries) == 3
    assert 'class="plain"' in entries[0]
    assert "none <small>50.0 %" in entries[0]
    assert "background:rgb(255,0,0)" in entries[1]
    assert "&lt;b&gt;" in entries[1]
    assert "</i>2 <small>0.0 %" in entries[2], "a label without a name, which sharpening removed"
    many = torch.arange(30)[None]
    assert "and 6 more" in legend(result_of(many, many), torch.ones(30, 3), ())


@pytest.mark.parametrize(
    ("scores", "kind", "told"),
    [
        (torch.rand(1, 8, 8), "logits", "choose probabilities as the kind of scores"),
        (torch.linspace(-9, 9, 12).view(3, 2, 2), "probabilities", "or choose logits as the kind of scores"),
        (torch.randn(3, 2, 9), "logits", "or a grid that says how they lie"),
    ],
)
def test_a_refusal_says_what_to_choose_on_the_page(scores: torch.Tensor, kind: Scores, told: str) -> None:
    with pytest.raises(InputError) as refused:
        sharpen_array(np.zeros((8, 8, 3), np.uint8), scores.numpy(), scores=kind)
    said = explained(refused.value, Path("uploads"))
    assert told in said
    assert not re.search(r"scores=|--", said)
