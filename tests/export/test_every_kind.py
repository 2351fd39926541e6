"""Cues and kinds of scores that no other program of the tests has are exported, too."""

from pathlib import Path
from typing import Any

import pytest
import torch

from crispseg import Sharpener
from crispseg.cues import ContourCue, Cue, SoftSegmentationCue
from crispseg.export import export_onnx
from crispseg.registry import CUES
from crispseg.scores import SCORES, Scores
from tests.export.test_grids import LYING
from tests.marks import not_traced

pytestmark = not_traced

PAIRS = [
    pytest.param(SoftSegmentationCue, "multilabel", {}, 1e-4, id="soft"),
    pytest.param(ContourCue, "multilabel_probabilities", {"hardness": 1e5}, 1e-3, id="contour"),
]
"""Each cue and each kind of scores once: they do not meet in an exported program, and an export takes seconds.

A large hardness multiplies rounding. test_onnx.py exports contours with their own hardness, test_grids.py a small one.
"""

ELSEWHERE = {"cues": {"rgb", "learned"}, "scores": {kind for kind, _ in LYING.values()}}
"""The cues and kinds of scores that test_grids.py and test_onnx.py export."""


@pytest.mark.parametrize(("cue", "scores", "hardness", "tolerance"), PAIRS)
def test_cues_and_kinds_of_scores(
    cue: type[Cue], scores: Scores, hardness: dict[str, Any], tolerance: float, tmp_path: Path
) -> None:
    """With all that a program may hold: several windows, a score weight and the guard."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"window": "3@2,3", "passes": (2, 1), "score_weight": 0.5, "guard": 0.3}
    sharpener = Sharpener(cue(), scores=scores, **options, **hardness).eval()
    assert export_onnx(sharpener, tmp_path / "sharpener.onnx") < tolerance


def test_every_cue_and_every_kind_of_scores_is_exported_somewhere() -> None:
    assert {str(pair.id) for pair in PAIRS} | ELSEWHERE["cues"] == set(CUES)
    assert {pair.values[1] for pair in PAIRS} | ELSEWHERE["scores"] == set(SCORES)
