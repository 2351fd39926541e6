"""Faint images: what is in them stays, though all their differences are small."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import Sharpener
from crispseg.data.pixels import TensorPixels
from crispseg.inference.faintness import faintness, faintness_of_pixels
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.tiles import sharpen_label_map_tiled, sharpen_tiled
from tests.fakes import PHOTO
from tests.inference.test_nodata import Holed

SIZE = (120, 160)


def scene(contrast: float) -> tuple[Tensor, Tensor]:
    """Return a (3, H, W) image with a disc and a little noise, and the (H, W) labels of both."""
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    labels = ((rows - 60) ** 2 + (columns - 80) ** 2 < 20**2).long()
    noise = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return (0.5 + contrast * (labels - 0.5) + 0.005 * noise).clamp(0, 1), labels


def scores_of(labels: Tensor) -> Tensor:
    """Return (1, 2, h, w) logits at 1/4, unsure along the boundary."""
    shares = torch.nn.functional.avg_pool2d(torch.stack([1 - labels, labels])[None].float(), 4)
    return torch.log(shares * 0.99 + 0.005)


def by_scores(sharpener: Sharpener, image: Tensor, labels: Tensor) -> Tensor:
    crisp: Tensor = sharpener(image[None], scores_of(labels))
    return crisp[0].argmax(0)


def by_labels(sharpener: Sharpener, image: Tensor, labels: Tensor) -> Tensor:
    return sharpen_label_map(image, labels[::4, ::4], sharpener)


@pytest.mark.parametrize("sharpened", [by_scores, by_labels])
@pytest.mark.parametrize("contrast", [0.8, 0.1, 0.03])
def test_what_a_faint_image_shows_stays(
    sharpened: Callable[[Sharpener, Tensor, Tensor], Tensor], contrast: float
) -> None:
    image, labels = scene(contrast)
    with torch.inference_mode():
        crisp = sharpened(Sharpener.from_pretrained(grid="stretched"), image, labels)
    assert (crisp & labels).sum() / (crisp | labels).sum() > 0.86  # the nearest label has 0.85


@pytest.mark.parametrize("contrast", [0.8, 0.05])
def test_tiles_know_how_faint_the_whole_image_is(contrast: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.tiles.tile_side", lambda *_: 56)
    monkeypatch.setattr("crispseg.inference.faintness._AT_ONCE", 50)
    image, labels = scene(contrast)
    sharpener = Sharpener.from_pretrained(grid="stretched", window="5@2,5")
    scores = scores_of(labels)
    with torch.inference_mode():
        whole = sharpener(image[None], scores)
    torch.testing.assert_close(
        sharpen_tiled(image[None], scores, sharpener, memory="16GiB"), whole, rtol=1e-4, atol=1e-4
    )
    coarse = labels[::4, ::4]
    tiled = sharpen_label_map_tiled(image, coarse, sharpener, memory="16GiB")
    assert torch.equal(tiled, sharpen_label_map(image, coarse, sharpener))


def test_each_image_of_a_batch_has_a_factor_of_its_own() -> None:
    images = torch.cat([PHOTO, PHOTO * 0.05, PHOTO * 0])
    assert faintness(images).shape == (3, 1, 1, 1)
    assert faintness(images).flatten().tolist() == pytest.approx([1, 3.2, 10])
    assert faintness((255 * images).round().byte()).flatten().tolist() == pytest.approx([1, 3.14, 10], rel=0.01)


def test_pixels_without_data_say_nothing_of_how_faint_an_image_is() -> None:
    image = 0.05 * PHOTO[0].repeat(1, 12, 4)
    there = torch.ones(image.shape[-2:], dtype=torch.bool)
    there[:10] = False
    filled = image.where(there, 1.0)
    assert faintness_of_pixels(Holed(filled, there)).item() == pytest.approx(3.2)
    assert faintness_of_pixels(TensorPixels(image)).item() == pytest.approx(faintness(image[None]).item())
    assert faintness_of_pixels(TensorPixels(filled)).item() == 1
