"""Results are ordinary tensors: a network may be trained on them, as on labels that were drawn."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import Sharpener, sharpen_masks, sharpen_objects
from crispseg.data.pixels import TensorPixels
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.tiles import sharpen_label_map_tiled, sharpen_tiles

IMAGE, LABELS = torch.rand(3, 24, 32), torch.arange(24 * 32).reshape(24, 32) // 400
SHARPENER = Sharpener.from_pretrained(window=5, passes=1)
MASKS = LABELS[None] == torch.arange(2)[:, None, None]


def tiles() -> Tensor:
    scores = torch.randn(4, 24, 32)
    return next(iter(sharpen_tiles(TensorPixels(IMAGE), TensorPixels(scores), SHARPENER, memory="64GiB"))).scores


RESULTS: dict[str, Callable[[], Tensor]] = {
    "masks": lambda: torch.as_tensor(sharpen_masks(IMAGE, MASKS)),
    "soft masks": lambda: torch.as_tensor(sharpen_masks(IMAGE, MASKS, soft=True)),
    "objects": lambda: sharpen_objects(IMAGE, {"pred_masks": torch.randn(1, 2, 6, 8)})["pred_masks"],
    "labels": lambda: sharpen_label_map(IMAGE, LABELS, SHARPENER),
    "labels in tiles": lambda: sharpen_label_map_tiled(IMAGE, LABELS, SHARPENER, memory="64GiB"),
    "scores in tiles": tiles,
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_network_is_trained_on_a_result(name: str) -> None:
    target = RESULTS[name]()
    assert not target.is_inference()
    assert not target.requires_grad
    weight = torch.ones(1, requires_grad=True)
    (weight * target).sum().backward()  # keeps the target
    assert weight.grad is not None
