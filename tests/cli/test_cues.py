"""The commands take any cue and a dense CRF, and say which options do not go together."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crispseg.cli.main import main
from crispseg.cli.parsers import evaluate
from crispseg.cli.stages import build_stages
from crispseg.config_values import LADDER_PASSES
from crispseg.data import read_labels
from crispseg.registry import CUES
from tests.fakes import options_of, write_boundaries, write_scored_folder
from tests.marks import needs_pydensecrf


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with labels, coarse scores and boundary maps, in `images`, `labels`, `scores` and `edges`."""
    write_scored_folder(tmp_path)
    write_boundaries(tmp_path, tmp_path / "edges")
    return tmp_path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def cue_options(root: Path, cue: str) -> list[object]:
    return ["--cue", cue, *(["--boundaries", root / "edges"] if cue == "contour" else [])]


def evaluated(root: Path, *options: object) -> dict[str, Any]:
    assert run("evaluate", *options_of(root), "--json", root / "result.json", *options) == 0
    result: dict[str, Any] = json.loads((root / "result.json").read_text())
    return result


@pytest.mark.parametrize("cue", list(CUES))
def test_evaluate_takes_any_cue_with_its_own_defaults(cue: str, root: Path) -> None:
    settings = evaluated(root, *cue_options(root, cue))["settings"]
    kind = CUES.named(cue)
    said = {"learned": "learned:norm=1", "rgb": "rgb:norm=1", "soft": "soft:maps=8,norm=2", "contour": "contour"}
    assert settings["cue"] == said[cue]
    assert settings["window"] == kind.default_window
    assert float(settings["hardness"]) == kind.default_hardness
    usual = LADDER_PASSES if "," in kind.default_window else kind.default_passes
    assert int(settings["passes"]) == usual


@pytest.mark.parametrize("cue", list(CUES))
def test_every_cue_gains(cue: str, root: Path) -> None:
    result = evaluated(root, *cue_options(root, cue), "--window", 7, "--passes", 5)
    assert result["after"]["miou"] > result["before"]["miou"] + 0.5
    assert result["settings"]["passes"] == "5"


def test_arguments_of_the_cue_follow_its_name(root: Path) -> None:
    by_norm = [evaluated(root, "--cue", f"rgb:norm={norm}", "--hardness", 0.5) for norm in (1, 2)]
    assert [result["settings"]["cue"] for result in by_norm] == ["rgb:norm=1", "rgb:norm=2"]
    assert by_norm[0]["after"] != by_norm[1]["after"]


def test_bfloat16_is_hardly_less_accurate(root: Path) -> None:
    full, half = (evaluated(root, "--precision", precision) for precision in ("float32", "bfloat16"))
    assert (full["settings"].get("precision"), half["settings"]["precision"]) == (None, "bfloat16")
    options = evaluate.build_parser().parse_args([str(part) for part in [*options_of(root), "--precision", "bfloat16"]])
    sharpener = build_stages(options).sharpener
    assert sharpener is not None
    assert {parameter.dtype for parameter in sharpener.cue.parameters()} == {torch.bfloat16}
    assert half["after"]["miou"] == pytest.approx(full["after"]["miou"], abs=0.5)


def test_sharpen_along_the_boundaries_of_one_image_or_of_a_folder(root: Path) -> None:
    image, scores, edges = (root / name / f"scene1.{end}" for name, end in zip(
        ("images", "scores", "edges"), ("png", "npy", "png"), strict=True
    ))  # fmt: skip
    options = ["--cue", "contour", "--passes", 4]
    one = [image, "--predictions", scores, "--boundaries", edges, "--output", root / "one"]
    many = [root / "images", "--predictions", root / "scores"]
    assert run("sharpen", *one, *options) == 0
    assert run("sharpen", *many, "--boundaries", root / "edges", "--output", root / "many", *options) == 0
    by_file, by_folder = (read_labels(root / name / "scene1.png").labels for name in ("one", "many"))
    assert (by_file == by_folder).all()
    assert run("sharpen", *many, "--output", root / "rgb", "--cue", "rgb") == 0
    assert (by_file != read_labels(root / "rgb" / "scene1.png").labels).any()


@pytest.mark.parametrize("cue", list(CUES))
def test_tune_searches_over_any_cue_and_evaluate_agrees(
    cue: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*options_of(root), *cue_options(root, cue)]
    assert run("tune", *options, "--window", 7, "--passes", 1, 5) == 0
    printed = capsys.readouterr().out
    best = re.search(r"best: (--window .*)\ngained ([+-][\d.]+) mIoU and ([+-][\d.]+) trimap", printed)
    assert best
    for hardness in (0.4, 0.6, 0.8, 1, 1.6, 2.4):
        assert f"{hardness * CUES.named(cue).default_hardness:g} " in printed
    assert run("evaluate", *options, *best[1].split()) == 0
    assert f"mIoU {best[2]}, trimap {best[3]}" in capsys.readouterr().out


def test_tune_says_where_to_go_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*options_of(root), "--cue", "rgb", "--window", 7]
    assert run("tune", *options, "--hardness", 0.5, 1, "--passes", 3, 6) == 0
    assert (
        "at the end of what was tried: try higher --hardness than 1 and lower --passes than 3"
        in capsys.readouterr().out
    )
    assert run("tune", *options, "--hardness", 40, "--passes", 3) == 0
    assert "at the end" not in capsys.readouterr().out


