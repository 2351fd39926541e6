"""The demo leaves a picture, and its boundaries lie on the edges of the photograph."""

import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from crispseg.data import read_image, read_labels, read_prediction
from crispseg.inference.upsampling import resize

DEMO = Path(__file__).parents[1] / "demo" / "demo.py"


def contrast_at_boundaries(image: Tensor, labels: Tensor) -> float:
    """Mean difference of colour between side-by-side pixels of different labels."""
    pixels = image.float()
    values = []
    for axis in (0, 1):
        first, second = labels.narrow(axis, 0, labels.shape[axis] - 1), labels.narrow(axis, 1, labels.shape[axis] - 1)
        step = pixels.diff(dim=axis + 1).abs().sum(0)
        values.append(step[first != second])
    return float(torch.cat(values).mean())


@pytest.mark.slow  # runs the demo
def test_the_demo_sharpens_a_photograph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo = runpy.run_path(str(DEMO))
    assert demo["run"](tmp_path) == 0
    picture = tmp_path / "before_after" / "china.png"
    assert str(picture) in capsys.readouterr().out
    with Image.open(picture) as opened:
        assert opened.size == (3 * 640 + 2 * 6, 22 + 2 * 427 + 6)
    image = read_image(demo["PHOTOGRAPH"])
    coarse = read_prediction(DEMO.parent / "coarse_mask.png")
    before = coarse.labels(resize(coarse.scores[None], (427, 640))[0])
    after = read_labels(tmp_path / "china.png").labels
    assert contrast_at_boundaries(image, after) > 1.5 * contrast_at_boundaries(image, before)
