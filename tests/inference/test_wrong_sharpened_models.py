"""Models, outputs and arguments that `SharpenedModel` cannot work with."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from crispseg import InputError, SharpenedModel, Sharpener
from crispseg.cues import RGBCue
from crispseg.inference import semantic_probabilities
from tests.inference.test_sharpened_model import MEAN, STD, image


@pytest.fixture
def sharpener() -> Sharpener:
    return Sharpener(RGBCue())


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("text", "the model returned str"),
        ({"masks": torch.zeros(2, 4, 8, 12)}, "dict with masks"),
        ((torch.zeros(3), 1), r"tuple that starts with Tensor \(3,\)"),
        ((), "tuple"),
        (SimpleNamespace(logits=torch.zeros(2, 4, 8, 12)), "cannot be replaced"),
    ],
)
def test_an_output_without_scores_is_refused(output: object, said: str, sharpener: Sharpener) -> None:
    with pytest.raises(TypeError, match=said):
        SharpenedModel(lambda _: output, sharpener)(image())


def test_bad_arguments_are_refused(sharpener: Sharpener) -> None:
    with pytest.raises(TypeError, match="model is int"):
        SharpenedModel(3, sharpener)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sharpener is Identity"):
        SharpenedModel(nn.Identity(), nn.Identity())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"given without .*expected both"):
        SharpenedModel(nn.Identity(), sharpener, mean=MEAN)
    with pytest.raises(InputError, match="std is"):
        SharpenedModel(nn.Identity(), sharpener, mean=MEAN, std=(1, 1, 0))
    with pytest.raises(InputError, match=r"mean is .*from 0 to 1: divide those of colours up to 255 by 255"):
        SharpenedModel(nn.Identity(), sharpener, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
    for wrong in (0.5, (0.1, 0.2), torch.zeros(4), "red", [None, 1, 2]):
        with pytest.raises(InputError, match=r"mean is .*expected three numbers"):
            SharpenedModel(nn.Identity(), sharpener, mean=wrong, std=STD)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no argument of the model is an image"):
        SharpenedModel(nn.Identity(), sharpener)(torch.zeros(2, 4, 8, 8))
    with pytest.raises(TypeError, match=r"expected .*class_queries_logits"):
        semantic_probabilities(torch.zeros(1, 2, 3, 3))