@needs_pydensecrf
def test_a_crf_follows_the_filter_or_stands_alone(root: Path) -> None:
    numbers = "0.5,20,60,0,1"
    plain = evaluated(root, "--cue", "rgb", "--hardness", 10)
    both = evaluated(root, "--cue", "rgb", "--hardness", 10, "--crf", numbers)
    alone = evaluated(root, "--cue", "none", "--crf", numbers)
    assert plain["before"] == both["before"] == alone["before"]
    assert plain["after"] != both["after"] != alone["after"]
    assert alone["after"]["miou"] > alone["before"]["miou"] + 0.5
    assert alone["settings"]["crf"]["bilateral_xy"] == 20
    assert set(alone["settings"]) == {"cue", "crf", "grid"}
    named = evaluated(root, "--cue", "none", "--crf", "MSc-COCO-LargeFOV")
    assert named["settings"]["crf"]["bilateral_xy"] == 59
    images = [root / "images", "--predictions", root / "scores", "--output", root / "out", "--save-scores"]
    assert run("sharpen", *images, "--cue", "none", "--crf", "MSc-LargeFOV") == 0
    assert (root / "out" / "scores" / "scene2.safetensors").is_file()


@needs_pydensecrf
def test_tune_finds_a_crf_and_evaluate_agrees(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--bilateral-weight", 0.5, 1, "--bilateral-xy", 4, "--bilateral-rgb", 40, 60, "--spatial-weight", 0.1]
    before = ["--cue", "rgb", "--hardness", 100]
    assert run("tune", *options_of(root), *before, "--crf", *grid, "--rounds", 1) == 0
    printed = capsys.readouterr().out
    best = re.search(r"best: (--crf .*)\ngained ([+-][\d.]+) mIoU and [+-][\d.]+ trimap over ([\d.]+) mIoU", printed)
    assert best
    assert re.search(r"best of \d+ CRFs", printed)
    result = evaluated(root, *before, *best[1].split())
    assert evaluated(root, *before)["after"]["miou"] == pytest.approx(float(best[3]), abs=0.01)
    assert result["after"]["miou"] == pytest.approx(float(best[3]) + float(best[2]), abs=0.02)


def test_a_missing_crf_is_said_before_any_work(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    assert run("evaluate", *options_of(root), "--crf", "MSc") == 2
    error = capsys.readouterr().err
    assert "install it with: pip install 'crispseg[crf]'" in error
    assert error.count("\n") == 1


EVALUATE = {
    "contour without boundaries": (["--cue", "contour"], "--cue contour needs boundary maps; add --boundaries"),
    "boundaries for an embedding": (["--boundaries", "{}/edges"], "--boundaries does not go with --cue learned"),
    "boundaries for colours": (["--cue", "rgb", "--boundaries", "{}/edges"], "--boundaries does not go with --cue rgb"),
    "weights for colours": (["--cue", "rgb", "--weights", "w"], "--weights does not go with --cue rgb"),
    "a precision for colours": (
        ["--cue", "rgb", "--precision", "bfloat16"],
        "--precision does not go with --cue rgb, which has no network; leave one of them out",
    ),
    "weights for soft": (["--cue", "soft", "--weights", "w"], "--weights does not go with --cue soft"),
    "a norm for contours": (
        ["--cue", "contour:norm=1", "--boundaries", "{}/edges"],
        "cue 'contour' has no argument 'norm'",
    ),
    "hardness for nothing": (["--cue", "none", "--crf", "MSc", "--hardness", "1"], "--hardness does not go with"),
    "window for nothing": (["--cue", "none", "--crf", "MSc", "--window", "15"], "--window does not go with --cue none"),
    "device for nothing": (["--cue", "none", "--crf", "MSc", "--device", "cpu"], "--device does not go with"),
    "nothing at all": (["--cue", "none"], "--cue none changes nothing by itself; add --crf"),
    "an unknown cue": (["--cue", "depth"], "cue is 'depth'; expected one of 'learned', 'rgb', 'soft', 'contour'"),
    "an unknown CRF": (["--crf", "VGG"], "CRF is 'VGG'; expected five comma-separated numbers"),
    "missing boundaries": (
        ["--cue", "contour", "--boundaries", "{}/none"],
        "boundary map {}/none: no such file or folder; check the path",
    ),
    "boundaries of another aspect": (
        ["--cue", "contour", "--boundaries", "{}/tall"],
        "{}/tall/scene0.npy: image is 48x64 but its boundaries are 8x6, another aspect ratio; expected boundaries",
    ),
}


@pytest.mark.parametrize("case", EVALUATE)
def test_wrong_combinations_are_refused(case: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "tall").mkdir()
    for index in range(3):
        np.save(root / "tall" / f"scene{index}.npy", np.zeros((8, 6), dtype=np.float32))
    options, message = EVALUATE[case]
    assert run("evaluate", *options_of(root), *(option.format(root) for option in options)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"crispseg evaluate: error: {message.format(root)}"), error
    assert error.count("\n") == 1


TUNE: list[tuple[list[str], str]] = [
    (["--cue", "none"], "--cue none has nothing to tune without --crf; choose a cue: learned"),
    (["--rounds", "1"], "--rounds is for the CRF; add --crf"),
    (["--bilateral-xy", "10"], "--bilateral-xy is for the CRF; add --crf"),
    (["--crf", "--hardness", "1", "2"], "--hardness takes one value with --crf: the CRF is tuned"),
    (["--crf", "--cue", "none", "--window", "9"], "--window does not go with --cue none"),
    (["--crf", "--bilateral-xy", "0"], "bilateral_xy is 0.0; expected a number above 0"),
    (["--crf", "--rounds", "-1"], "rounds is -1; expected a number of 0 or more"),
]


@pytest.mark.parametrize(
    ("options", "message"),
    [pytest.param(*case, marks=needs_pydensecrf if "--crf" in case[0] else ()) for case in TUNE],
)
def test_tune_refuses_wrong_combinations(
    options: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tune", *options_of(root), *options) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"crispseg tune: error: {message}"), error
    assert error.count("\n") == 1
