"""Runs over many files: dry, in place, resumed, and with decisions of a reviewer."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from crispseg.annotations.cleaning import Cleaner
from crispseg.annotations.labelme import Labelme
from crispseg.annotations.record import FormatOptions
from crispseg.annotations.review import write_review
from crispseg.annotations.run import Places, clean_annotations
from crispseg.annotations.yolo import Yolo
from crispseg.cli.main import main
from crispseg.data.run_lengths import Mask
from crispseg.errors import InputError
from crispseg.single_writer import only_writer
from tests.annotations.files import write_images, write_labelme, write_yolo
from tests.annotations.test_formats import grow, keep


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`images` and `labelme`."""
    write_images(tmp_path)
    write_labelme(tmp_path)
    return tmp_path


def places(root: Path, output: str | None = "out") -> Places:
    return Places(root / "labelme", root / "images", None if output is None else root / output)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shapes(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(path.read_text())["shapes"]
    return found


def test_a_dry_run_writes_nothing(root: Path) -> None:
    before = contents(root)
    summary = clean_annotations(places(root, None), Labelme(), grow, settings={})
    assert [list(one.changes.objects) for one in summary.compared] == [["shape 1"], ["shape 1"]]
    assert summary.compared[0].changes.objects["shape 1"].iou == pytest.approx(22 / 23, abs=1e-4)
    assert summary.others == 2
    assert contents(root) == before


def test_in_place_replaces_the_files_and_leaves_nothing_else(root: Path) -> None:
    before = contents(root / "labelme")
    clean_annotations(places(root, "labelme"), Labelme(), grow, settings={})
    after = contents(root / "labelme")
    assert after.keys() == before.keys()
    assert after["a.json"] != before["a.json"]


class Killed:
    """Grows masks, and is interrupted at the second image, or counts how often it is asked."""

    def __init__(self, *, at: int) -> None:
        self.count, self.at = 0, at

    def __call__(self, image: Tensor, masks: list[Mask]) -> list[Mask]:
        self.count += 1
        if self.count == self.at:
            raise KeyboardInterrupt
        return grow(image, masks)


@pytest.mark.parametrize("output", ["out", "labelme"])
def test_a_killed_run_goes_on_with_what_is_left(root: Path, output: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        clean_annotations(places(root, output), Labelme(), Killed(at=2), settings={"band": 4})
    changes = root / output / ".crispseg" / "changes.jsonl"
    changes.write_text(changes.read_text() + '{"file": "b.js')
    again = Killed(at=0)
    clean_annotations(places(root, output), Labelme(), again, settings={"band": 4}, resume=True)
    assert again.count == 1, "the first image was done"
    grown = {str(path): path.read_bytes() for path in (root / output).glob("*.json")}
    assert len(grown) == 2
    if output == "out":
        clean_annotations(places(root, output), Labelme(), Killed(at=1), settings={"band": 4}, resume=True)
        assert grown == {str(path): path.read_bytes() for path in (root / output).glob("*.json")}


def test_an_interrupted_run_in_place_does_not_begin_anew(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        clean_annotations(places(root, "labelme"), Labelme(), Killed(at=2), settings={})
    with pytest.raises(InputError, match=r"add --resume .* or remove .*\.crispseg"):
        clean_annotations(places(root, "labelme"), Labelme(), grow, settings={})
    (root / "labelme" / ".crispseg" / ".settings.7.part.json").write_text("{")
    clean_annotations(places(root, "labelme"), Labelme(), Killed(at=2), settings={}, resume=True)
    assert not (root / "labelme" / ".crispseg").exists()


def test_a_run_in_place_that_had_faults_moves_no_outline_twice(root: Path) -> None:
    (root / "images" / "b.png").rename(root / "b.png")
    assert len(clean_annotations(places(root, "labelme"), Labelme(), grow, settings={}).failures) == 1
    before = contents(root / "labelme")
    (root / "b.png").rename(root / "images" / "b.png")
    with pytest.raises(InputError, match=r"or had faults; add --resume"):
        clean_annotations(places(root, "labelme"), Labelme(), grow, settings={})
    summary = clean_annotations(places(root, "labelme"), Labelme(), grow, settings={}, resume=True)
    assert [one.path.name for one in summary.compared] == ["b.png"]
    after = contents(root / "labelme")
    assert after.keys() == {"a.json", "b.json"}
    assert [after[name] == before[name] for name in after] == [True, False]


def test_other_settings_are_not_resumed(root: Path) -> None:
    clean_annotations(places(root), Labelme(), grow, settings={"band": 4})
    with pytest.raises(InputError, match="band 4 there, 2 now"):
        clean_annotations(places(root), Labelme(), grow, settings={"band": 2}, resume=True)


def test_annotations_that_were_edited_since_are_compared_again(root: Path) -> None:
    clean_annotations(places(root), Labelme(), grow, settings={})
    edited = root / "labelme" / "a.json"
    edited.write_text(edited.read_text().replace("cat", "cow"))
    again = Killed(at=0)
    clean_annotations(places(root), Labelme(), again, settings={}, resume=True)
    assert again.count == 1
    assert shapes(root / "out" / "a.json")[0]["label"] == "cow"


def test_an_image_that_was_replaced_since_is_compared_again(root: Path) -> None:
    clean_annotations(places(root), Labelme(), grow, settings={})
    image = root / "images" / "a.png"
    image.write_bytes(image.read_bytes() + b"\0")
    again = Killed(at=0)
    clean_annotations(places(root), Labelme(), again, settings={}, resume=True)
    assert again.count == 1


def test_a_resumed_run_takes_the_class_names_that_it_is_given(tmp_path: Path) -> None:
    root, images = write_yolo(tmp_path), write_images(tmp_path)
    where = Places(root, images, tmp_path / "out")
    clean_annotations(where, Yolo(FormatOptions(["cat"])), keep, settings={})
    again, layout = Killed(at=0), Yolo(FormatOptions(["Katze", "Hund"]))
    summary = clean_annotations(where, layout, again, settings={}, resume=True)
    assert again.count == 2, "the dogs had no name"
    assert [one.changes.count for one in summary.compared] == [2, 1]
    clean_annotations(where, Yolo(FormatOptions(["chat", "chien"])), Killed(at=1), settings={}, resume=True)
    write_review(tmp_path / "review", summary.compared, layout, root, count=9, command="")
    assert "Katze" in (tmp_path / "review" / "data.js").read_text()


def test_a_rejected_mask_is_written_as_it_was(root: Path) -> None:
    clean_annotations(places(root), Labelme(), grow, settings={})
    rejected = [{"file": "a.json", "image": "..\\images\\a.png", "object": "shape 1"}]
    decisions = root / "decisions.json"
    decisions.write_text(json.dumps({"kind": "crispseg decisions", "rejected": rejected}))
    clean_annotations(places(root), Labelme(), Killed(at=1), settings={}, decisions=decisions)
    assert (root / "out" / "a.json").read_bytes() == (root / "labelme" / "a.json").read_bytes()
    assert shapes(root / "out" / "b.json") != shapes(root / "labelme" / "b.json")


def test_what_a_run_has_written_into_the_folders_that_it_reads_is_no_input(root: Path) -> None:
    where = Places(root, root, root / "out", root / "review")
    summary = clean_annotations(where, Labelme(), grow, settings={})
    write_review(root / "review", summary.compared, Labelme(), root, count=9, command="")
    (one, *_) = summary.compared
    rejected = [{"file": one.changes.file, "image": one.changes.image, "object": "shape 1"}]
    decisions = root / "decisions.json"
    for options in ({"resume": True}, {"decisions": decisions}):
        again = clean_annotations(where, Labelme(), Killed(at=0), settings={}, **options)
        assert (len(again.compared), again.failures, again.without) == (2, [], [])
        decisions.write_text(json.dumps({"kind": "crispseg decisions", "rejected": rejected}))
    assert not (root / "out" / "out").exists()
    assert (root / "out" / "labelme" / "a.json").read_bytes() == (root / "labelme" / "a.json").read_bytes()


def test_a_neighbour_of_a_rejected_mask_gets_back_what_it_had_lost(root: Path) -> None:
    def move(image: Tensor, masks: list[Mask]) -> list[Mask]:
        """Move the edge between two masks to the right, and the upper edge of the second up."""
        if len(masks) == 1:
            return masks
        left, right = (mask.copy() for mask in masks)
        left[8:30, 24:27], right[8:30, 24:27], right[6:8, 27:42] = True, False, True
        return [left, right]

    clean_annotations(places(root), Labelme(), move, settings={})
    rejected = [{"file": "a.json", "image": "..\\images\\a.png", "object": "shape 1"}]
    decisions = root / "decisions.json"
    decisions.write_text(json.dumps({"kind": "crispseg decisions", "rejected": rejected}))
    clean_annotations(places(root), Labelme(), keep, settings={}, decisions=decisions)
    left, right = (one.shape.mask(40, 48) for one in Labelme().read(root / "out" / "a.json")[0].objects)
    assert left[8:30, 6:24].all()
    assert left.sum() == 22 * 18
    np.testing.assert_array_equal(right[9:30, 24:42], np.ones((21, 18), bool))
    assert right[6:8, 30:40].all()


def test_the_command_says_what_changed_and_writes_a_review(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(root)
    (root / "images" / "alone.png").write_bytes((root / "images" / "b.png").read_bytes())
    options = ["--cue", "rgb", "--window", "5", "--passes", "9", "--images", str(root / "images")]
    command = ["annotations", str(root / "labelme"), *options, "--output", str(root / "out")]
    assert main([*command, "--review", str(root / "review")]) == 0
    printed = capsys.readouterr()
    assert "3 of 3 masks of 2 images changed; 2 boxes, points and the like kept" in printed.out
    assert "1 images have no annotations" in printed.err
    assert "alone.png" in printed.err
    data = (root / "review" / "data.js").read_text().splitlines()
    cards = json.loads(data[1].removeprefix("REVIEW.cards = ").removesuffix(";"))
    assert len(cards) == 3
    assert [card["iou"] for card in cards] == sorted(card["iou"] for card in cards)
    for card in cards:
        assert all((root / "review" / name).stat().st_size > 500 for name in card["pictures"].values())
        assert card["detail"]["before"].startswith("M")
        assert card["detail"]["before"] != card["detail"]["after"]
    assert main([*command, "--resume", "--tolerance", "1", "--review", str(root / "review")]) == 0
    assert "2 images were compared before" in capsys.readouterr().out
    applied = json.loads((root / "review" / "data.js").read_text().split("= ")[1].split(";\n")[0])["command"]
    assert applied == shlex.join(["crispseg", *command, "--tolerance", "1", "--decisions", "decisions.json"])
    assert main(["annotations", str(root / "labelme"), *options, "--in-place"]) == 0
    warned = capsys.readouterr().err
    assert "no copy" in warned
    assert "--output and --review" in warned
    assert shapes(root / "labelme" / "a.json") == shapes(root / "out" / "a.json")


@pytest.mark.parametrize("where", [["--output", "out"], ["--in-place"], ["--dry-run"]])
def test_an_interrupted_command_says_how_to_go_on(
    where: list[str], root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cleaner, "__call__", Killed(at=2))
    monkeypatch.chdir(root)
    command = ["annotations", "labelme", "--images", "images", *where]
    assert main(command) == 130
    advice = " before anything was kept" if where == ["--dry-run"] else "; --resume goes on"
    assert capsys.readouterr().err == f"crispseg annotations: interrupted{advice}\n"
    if where != ["--dry-run"]:
        assert main([*command, "--resume"]) == 0
        assert "images/b.png  1 of 1 masks changed" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["out", "labelme"])
def test_another_run_with_the_same_output_is_refused(root: Path, output: str) -> None:
    before = contents(root / "labelme")
    with only_writer(root / output), pytest.raises(InputError, match="another run is writing to it"):
        clean_annotations(places(root, output), Labelme(), grow, settings={})
    assert contents(root / "labelme") == before
