"""Errors about an image, or about the size of the result, name the remedy."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue

IMAGE, SCORES = torch.rand(1, 3, 48, 64), torch.randn(1, 5, 12, 16)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener(RGBCue(), window=3, passes=1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda image: image[0], r"\(3, 48, 64\); expected \(N, 3, H, W\): pass one image as image\[None\]"),
        (lambda image: image.movedim(1, -1), r"\(1, 48, 64, 3\); .* move the colours first with .*movedim"),
        (lambda image: image[0].movedim(0, -1), r"\(48, 64, 3\); .* move the colours first with .*movedim"),
        (lambda image: image[:, [0, 1, 2, 2]], r"\(1, 4, 48, 64\); .* without transparency: image\[:, :3\]"),
        (lambda image: image[:, :1], r"\(1, 1, 48, 64\); .* repeat grey with image.expand"),
        (lambda image: image[:, :2], r"\(1, 2, 48, 64\); expected \(N, 3, H, W\)$"),
        (lambda image: torch.where(image > 0.99, torch.nan, image), "image holds NaN; expected uint8"),
        (lambda image: 255 * image, "image runs from .* to 25.*divide it by 255"),
        (lambda image: 4 * image - 2, "image runs from -.*pass the image before normalisation"),
    ],
)
def test_the_remedy_fits_the_image(wrong: Callable[[Tensor], Tensor], said: str, sharpener: Sharpener) -> None:
    with pytest.raises(InputError, match=said):
        sharpener(wrong(IMAGE), SCORES)


@pytest.mark.parametrize("size", [20, (20,), (20, 30, 1), (20.0, 30.0), (0, 30), "ab"])
def test_a_wrong_output_size_is_named(size: object, sharpener: Sharpener) -> None:
    with pytest.raises(InputError, match=r"output_size is .*; expected \(height, width\), both above 0"):
        sharpener(IMAGE, SCORES, output_size=size)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_a_program_that_would_be_wrong_for_other_sizes_is_not_traced(sharpener: Sharpener) -> None:
    bilinear = sharpener.with_options(upsampling="bilinear")
    with pytest.raises(InputError, match=r"torch\.jit\.trace keeps .*; expected torch\.export\.export"):
        torch.jit.trace(bilinear, (IMAGE, SCORES), check_trace=False)
