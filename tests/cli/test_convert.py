"""`crispseg convert` writes weights that the other commands read, and refuses what it cannot."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from crispseg.cli.main import main
from crispseg.data import read_labels
from crispseg.models.saving import saved_network
from crispseg.models.state import load_metadata
from tests.fakes import write_scored_folder
from tests.models import caffe


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def caffemodel(tmp_path: Path) -> Path:
    path = tmp_path / "embs.caffemodel"
    path.write_bytes(caffe.caffemodel_bytes(caffe.embedding_blobs()))
    return path


def test_a_converted_embedding_sharpens(caffemodel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made" / "embs.safetensors"
    assert run("convert", caffemodel, "--to", "embedding", "--output", output) == 0
    assert capsys.readouterr().out == (
        f"{output}  EmbeddingNet, dim 64, width 64, pool 3x3, rgb True, bias True, stride 1, colours False, "
        "0.6 million parameters\n"
    )
    assert load_metadata(output)["source"] == "embs.caffemodel"
    write_scored_folder(tmp_path, 1)
    scene, scores = tmp_path / "images" / "scene0.png", tmp_path / "scores" / "scene0.npy"
    assert run("sharpen", scene, "--predictions", scores, "--output", tmp_path / "out", "--weights", output) == 0
    assert read_labels(tmp_path / "out" / "scene0.png").labels.shape == (48, 64)


@pytest.mark.slow  # makes all of HED
def test_hed_is_written_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "hed.caffemodel").write_bytes(caffe.caffemodel_bytes(caffe.hed_blobs()))
    assert run("convert", tmp_path / "hed.caffemodel", "--to", "hed", "--output", tmp_path / "hed.safetensors") == 0
    assert saved_network(tmp_path / "hed.safetensors") == "HED"


def test_bad_input_is_one_line_and_writes_nothing(
    caffemodel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.caffemodel").write_bytes(caffemodel.read_bytes()[:1000])
    before = caffemodel.read_bytes()
    output = tmp_path / "out.safetensors"
    for source, to, target, message in (
        (tmp_path / "none", "hed", output, f"caffemodel {tmp_path}/none: no such file"),
        (
            tmp_path / "cut.caffemodel",
            "hed",
            output,
            f"caffemodel {tmp_path}/cut.caffemodel: damaged, truncated or not",
        ),
        (caffemodel, "hed", output, "caffemodel: no layer upsample_2; expected the layers of HED"),
        (caffemodel, "vgg", output, "argument --to: invalid choice: 'vgg'"),
        (
            caffemodel,
            "embedding",
            caffemodel,
            f"output {caffemodel}: is also an input",
        ),
        (caffemodel, "embedding", tmp_path, f"{tmp_path}: not a regular file; give the name of a file to write"),
    ):
        assert run("convert", source, "--to", to, "--output", target) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"crispseg convert: error: {message}")
        assert error.count("\n") == 1
    assert not output.exists()
    assert caffemodel.read_bytes() == before


def test_without_protobuf_it_says_what_to_install(
    caffemodel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_protobuf(name: str, *rest: Any) -> Any:
        if name.startswith("google"):
            raise ModuleNotFoundError("No module named 'google'", name="google")
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_protobuf)
    assert run("convert", caffemodel, "--to", "hed", "--output", "out.safetensors") == 2
    assert "install it with: pip install 'crispseg[caffe]'" in capsys.readouterr().err
