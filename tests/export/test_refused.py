"""Sharpeners that cannot be exported are refused in one line, and nothing is written."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crispseg import InputError, Sharpener, Window
from crispseg.cli.main import main
from crispseg.cues import ContourCue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.export import export_onnx


class Untranslatable(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        basis: Tensor = torch.linalg.svd(image)[0]
        return basis


pytestmark = pytest.mark.onnx


@pytest.mark.parametrize(
    ("sharpener", "options", "message"),
    [
        (
            lambda: Sharpener(ContourCue()),
            {"features": False},
            "features is False, but ONNX cannot compute the features of ContourCue",
        ),
        (
            lambda: Sharpener(SoftSegmentationCue()),
            {"features": False},
            "cannot compute the features of SoftSegmentationCue",
        ),
        (lambda: Sharpener(RGBCue()), {"precision": "bfloat16"}, "precision is 'bfloat16'; expected one of 'float32'"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    sharpener: Callable[[], Sharpener], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        export_onnx(sharpener(), tmp_path / "sharpener.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_a_translation_is_refused(tmp_path: Path) -> None:
    sharpener = Sharpener(LearnedCue(Untranslatable()), window=Window(3), passes=1, guard=None, score_weight=0)
    with pytest.raises(InputError, match=r"LearnedCue cannot be exported to ONNX \(.*features=True"):
        export_onnx(sharpener, tmp_path / "sharpener.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--output", str(tmp_path)]) == 2
    assert "not a regular file; give the name of a file to write" in capsys.readouterr().err
    assert main(["export", "--cue", "none", "--output", str(tmp_path / "a.onnx")]) == 2
    assert "--cue none leaves nothing to export" in capsys.readouterr().err


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"'onnxscript'; install it with: pip install 'crispseg\[onnx\]'"):
        export_onnx(Sharpener(RGBCue()), tmp_path / "sharpener.onnx")
