"""A `SharpenedModel` in the place of its network: outputs of any type, and methods that skip the sharpener."""

from collections import defaultdict
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from crispseg import SharpenedModel, Sharpener
from crispseg.cues import RGBCue


class Seen(RGBCue):
    """Keeps the images that it gets."""

    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return super().forward(image)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(window=5, passes=1)


def test_a_dictionary_stays_of_its_type_and_the_given_one_as_it_is(sharpener: Sharpener) -> None:
    given: dict[str, Any] = defaultdict(list, out=torch.randn(1, 4, 8, 12))
    crisp = SharpenedModel(lambda _: given, sharpener)(torch.rand(1, 3, 32, 48))
    assert (crisp["out"].shape, given["out"].shape, crisp["more"]) == ((1, 4, 32, 48), (1, 4, 8, 12), [])


@pytest.mark.parametrize("name", ["predict", "save_pretrained", "push_to_hub"])
def test_methods_that_leave_out_the_sharpener_are_refused(name: str, sharpener: Sharpener) -> None:
    model = SharpenedModel(smp.Unet("resnet18", encoder_weights=None), sharpener)
    assert callable(getattr(model.model, name))
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=rf"{name} of Unet would leave out the sharpener; .* \.model\.{name}"):
        getattr(model, name)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.004), (torch.float16, 5e-4), (torch.float64, 1e-7)])
def test_the_normalisation_is_undone_as_exactly_as_the_precision_allows(
    dtype: torch.dtype, most: float, sharpener: Sharpener
) -> None:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image, seen = torch.rand(1, 3, 32, 48), list[Tensor]()
    model = SharpenedModel(nn.Conv2d(3, 4, 8, stride=8), sharpener, mean=mean, std=std).to(dtype)
    model.sharpener = Sharpener(Seen(seen))
    model(((image - mean[:, None, None]) / std[:, None, None]).to(dtype))
    assert (seen[0] - image).abs().max() < most
    assert not dict(model.named_buffers(recurse=False))
