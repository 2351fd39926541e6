"""A `SharpenedModel` in the place of its network: outputs of any type, and methods that skip the sharpener."""

from collections import defaultdict
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch

from crispseg import SharpenedModel, Sharpener


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
