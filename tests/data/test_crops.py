"""Crops pad, turn and recolour as they are told, image and labels alike."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, LabelledFolder, Sample
from crispseg.data.crops import MEAN_COLOUR, Crop, CropDataset, CropOptions, upright_rectangle
from tests.fakes import write_folder


def plain_crop(side: int, *, left: int = 0, angle: float = 0.0) -> Crop:
    return Crop(top=0, left=left, side=side, flip=False, brightness=1.0, contrast=1.0, angle=angle)


def ramp(height: int, width: int) -> Sample:
    """Every pixel has its own label, and the image shows it."""
    labels = torch.arange(height * width).reshape(height, width)
    return Sample(labels.expand(3, height, width).to(torch.uint8), labels, "ramp")


def test_a_crop_beyond_the_image_is_padded_below_and_to_the_right() -> None:
    sample = ramp(6, 8)
    image, labels = plain_crop(10, left=1).apply(sample, 10)
    assert torch.equal(labels[:6, :7], sample.labels[:, 1:])
    assert (labels[6:] == IGNORE_INDEX).all()
    assert (labels[:, 7:] == IGNORE_INDEX).all()
    torch.testing.assert_close(image[:, :6, :7] * 255, sample.image[:, :, 1:].float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(image[:, 9, 9] * 255, torch.tensor(MEAN_COLOUR).float(), atol=1e-3, rtol=0)


def test_padding_keeps_the_scale_and_starts_at_the_corner() -> None:
    crop = Crop.draw(np.random.default_rng(0), 10, 200, CropOptions(30, (0.5, 0.5), pad=True))
    assert (crop.side, crop.top) == (60, 0)
    assert 0 < crop.left <= 140
    assert Crop.draw(np.random.default_rng(0), 10, 200, CropOptions(30, (0.5, 0.5))).side == 10


def test_draws_come_from_the_generator_in_a_fixed_order() -> None:
    rng = np.random.default_rng(5)
    factor = math.exp(rng.uniform(math.log(0.75), math.log(1.5)))
    side = round(24 / factor)
    expected = Crop(
        top=int(rng.integers(48 - side + 1)),
        left=int(rng.integers(64 - side + 1)),
        side=side,
        flip=bool(rng.integers(2)),
        brightness=rng.uniform(0.8, 1.2),
        contrast=rng.uniform(0.8, 1.2),
    )
    assert Crop.draw(np.random.default_rng(5), 48, 64, CropOptions(24, (0.75, 1.5))) == expected


def test_a_quarter_turn_is_exact() -> None:
    sample = ramp(6, 8)
    image, labels = plain_crop(6, angle=90.0).apply(sample, 6)
    assert torch.equal(labels, torch.rot90(sample.labels)[:6])
    torch.testing.assert_close(image[0] * 255, torch.rot90(sample.image[0])[:6].float(), atol=1e-3, rtol=0)


def test_a_turn_makes_no_new_labels() -> None:
    labels = torch.randint(0, 2, (60, 80), generator=torch.Generator().manual_seed(0)) * 200
    _, cut = plain_crop(20, angle=22.5).apply(Sample(torch.zeros(3, 60, 80, dtype=torch.uint8), labels, "a"), 20)
    assert set(cut.unique().tolist()) == {0, 200}


@settings(max_examples=40, deadline=None)
@given(height=st.integers(20, 60), width=st.integers(20, 60), step=st.integers(0, 15))
def test_nothing_from_outside_comes_into_a_turned_image(height: int, width: int, step: int) -> None:
    sample = Sample(torch.full((3, height, width), 200, dtype=torch.uint8), torch.zeros(height, width).long(), "flat")
    angle = 22.5 * step
    side = min(upright_rectangle(height, width, angle))
    image, labels = plain_crop(side, angle=angle).apply(sample, side)
    assert (labels == 0).all()
    torch.testing.assert_close(image, torch.full_like(image, 200 / 255))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(20, 500), width=st.integers(20, 500), angle=st.floats(1, 359))
def test_the_upright_rectangle_is_the_largest(height: int, width: int, angle: float) -> None:
    sine, cosine = abs(math.sin(math.radians(angle))), abs(math.cos(math.radians(angle)))
    inner = np.linspace(0.01, math.hypot(height, width), 4000)  # widths; the heights are what still fits
    fits = np.minimum((width - inner * cosine) / max(sine, 1e-9), (height - inner * sine) / max(cosine, 1e-9))
    largest = (inner * fits.clip(min=0)).max()
    rows, columns = upright_rectangle(height, width, angle)
    assert rows * columns <= largest * 1.001
    if angle % 90 and min(rows, columns) > 1:
        assert (rows + 3) * (columns + 3) >= largest


def test_turned_crops_use_every_angle_and_labels_of_the_image_only(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    data = CropDataset([LabelledFolder(root / "images", root / "labels", 11)], CropOptions(16, rotations=16))
    draws = (
        Crop.draw(np.random.default_rng(i), 48, 64, CropOptions(16, (1.0, 1.0), rotations=16)).angle for i in range(200)
    )
    assert set(draws) == {22.5 * step for step in range(16)}
    assert all(set(data[index][1].unique().tolist()) <= {0, 1, 2, IGNORE_INDEX} for index in range(8))


def test_without_jitter_colours_stay(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    source = LabelledFolder(root / "images", root / "labels", 11)
    image, _ = CropDataset([source], CropOptions(48, zoom=(1.0, 1.0), jitter=0))[0]
    drawn = torch.stack([source.read(index).image for index in range(3)])
    assert any(
        torch.equal((image * 255).round(), flipped[:, :, left : left + 48].float())
        for whole in drawn
        for flipped in (whole, whole.flip(-1))
        for left in range(17)
    )


def test_the_crops_of_hed_have_the_scales_that_were_asked_for() -> None:
    options = CropOptions(321, (0.5, 1.5), pad=True, jitter=0, rotations=16)
    rng = np.random.default_rng(0)
    zooms = [321 / Crop.draw(rng, 321, 481, options).side for _ in range(400)]
    assert min(zooms) < 0.52
    assert max(zooms) > 1.45
    assert max(zooms) < 1.51


def test_no_zoom_leaves_nothing_of_the_image() -> None:
    assert Crop.draw(np.random.default_rng(0), 48, 64, CropOptions(24, (60.0, 60.0))).side == 1


def test_senseless_options_are_refused() -> None:
    with pytest.raises(InputError, match="jitter is 1; expected 0 or more and below 1"):
        CropOptions(24, jitter=1)
    with pytest.raises(InputError, match="rotations is 0; expected a whole number of 1 or more"):
        CropOptions(24, rotations=0)
