"""An exported sharpener does in onnxruntime what it does in PyTorch, at any size, or is not written."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, Window
from crispseg.cli.main import main
from crispseg.cues import ContourCue, LearnedCue, RGBCue
from crispseg.export import export_onnx
from crispseg.export import onnx as exporter
from crispseg.models import EmbeddingNet
from tests.marks import not_traced

SIZES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 3, 33, 47), (1, 7, 9, 11)),
    ((3, 3, 24, 32), (3, 2, 24, 32)),
    ((1, 3, 9, 5), (1, 1, 3, 2)),
    ((2, 3, 30, 23), (2, 150, 40, 31)),
)
"""Shapes of image and scores."""


def learned() -> Sharpener:
    torch.manual_seed(0)
    cue = LearnedCue(EmbeddingNet(dim=4, width=4), norm=2)
    return Sharpener(cue, window=Window(5, 2), hardness=0.3, passes=2).eval()


def sizes_of(file: Path) -> list[list[int | str]]:
    graph = onnx.load(file).graph
    dimensions = [value.type.tensor_type.shape.dim for value in (*graph.input, *graph.output)]
    return [[dim.dim_param or dim.dim_value for dim in shape] for shape in dimensions]


def run(file: Path, **inputs: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(result)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sharpener of `learned`."""
    path = tmp_path_factory.mktemp("export") / "sharpener.onnx"
    sharpener = learned()
    assert export_onnx(sharpener, path) < 1e-4
    assert next(sharpener.parameters()).requires_grad
    return path


@pytest.mark.parametrize("size", SIZES)
def test_it_gives_the_same_at_any_size(size: tuple[tuple[int, ...], tuple[int, ...]], file: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    image, scores = torch.rand(size[0], generator=generator), 2 * torch.randn(size[1], generator=generator)
    with torch.inference_mode():
        expected = learned()(image, scores)
    torch.testing.assert_close(run(file, image=image, scores=scores), expected, rtol=0, atol=1e-4)


def test_it_says_what_it_is(file: Path) -> None:
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == exporter.OPSET
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    weights = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    assert file.stat().st_size - weights < 130_000
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["image", "scores", "crisp"]
    assert sizes_of(file) == [
        ["batch", 3, "height", "width"],
        ["batch", "classes", "rows", "columns"],
        ["batch", "classes", "height", "width"],
    ]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts.pop("crispseg_version") == model.producer_version
    assert facts == {
        "image": "RGB in [0, 1]",
        "scores": "logits",
        "crisp": "log-probabilities",
        "cue_weight": "auto",
        "score_weight": "auto",
        "negligible": "0.01",
        "cue": "learned:norm=2",
        "window": "5@2",
        "hardness": "0.3",
        "passes": "2",
        "upsampling": "joint",
        "grid": "centres",
        "guard": "0.4",
        "precision": "float32",
        "operators": "standard",
    }


def test_contours_take_boundaries_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "contour.onnx"
    options = ("--cue", "contour", "--window", "5", "--passes", "1", "--scores", "probabilities", "--guard", "none")
    assert main(["export", *options, "--output", str(path)]) == 0
    said = capsys.readouterr()
    assert "contour.onnx  0." in said.out
    assert not said.err
    features, scores = torch.rand(2, 1, 19, 26), torch.rand(2, 3, 5, 7).softmax(1)
    sharpener = Sharpener(ContourCue(), window=Window(5), passes=1, scores="probabilities", guard=None)
    expected = sharpener(torch.zeros(2, 3, 19, 26), scores, features=features)
    torch.testing.assert_close(run(path, features=features, scores=scores), expected, rtol=0, atol=1e-4)


@not_traced
def test_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    sharpener = Sharpener(RGBCue(), window=Window(3), passes=2, hardness=4.0, scores="probabilities")
    assert export_onnx(sharpener, path, precision="float16") < 2e-3
    image, scores = torch.rand(1, 3, 17, 20), torch.rand(1, 4, 5, 6).softmax(1)
    result = run(path, image=image.half(), scores=scores.half())
    assert result.dtype == torch.float16
    torch.testing.assert_close(result.float(), sharpener(image, scores), rtol=0, atol=2e-3)
    assert sharpener.hardness.dtype == torch.float32


class Replaced:
    """Stands for what the exporter of PyTorch gives, and writes another program."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def save(self, path: Path) -> None:
        path.write_bytes(self.file.read_bytes())


@pytest.mark.parametrize("wrong", ["other results", "no program"])
def test_a_file_that_does_something_else_is_not_written(
    wrong: str, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if wrong == "no program":
        file = tmp_path / "empty"
        file.touch()
    monkeypatch.setattr(exporter, "_exported", lambda *_: Replaced(file))
    monkeypatch.setattr(exporter, "_describe", lambda *_: None)
    harder = learned()
    harder.fixed_hardness *= 2
    message = "differ from PyTorch's by" if wrong == "other results" else "onnxruntime cannot load the program"
    folder = tmp_path / "output"
    with pytest.raises(InputError, match=message):
        export_onnx(harder, folder / "sharpener.onnx")
    assert list(folder.iterdir()) == []


def test_the_largest_difference_is_that_of_the_worst_size(file: Path) -> None:
    from crispseg.export.check import largest_difference  # noqa: PLC0415 - needs the extra
    from crispseg.export.program import Program  # noqa: PLC0415

    same = learned()
    other = same.with_options(scores="probabilities")
    assert largest_difference(file, Program(same, "float32", takes_features=False)) < 1e-4
    assert largest_difference(file, Program(other, "float32", takes_features=False)) > 0.1
    assert np.isfinite(largest_difference(file, Program(other, "float32", takes_features=False)))
