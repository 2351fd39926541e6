"""Every kind of cue is exported with every kind of scores, and at any hardness."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crispseg import Sharpener, Window
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.export import export_onnx
from crispseg.models import EmbeddingNet
from crispseg.registry import CUES
from crispseg.scores import SCORES, Scores
from tests.marks import not_traced

MAKE: dict[str, Callable[[], Cue]] = {
    "learned": lambda: LearnedCue(EmbeddingNet(dim=4, width=4), norm=2),
    "rgb": RGBCue,
    "soft": SoftSegmentationCue,
    "contour": ContourCue,
}

PAIRS = list(zip(CUES.names(), SCORES, strict=True))
"""Each cue and each kind of scores once: they do not meet in an exported program, and an export takes seconds."""

pytestmark = not_traced


@pytest.mark.parametrize(("cue", "scores"), PAIRS)
def test_every_cue_and_every_kind_of_scores(cue: str, scores: Scores, tmp_path: Path) -> None:
    """With all that a program may hold: several windows, a score weight and the guard."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"window": "3@2,3", "passes": (2, 1), "score_weight": 0.5, "guard": 0.3}
    sharpener = Sharpener(MAKE[cue](), scores=scores, **options).eval()
    assert export_onnx(sharpener, tmp_path / "sharpener.onnx") < 1e-4


@pytest.mark.parametrize("hardness", [1e-3, 1e5])
def test_any_hardness(hardness: float, tmp_path: Path) -> None:
    """Without the guard."""
    sharpener = Sharpener(RGBCue(), window=Window(3), passes=1, hardness=hardness, guard=None)
    assert export_onnx(sharpener, tmp_path / "sharpener.onnx") < 1e-3
