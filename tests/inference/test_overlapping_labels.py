"""Labels that may overlap: masks that are nearly right stay so, though no scores are compared."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg import Sharpener, SharpenerConfig
from crispseg.scores import Scores
from tests.fakes import draw_scene


def iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def scenes() -> tuple[Tensor, Tensor]:
    """Images (4, 3, 48, 64) with little contrast, and masks (4, 3, 48, 64) of their labels."""
    pairs = [draw_scene(np.random.default_rng(seed)) for seed in range(4)]
    images = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image, _ in pairs]).float() / 255
    labels = torch.stack([torch.from_numpy(labels).long() for _, labels in pairs])
    return 0.5 + 0.25 * (images - 0.5), F.one_hot(labels, 3).permute(0, 3, 1, 2).bool()


@pytest.mark.parametrize("kind", ["multilabel", "multilabel_probabilities"])
@pytest.mark.parametrize("cue", ["learned", "rgb", "rgb:norm=2"])
def test_masks_that_are_right_stay_right(kind: Scores, cue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.faintness._USUAL", 0)  # these images are faint, which helps both
    images, masks = scenes()
    scores = masks.float() if kind == "multilabel_probabilities" else 18.0 * masks - 9
    even = 0.5 if kind == "multilabel_probabilities" else 0
    sharpener = Sharpener.from_config(SharpenerConfig(cue=cue, scores=kind))
    with torch.inference_mode():
        kept, alike = (one(images, scores) > even for one in (sharpener, sharpener.with_options(cue_weight=1)))
    assert iou(kept, masks) > 0.9
    assert iou(kept, masks) > iou(alike, masks) + 0.05


def test_the_image_counts_twice_unless_a_cue_weight_is_given() -> None:
    images, masks = scenes()
    scores = 6.0 * masks - 3
    sharpener = Sharpener.from_pretrained(scores="multilabel", window="5@2,5")
    harder = sharpener.with_options(cue_weight=1, hardness=2 * float(sharpener.hardness))
    with torch.inference_mode():
        torch.testing.assert_close(sharpener(images, scores), harder(images, scores))
