"""The soft segmentation, each step against the plain slow way, and whole on textured halves."""

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError, Window
from crispseg.cues import SoftSegmentationCue, soft_segmentation
from crispseg.cues.colour_words import WORDS, colour_words, hue_saturation_value, resize_bicubic, stretch
from tests.marks import needs_tracing

RNG = np.random.default_rng(0)


def principal_directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and principal directions of centred rows, by the singular values of the rows."""
    _, singular, directions = np.linalg.svd(rows, full_matrices=False)
    return singular**2, directions.T


def halves(height: int = 60, width: int = 80) -> np.ndarray:
    """(3, H, W): left half of two reds, right half of two greens, in random dots."""
    colours = np.array([[[200, 40, 30], [240, 90, 60]], [[30, 160, 50], [80, 220, 90]]]) / 255
    side = (np.arange(width) >= width // 2).astype(int)[None].repeat(height, 0)
    return np.moveaxis(colours[side, RNG.integers(0, 2, (height, width))], -1, 0)


def test_hue_saturation_and_value_are_those_of_colorsys() -> None:
    colours = [*RNG.random((50, 3)), *np.eye(3), [0, 0, 0], [1, 1, 1], [0.5, 0.5, 0], [0.2, 0.9, 0.9], [1, 0, 1]]
    expected = [colorsys.rgb_to_hsv(*colour) for colour in colours]
    np.testing.assert_allclose(hue_saturation_value(np.array(colours).T).T, expected, atol=1e-12)


def test_colour_words_quantise_stretched_channels_into_15_by_11_by_7_steps() -> None:
    image = RNG.random((3, 30, 300))  # of a long side that is not scaled
    eight_bits = np.stack([np.rint(255 * (c - c.min()) / (c.max() - c.min())) / 255 for c in image])
    hsv = np.array([[colorsys.rgb_to_hsv(*pixel) for pixel in row] for row in np.moveaxis(eight_bits, 0, -1)])
    low, high = hsv.min((0, 1)), hsv.max((0, 1))
    steps = (hsv - low) / (high - low) * [14, 10, 6]
    clear = (np.abs(steps % 1 - 0.5) > 1e-9).all(-1)  # halves may be rounded either way
    hue, saturation, value = np.moveaxis(np.rint(steps).astype(int), -1, 0)
    words = colour_words(image)
    np.testing.assert_array_equal(words[clear], ((hue * 11 + saturation) * 7 + value)[clear])
    assert clear.mean() > 0.99
    assert WORDS == 15 * 11 * 7 > words.max()


@pytest.mark.parametrize(
    ("size", "expected"), [((480, 640), (225, 300)), ((30, 20), (300, 200)), ((1, 1000), (1, 300))]
)
def test_colour_words_are_taken_at_a_long_side_of_300(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert colour_words(RNG.random((3, *size))).shape == expected


def test_presence_says_which_words_a_patch_holds() -> None:
    words = RNG.integers(0, WORDS, (40, 50))
    presence = soft_segmentation._presence(words, 8)
    centres = [(row, column) for row in range(8, 32, 8) for column in range(8, 42, 8)]
    assert presence.shape == (len(centres), WORDS)
    for given, (row, column) in zip(presence, centres, strict=True):
        assert set(np.flatnonzero(given)) == set(words[row - 8 : row + 9, column - 8 : column + 9].ravel())
        assert set(np.unique(given)) <= {0, 1}


def test_a_patch_of_a_narrow_image_is_what_lies_in_it() -> None:
    words = RNG.integers(0, WORDS, (5, 40))
    presence = soft_segmentation._presence(words, 30)
    assert presence.shape == (1, WORDS)
    assert set(np.flatnonzero(presence[0])) == set(words[:, :17].ravel())


def test_the_subspace_is_the_smallest_that_holds_half_of_the_energy() -> None:
    rows = RNG.normal(size=(60, 12)) * np.linspace(3, 1, 12)
    centred = np.zeros((60, WORDS))
    centred[:, 100:112] = rows - rows.mean(0)
    energy, directions = principal_directions(centred)
    subspace = soft_segmentation._leading_subspace(centred)
    count = subspace.shape[1]
    assert energy[: count - 1].sum() < 0.5 * energy.sum() <= energy[:count].sum()
    np.testing.assert_allclose(subspace @ subspace.T, directions[:, :count] @ directions[:, :count].T, atol=1e-9)


def test_foregrounds_weigh_a_seed_against_its_opposite() -> None:
    words = RNG.choice([3, 70, 500, 1154], (60, 70), p=[0.4, 0.3, 0.2, 0.1])
    words[:, 35:] = RNG.choice([3, 900, 901], (60, 35))
    patches = soft_segmentation._presence(words, 8)
    mean = patches.mean(0)
    energy, directions = principal_directions(patches - mean)
    count = next(n for n in range(1, 99) if energy[:n].sum() >= energy.sum() / 2)
    table = soft_segmentation._foregrounds(words)
    for seed, presence in enumerate(soft_segmentation._presence(words, 30)):
        difference = sum(((presence - mean) @ axis) * axis for axis in directions.T[:count])
        for word in (3, 70, 500, 900, 901, 1154):
            towards, away = max(mean[word] + difference[word], 0), max(mean[word] - difference[word], 0)
            assert table[word, seed] == pytest.approx(towards / (towards + away), abs=1e-9)
    assert (table[2] == 0).all()


def test_components_of_words_are_the_components_of_their_pixels() -> None:
    words = RNG.choice(WORDS, 20, replace=False)[RNG.integers(0, 20, (24, 30))]
    table = RNG.random((WORDS, 12))
    pixels = table[words].reshape(-1, 12)
    _, directions = principal_directions(pixels - pixels.mean(0))
    expected = (pixels - pixels.mean(0)) @ directions[:, :8]
    given = soft_segmentation._components(table, np.bincount(words.ravel(), minlength=WORDS), 8)
    given = given[words].reshape(-1, 8)
    np.testing.assert_allclose(np.abs(given), np.abs(expected), atol=1e-9)
    signs = np.sign((given * expected).sum(0))
    np.testing.assert_allclose(given, signs * expected, atol=1e-9)


def test_fewer_components_than_maps_leave_the_rest_at_0() -> None:
    components = soft_segmentation._components(RNG.random((WORDS, 3)), np.ones(WORDS, dtype=np.int64), 8)
    assert components.shape == (WORDS, 8)
    assert (components[:, 3:] == 0).all()
    assert (components[:, :3] != 0).any(0).all()


def test_the_median_is_of_81_pixels_with_0_outside() -> None:
    channel = RNG.normal(size=(40, 13))
    padded = np.pad(channel, 4)
    expected = [[np.median(padded[r : r + 9, c : c + 9]) for c in range(13)] for r in range(40)]
    np.testing.assert_array_equal(soft_segmentation.median_filter(channel), expected)


def test_maps_are_scaled_jointly() -> None:
    maps = soft_segmentation.soft_segmentation(halves())
    assert maps.shape == (8, 60, 80)
    assert (maps.min(), maps.max()) == (0, pytest.approx(1))
    spans = np.ptp(maps, axis=(1, 2))
    assert spans[0] > 0.9
    assert spans[1:].max() < 0.9
    np.testing.assert_allclose(stretch(np.array([[-1.0, 1.0], [0.0, 3.0]])), [[0, 0.5], [0.25, 1]])


def test_halves_of_different_texture_are_far_apart_and_each_half_is_close() -> None:
    cue = SoftSegmentationCue()
    image = torch.from_numpy(halves()).float()[None]
    features = cue(image)
    distance = cue.distance(features, Window(3, dilation=20))[0]
    across, within = distance[5, 20:40, 21:39], distance[7, 10:30, [10, 20, 60, 70]]  # 20 pixels right, 20 down
    assert across.min() > 0.5
    assert within.max() < 0.15


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 200), (17, 17), (33, 64)])
def test_any_size_and_a_constant_image(size: tuple[int, int]) -> None:
    cue = SoftSegmentationCue()
    features = cue(torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)))
    assert features.shape == (1, 8, *size)
    assert torch.isfinite(features).all()
    assert (cue(torch.full((1, 3, *size), 0.3)) == 0).all()


@pytest.mark.slow  # segments eight times
def test_an_image_is_segmented_alone_and_every_time_the_same() -> None:
    cue = SoftSegmentationCue(maps=4)
    images = torch.rand(3, 3, 20, 26, generator=torch.Generator().manual_seed(2))
    together = cue(images)
    assert together.shape == (3, 4, 20, 26)
    for index in range(3):
        assert torch.equal(together[index : index + 1], cue(images[index : index + 1]))
    for dtype in (torch.float64, torch.bfloat16):
        assert cue(images.to(dtype)).dtype == dtype
    assert cue(torch.rand(0, 3, 20, 26)).shape == (0, 4, 20, 26)
    assert "maps=4, norm=2" in repr(cue)


@needs_tracing
@pytest.mark.slow  # traces
def test_it_is_an_operator_that_pytorch_knows() -> None:
    operator = torch.ops.crispseg.soft_segmentation.default
    torch.library.opcheck(operator, (torch.rand(2, 3, 9, 12), 4))
    exported = torch.export.export(SoftSegmentationCue(), (torch.rand(1, 3, 9, 12),)).module()
    image = torch.rand(1, 3, 9, 12)
    assert torch.equal(exported(image), SoftSegmentationCue()(image))


def test_resizing_keeps_a_ramp() -> None:
    ramp = np.linspace(0, 1, 64)[None, None].repeat(32, 1)
    small = resize_bicubic(ramp, (16, 32))
    np.testing.assert_allclose(small[0, 8, 4:-4], ramp[0, 0].reshape(-1, 2).mean(1)[4:-4], atol=1e-3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(1, 4, 8, 8), "image has 4 channels"),
        (torch.rand(1, 3, 0, 8), r"image has shape \(1, 3, 0, 8\); expected at least one pixel"),
        (torch.full((1, 3, 8, 8), torch.nan), "image holds NaN or infinity"),
    ],
)
def test_what_is_no_image_is_refused(image: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SoftSegmentationCue()(image)


@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:`torch.jit.script` is deprecated")
def test_a_derivative_by_the_image_is_refused_and_never_zero() -> None:
    cue, image = SoftSegmentationCue(2), torch.rand(1, 3, 20, 20)

    def total(pixels: Tensor) -> Tensor:
        features: Tensor = cue(pixels)
        return features.sum() + pixels.sum()

    modes: list[Callable[[], object]] = [
        lambda: torch.func.jvp(cue, (image,), (torch.ones_like(image),)),
        lambda: torch.func.grad(total)(image),
        lambda: torch.vmap(torch.func.grad(total))(image[None]),
        lambda: total(image.clone().requires_grad_()).backward(),
    ]
    for mode in modes:
        with pytest.raises(NotImplementedError, match=r"soft segmentations have no derivative; .*image\.detach\(\)"):
            mode()
    ones = torch.ones_like(image)
    torch.testing.assert_close(torch.func.grad(lambda x: cue(x.detach()).sum() + x.sum())(image), ones)
    torch.testing.assert_close(torch.vmap(cue)(image[None])[0], cue(image))
