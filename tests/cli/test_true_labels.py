"""True labels in other people's conventions give the numbers of the same labels in ours, or an error that says how."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.data import LabelledImages, Sample
from crispseg.data.checked import CheckedLabels
from crispseg.training.run import WholeImages, _look_at_labels
from tests.fakes import write_scored_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with labels 0, 1, 2, a strip of void 11, and coarse scores of three classes."""
    return write_scored_folder(tmp_path, 3)


def relabelled(root: Path, name: str, numbers: dict[int, int]) -> Path:
    """The labels in other numbers, in a folder of that name."""
    (root / name).mkdir()
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        lookup = np.array([numbers.get(value, 0) for value in range(256)], dtype=np.uint8)
        Image.fromarray(lookup[labels]).save(root / name / path.name)
    return root / name


def command(root: Path, labels: str, *options: str, kind: str = "evaluate", scores: str = "scores") -> list[str]:
    folders = ["--images", str(root / "images"), "--labels", str(root / labels), "--predictions", str(root / scores)]
    return [kind, *folders, "--cue", "rgb", *options]


def evaluated(root: Path, labels: str, *options: str, scores: str = "scores") -> dict[str, Any]:
    result = root / "result.json"
    assert main(command(root, labels, *options, "--json", str(result), scores=scores)) == 0
    content: dict[str, Any] = json.loads(result.read_text())
    del content["milliseconds_per_image"]
    return content


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_masks_of_black_and_white(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All but class 0 became void in silence, and gains turned round."""
    (root / "two").mkdir()
    for path in sorted((root / "scores").iterdir()):
        scores = np.load(path)
        np.save(root / "two" / path.name, np.stack([scores[0], scores[1:].max(0)]))
    ours = relabelled(root, "ours", {0: 0, 1: 1, 2: 1, 11: 0})
    relabelled(root, "white", {0: 0, 1: 255, 2: 255, 11: 0})
    relabelled(root, "void", {0: 0, 1: 255, 2: 255, 11: 254})
    expected = evaluated(root, ours.name, scores="two")
    assert expected["before"]["miou"] != 100
    assert len([value for value in expected["per_class"]["before"]["miou"] if value is not None]) == 2
    assert evaluated(root, "white", scores="two") == expected
    with_void = evaluated(root, "void", "--void", "254", scores="two")
    assert None not in with_void["per_class"]["before"]["miou"]
    assert with_void["remarks"] == []
    capsys.readouterr()
    declared = evaluated(root, "white", "--void", "255", scores="two")
    assert "only class 0 and void" in capsys.readouterr().err
    assert "only class 0 and void" in declared["remarks"][0]
    for kind in ("evaluate", "tune"):
        error = refused(capsys, command(root, "white", kind=kind))
        for fact in ("label 255", "not declared void", "--void 255"):
            assert fact in error
        assert "0 and 255 alone are read as a mask of 2 classes" in error


def test_labels_that_start_at_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ADE20K's: 0 is unlabelled, and the first class is 1."""
    expected = evaluated(root, "labels", "--void", "11")
    relabelled(root, "ade", {0: 1, 1: 2, 2: 3, 11: 0})
    assert evaluated(root, "ade", "--numbering", "1-based") == expected
    assert evaluated(root, "ade", "--numbering", "1-based", "--void", "0") == expected
    error = refused(capsys, command(root, "ade", "--void", "0"))
    assert "label 0 is declared void" in error
    assert "--numbering 1-based" in error
    error = refused(capsys, command(root, "ade"))
    assert "label 3 is not one of the 3 classes" in error
    assert "--numbering 1-based" in error
    table = ["--rows", "rgb 9x9 x1", "--tune-every", "2", "--output", str(root / "out")]
    without_cue = command(root, "ade", "--void", "0", kind="table")[:7]
    assert "--numbering 1-based" in refused(capsys, ["table", *without_cue[1:], "--void", "0", *table])
    assert not (root / "out").exists()


def test_some_of_the_labels_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the last class does not occur nothing is out of range, and all IoU would be of the wrong class."""
    for path in (root / "scores").iterdir():
        scores = np.load(path)
        np.save(path, np.concatenate([scores, np.full_like(scores[:2], scores.min() - 9)]))
    relabelled(root, "ade", {0: 1, 1: 2, 2: 3, 11: 0})
    content = evaluated(root, "ade")
    assert any("predicted as class c -1" in remark for remark in content["remarks"])
    assert "note: " in capsys.readouterr().err
    assert evaluated(root, "ade", "--numbering", "1-based")["remarks"] == []


def test_ids_by_a_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = evaluated(root, "labels", "--void", "11")
    relabelled(root, "ids", {0: 7, 1: 26, 2: 33, 11: 3})
    (root / "ids.csv").write_text("id,class,name\n7,0,road\n26,1,car\n33,2,bicycle\n*,void\n")
    capsys.readouterr()
    named = evaluated(root, "ids", "--numbering", str(root / "ids.csv"))
    assert named == {**expected, "class_names": ["road", "car", "bicycle"]}
    output = capsys.readouterr().out
    assert "road" in output
    assert "bicycle" in output
    assert "label 3 is not in" not in output
    (root / "ids.csv").write_text("7 0\n26 1\n33 2\n")
    assert "label 3 is not in" in refused(capsys, command(root, "ids", "--numbering", str(root / "ids.csv")))
    assert "cannot be read" in refused(capsys, command(root, "ids", "--numbering", str(root / "none.csv")))


def test_figures_read_labels_alike(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    relabelled(root, "ids", {0: 7, 1: 26, 2: 33, 11: 255})
    folders = ["--images", str(root / "images"), "--labels", str(root / "ids"), "--cue", "rgb"]
    figure = ["figure", "reliability", *folders, "--output", str(root / "a.png"), "--window", "3"]
    assert "--void 255" in refused(capsys, figure)
    assert main([*figure, "--void", "255"]) == 0


def train(root: Path, labels: str, void: object, *options: str) -> list[str]:
    data = {"images": str(root / "images"), "labels": str(root / labels)} | ({} if void is None else {"void": void})
    folder = {"class_path": "crispseg.data.LabelledFolder", "init_args": data}
    config = {
        "task": {
            "class_path": "crispseg.training.SegmentationTask",
            "init_args": {
                "network": {"class_path": "crispseg.models.DeepLabLargeFOV", "init_args": {"num_classes": 3}},
                "schedule": {"class_path": "crispseg.training.Poly"},
            },
        },
        "train_data": [folder],
        "val_data": {"own": folder},
        "output": str(root / f"run_{labels}_{void}"),
        "steps": 1,
        "workers": 0,
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    return ["train", str(root / "config.yaml"), *options]


def test_training_reads_labels_alike_before_its_first_step(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    relabelled(root, "white", {0: 0, 1: 255, 2: 255, 11: 0})
    relabelled(root, "ade", {0: 1, 1: 2, 2: 3, 11: 0})
    error = refused(capsys, train(root, "white", None))
    assert "not declared void" in error
    assert "void=255" in error
    assert "numbering 1-based" in refused(capsys, train(root, "ade", 0))
    assert "label 3 is not one of the 3 classes" in refused(capsys, train(root, "ade", None))
    assert not list(root.glob("run_*/*.safetensors"))


def test_a_later_data_set_keeps_nothing_of_an_earlier_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A class of the later one was void in silence: jsonargparse kept the arguments that it did not repeat."""
    first = train(root, "labels", 11)
    data = {"images": str(root / "images"), "labels": str(root / "labels")}
    folder = {"class_path": "crispseg.data.LabelledFolder", "init_args": data}
    later = {"train_data": [folder], "val_data": {"own": folder}}
    (root / "later.yaml").write_text(yaml.safe_dump(later))
    options = [f"--{name}={json.dumps(value)}" for name, value in later.items()]

    def voids(*given: str) -> list[object]:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main([*first, *given, "--print_config"])
        content = yaml.safe_load(capsys.readouterr().out)
        return [each["init_args"]["void"] for each in (*content["train_data"], *content["val_data"].values())]

    assert voids() == [11, 11]
    assert voids(str(root / "later.yaml")) == voids(*options) == [None, None]
    assert voids("--train_data.images", "photos", "--train_data.void", "3") == [3, 11]  # one argument changes
    assert voids(f"--train_data+={json.dumps([folder])}") == [11, None, 11]


@pytest.mark.parametrize("name", ["crispseg.cli.train.NestedArg", "jsonargparse._typehints.ActionTypeHint._check_type"])
def test_another_jsonargparse_is_refused_in_one_line(
    name: str, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In silence, a later data set would keep arguments of an earlier one."""
    importlib.import_module("crispseg.cli.train")
    if name.endswith("_check_type"):
        monkeypatch.delattr(name)
    else:
        monkeypatch.setattr(name, None)
    assert "expected 4.53, with which this was tried: pip install" in refused(capsys, train(root, "labels", 11))


class Regions(LabelledImages):
    """A data set of one's own, which gives every pixel of an image the same two labels."""

    image_names = ("0", "1")

    def __init__(self, first: int, second: int) -> None:
        self.labels = torch.full((48, 64), first, dtype=torch.uint8)
        self.labels[20:] = second

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.zeros(3, 48, 64, dtype=torch.uint8), self.labels, self.image_names[index])


@pytest.mark.parametrize(
    ("labels", "said"),
    [((3, 3), "hold only label 3 and void"), ((3, 255), "hold 255, which stands for void in many files"), ((3, 4), "")],
)
def test_training_says_when_labels_look_misread(
    labels: tuple[int, int], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of eight bits, in which -1 and 255 are one number."""
    images = WholeImages(CheckedLabels(Regions(*labels), None), 2)
    assert images[0][1].unique().tolist() == sorted(set(labels))
    _look_at_labels(images)
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


WRONG = {
    "labels of another size": ((3, 8, 10), (4, 5), "has height and width (4, 5), its image (8, 10)"),
    "labels with a channel": ((3, 8, 10), (1, 8, 10), "has height and width (1, 8, 10), its image (8, 10)"),
    "colours last": ((8, 10, 3), (8, 10), "image a has shape (8, 10, 3); expected (3, H, W)"),
    "a batch": ((1, 3, 8, 10), (8, 10), "image a has shape (1, 3, 8, 10); expected (3, H, W)"),
    "grey": ((1, 8, 10), (8, 10), "image a has shape (1, 8, 10); expected (3, H, W)"),
}


class One(LabelledImages):
    """A data set of one's own with one sample, as given."""

    image_names = ("a",)

    def __init__(self, image: Tensor, labels: Tensor) -> None:
        self.sample = Sample(image, labels, "a")

    def __getitem__(self, index: int) -> Sample:
        return self.sample


@pytest.mark.parametrize("wrong", WRONG)
def test_a_sample_that_does_not_fit_together_is_refused(wrong: str) -> None:
    """Labels of half the size were learned at the wrong places in silence."""
    image, labels, message = WRONG[wrong]
    data = One(torch.zeros(image, dtype=torch.uint8), torch.zeros(labels, dtype=torch.long))
    checked = CheckedLabels(data, None)
    for read in (checked.read, checked.__getitem__):
        with pytest.raises(InputError, match=re.escape(message)):
            read(0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((3, 8, 10), 255.0), "runs from 255 to 255; expected uint8, or floating point in [0, 1]"),
        (torch.full((3, 8, 10), -2.0), "runs from -2 to -2"),
        (torch.full((3, 8, 10), float("nan")), "runs from nan to nan"),
        (torch.zeros(3, 8, 10, dtype=torch.int16), "is torch.int16; expected uint8, or floating point in [0, 1]"),
        (np.zeros((3, 8, 10), dtype=np.uint8), "is ndarray; expected a tensor"),
    ],
)
def test_an_image_out_of_range_is_refused_before_it_is_learned(image: Tensor, message: str) -> None:
    """Values up to 255 were cut to white in silence."""
    data = CheckedLabels(One(image, torch.zeros(8, 10, dtype=torch.long)), None)
    with pytest.raises((InputError, TypeError), match=re.escape(f"image a {message}")):
        data.read(0)


def test_an_image_a_little_out_of_range_is_taken() -> None:
    """As resizing makes them."""
    CheckedLabels(One(torch.full((3, 8, 10), 1 + 1e-4), torch.zeros(8, 10, dtype=torch.long)), None).read(0)
