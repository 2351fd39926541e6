"""Each level of a sharpener compares pixels with weights of its own."""

from typing import Any

import pytest
import torch

from crispseg import Sharpener, Window
from crispseg.cues import RGBCue
from crispseg.ops import affinity, local_distance, local_filter


@pytest.mark.parametrize("norm", [1, 2])
def test_each_level_weighs_the_image_and_the_scores_on_its_own(norm: int) -> None:
    image, probabilities = torch.rand(1, 3, 24, 32), torch.randn(1, 3, 24, 32).softmax(1)
    options: dict[str, Any] = {"window": "3@4,3", "passes": (1, 2), "hardness": 2.0, "guard": None}
    sharpener = Sharpener(
        RGBCue(norm=norm), scores="probabilities", cue_weight=(0.4, 1.5), score_weight=(2.0, 0), **options
    )
    expected = probabilities
    for window, passes, cue_weight, score_weight in [(Window(3, dilation=4), 1, 0.4, 2), (Window(3), 2, 1.5, 0)]:
        both = torch.cat([cue_weight * image, score_weight * probabilities], 1)
        expected = local_filter(expected, affinity(local_distance(both, window, norm=norm), 2.0), window, passes=passes)
    torch.testing.assert_close(sharpener(image, probabilities), expected, rtol=1e-4, atol=1e-5)
