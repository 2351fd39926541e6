"""`crispseg boundaries` measures folders, and names what does not fit."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from crispseg.cli.main import main
from crispseg.data import read_boundaries
from tests.fakes import write_bsds500


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ground truth of three images in `groundTruth/train`, and what its first annotator drew in `maps`."""
    write_bsds500(tmp_path, 3)
    (tmp_path / "maps").mkdir()
    for path in (tmp_path / "groundTruth" / "train").iterdir():
        drawn = read_boundaries(path)[0].numpy()
        Image.fromarray((drawn * 255).astype(np.uint8)).save(tmp_path / "maps" / f"{path.stem}.png")
    return tmp_path


def run(root: Path, *options: object) -> int:
    arguments = ["boundaries", "--predictions", root / "maps", "--truth", root / "groundTruth" / "train", *options]
    return main([str(argument) for argument in arguments])


def test_what_an_annotator_drew_is_precise_and_finds_all(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--thinned", "--thresholds", 3, "--workers", 0)
    assert run(root, *options, "--json", root / "out" / "result.json") == 0
    result = json.loads((root / "out" / "result.json").read_text())
    assert result["images"] == 3
    assert result["settings"] == {"thresholds": 3, "max_distance": 0.0075, "thinned": True}
    assert result["ods"]["precision"] == 1
    assert 0.75 < result["ods"]["recall"] < 1  # what was drawn has steps, which thinning cuts
    assert result["ois"]["f"] >= result["ods"]["f"]
    printed = capsys.readouterr().out
    assert "Boundaries of 3 images" in printed
    assert f"{result['ods']['f']:.3f}" in printed


def test_workers_make_no_difference(root: Path) -> None:
    for workers in (0, 2):
        options = ("--thresholds", 2, "--workers", workers)
        assert run(root, *options, "--json", root / f"{workers}.json") == 0
    assert (root / "0.json").read_text() == (root / "2.json").read_text()


def test_arrays_are_read_too(root: Path) -> None:
    for path in (root / "maps").iterdir():
        np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).astype(np.float32) / 255)
    options = ("--thinned", "--thresholds", 2, "--workers", 0, "--json")
    assert run(root, *options, root / "arrays.json") == 2  # two of one name
    for path in (root / "maps").glob("*.png"):
        path.rename(root / path.name)
    assert run(root, *options, root / "arrays.json") == 0
    assert json.loads((root / "arrays.json").read_text())["ods"]["precision"] == 1


def test_a_map_of_another_size_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((10, 12), dtype=np.uint8)).save(root / "maps" / "101.png")
    assert run(root, "--thresholds", 2, "--workers", 0, "--json", root / "result.json") == 2
    error = capsys.readouterr().err
    assert f"error: {root}/maps/101.png: boundary map has shape (10, 12), annotators (2, 48, 64)" in error
    assert error.count("\n") == 1
    assert not (root / "result.json").exists()


def test_what_is_missing_or_senseless_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "maps" / "102.png").unlink()
    assert run(root) == 2
    assert "for 1 of 3 images, first for '102'" in capsys.readouterr().err
    (root / "groundTruth" / "train" / "102.mat").unlink()
    for option, value, message in (("--workers", -1, "workers is -1"), ("--thresholds", 0, "thresholds is 0")):
        assert run(root, "--workers", 0, option, value) == 2
        assert message in capsys.readouterr().err
    savemat(root / "groundTruth" / "train" / "100.mat", {"something": np.zeros(3)})
    assert run(root, "--workers", 0) == 2
    assert "100.mat: not a BSDS500 ground truth" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    assert run(root, "--workers", 0) == 2
    assert "install it with: pip install 'crispseg[data]'" in capsys.readouterr().err
