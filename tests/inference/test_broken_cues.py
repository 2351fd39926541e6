"""A cue of one's own that gives NaN is named, no NaN comes out, and features of another cue are refused."""

import warnings
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crispseg import InputError, Sharpener, Window, sharpen_array
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.data import Prediction
from crispseg.inference.one_image import sharpen_one
from crispseg.inference.tiles import sharpen_tiled
from crispseg.ops import local_distance

IMAGE, SCORES = torch.full((1, 3, 16, 20), 0.5), torch.linspace(-1, 1, 80).reshape(1, 4, 4, 5)


class Broken(Cue):
    """Divides by 0 in its features or in its distances."""

    default_hardness: ClassVar[float] = 1.0
    default_passes: ClassVar[int] = 2

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def forward(self, image: Tensor) -> Tensor:
        contrast = image - image.mean((-1, -2), keepdim=True)
        return contrast / contrast.std() if self.where == "features" else image

    def distance(self, features: Tensor, window: Window) -> Tensor:
        distance = local_distance(features, window)
        return distance / distance[:, :1] if self.where == "distances" else distance


PIXELS = IMAGE[0].permute(1, 2, 0)
WAYS: dict[str, Callable[[Sharpener], object]] = {
    "tensors": lambda sharpener: sharpener(IMAGE, SCORES),
    "tiles": lambda sharpener: sharpen_tiled(IMAGE, SCORES, sharpener, memory="16GiB"),
    "array of scores": lambda sharpener: sharpen_array(PIXELS, SCORES[0], sharpener=sharpener),
    "label map": lambda sharpener: sharpen_array(PIXELS, np.eye(4, 5, dtype=np.uint8), sharpener=sharpener),
}


@pytest.mark.parametrize("where", ["features", "distances"])
@pytest.mark.parametrize("way", WAYS)
def test_a_cue_that_gives_nan_is_named(where: str, way: str) -> None:
    sharpener = Sharpener(Broken(where), window=Window(3))
    said = "320 of 320 pixels" if where == "features" else "distances or weights"
    with pytest.raises(InputError, match=f"Broken returned .*{said}.*expected"):
        WAYS[way](sharpener)


def test_so_is_a_network_whose_weights_broke() -> None:
    network = nn.Conv2d(3, 4, 3, padding=1)
    network.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="LearnedCue returned NaN or infinite features"):
        Sharpener(LearnedCue(network))(IMAGE, SCORES)


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        (lambda image: image[..., ::2, ::2], r"torch.float32 \(1, 3, 8, 10\) for an image \(1, 3, 16, 20\)"),
        (lambda image: image[0], r"torch.float32 \(3, 16, 20\)"),
        (lambda image: image.repeat(2, 1, 1, 1), r"torch.float32 \(2, 3, 16, 20\)"),
        (lambda image: image.long(), r"torch.int64 \(1, 3, 16, 20\)"),
        (lambda image: {"embedding": image}, "dict"),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_features_of_another_size_or_type_are_refused(
    gives: Callable[[Tensor], object], said: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RGBCue, "forward", lambda _, image: gives(image))
    with pytest.raises(InputError, match=f"RGBCue returned {said}.*; expected floating-point features.*resize them"):
        WAYS[way](Sharpener(RGBCue(), window=Window(3)))


def test_a_whole_cue_goes_through() -> None:
    assert torch.isfinite(Sharpener(Broken("nowhere"), window=Window(3))(IMAGE, SCORES)).all()


def test_features_of_another_cue_are_refused() -> None:
    features = torch.zeros(1, 5, 16, 20)
    for cue, channels in ((RGBCue(), 3), (SoftSegmentationCue(maps=4), 4), (ContourCue(), 1)):
        with pytest.raises(InputError, match=f"features have 5 channels; expected {channels} for {type(cue).__name__}"):
            Sharpener(cue)(IMAGE, SCORES, features=features)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(4), nn.Dropout(0.5)])
def test_a_network_in_training_mode_is_warned_of(layer: nn.Module) -> None:
    """Results differed from call to call in silence."""
    sharpener = Sharpener(LearnedCue(nn.Sequential(nn.Conv2d(3, 4, 1), layer)), window=3, passes=1)
    image, scores = torch.rand(1, 3, 8, 10), torch.randn(1, 2, 8, 10)
    with torch.inference_mode(), pytest.warns(UserWarning, match=f"training mode, in which {type(layer).__name__}"):
        sharpener(image, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sharpener(image, scores)  # with a gradient, to learn
        sharpener.eval()
        with torch.inference_mode():
            sharpener(image, scores)


@pytest.mark.parametrize("cue", [RGBCue(), SoftSegmentationCue(), LearnedCue(nn.Identity()), None], ids=str)
def test_boundary_maps_are_for_contour_cues_alone(cue: Cue | None) -> None:
    sharpener = Sharpener(cue) if cue is not None else None
    prediction = Prediction(torch.rand(3, 6, 8), "logits", (0, 1, 2))
    image = torch.zeros(3, 48, 64, dtype=torch.uint8)
    with pytest.raises(InputError, match="boundary maps were given, but the cue is"):
        sharpen_one(image, prediction, sharpener, torch.rand(1, 48, 64))
