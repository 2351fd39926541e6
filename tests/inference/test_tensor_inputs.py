"""Tensors that a sharpener cannot take are refused with the step that mends them."""

import re
from typing import Any

import pytest
import torch

from crispseg import InputError, Sharpener

IMAGE = torch.zeros(1, 3, 48, 64, dtype=torch.uint8)
SCORES = torch.zeros(1, 5, 6, 8)
LABELS = torch.zeros(1, 48, 64, dtype=torch.long)


@pytest.mark.parametrize(
    ("image", "scores", "remedy"),
    [
        (IMAGE[0], SCORES, "image[None]"),
        (IMAGE.movedim(1, -1), SCORES, "image.movedim(-1, -3)"),
        (IMAGE[0].movedim(0, -1), SCORES, "image.movedim(-1, -3)[None]"),
        (IMAGE[:, [0, 1, 2, 0]], SCORES, "image[:, :3]"),
        (IMAGE[:, :1], SCORES, "image.expand(-1, 3, -1, -1)"),
        (IMAGE[:, :1], SCORES[:, :3], "image.expand(-1, 3, -1, -1)"),
        (SCORES, IMAGE, "expected the image first"),
        (SCORES, IMAGE / 255, "expected the image first"),
        (IMAGE.float() + 255, SCORES, "divide it by 255"),
        (IMAGE.float() - 2, SCORES, "before normalisation"),
        (IMAGE.int(), SCORES, ".to(torch.uint8)"),
        (IMAGE, SCORES[0], "scores[None]"),
        (IMAGE, LABELS, "crispseg.sharpen_array takes label maps"),
        (IMAGE, LABELS[:, None], "crispseg.sharpen_array takes label maps"),
        (IMAGE, LABELS[:, None].expand(-1, 5, -1, -1), "convert one-hot labels with .float()"),
        (IMAGE, {"out": SCORES}, 'output["out"]'),
        (IMAGE, (SCORES,), "output[0]"),
        ("photo.jpg", SCORES, "crispseg.data.read_image(path)[None]"),
        (IMAGE, "scores.npy", "crispseg.data.read_prediction(path).scores[None]"),
        (IMAGE[0].numpy(), SCORES, "crispseg.sharpen_array"),
    ],
)
def test_the_remedy_is_named(image: Any, scores: Any, remedy: str) -> None:
    with pytest.raises((InputError, TypeError), match=re.escape(remedy)) as caught:
        Sharpener.from_pretrained(passes=1)(image, scores)
    assert "\n" not in str(caught.value)
