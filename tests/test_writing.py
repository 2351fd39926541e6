"""Files are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from crispseg import InputError
from crispseg.errors import OutputError
from crispseg.writing import append_line, make_folder, write_tensors, written_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(UnicodeEncodeError), written_whole(target) as temporary:
        temporary.write_text("half of it, then \udc80", encoding="utf-8")
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InputError, match=r"output folder .*a.txt: cannot be written to"):
        make_folder(target)


def test_a_link_keeps_pointing_at_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")
    with written_whole(tmp_path / "link.txt") as temporary:
        temporary.write_text("after")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "after"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a regular file; give the name"), written_whole(tmp_path):
        raise AssertionError


def test_tensors_are_what_the_library_would_write(tmp_path: Path) -> None:
    tensors = {
        "bytes": torch.arange(5, dtype=torch.uint8),
        "turned": torch.randn(4, 3).T,
        "half": torch.randn(3).half(),
        "brain": torch.randn(3).bfloat16(),
        "wide": torch.randn(2, 2).double(),
        "whole": torch.arange(4),
        "flag": torch.tensor([True, False]),
        "one": torch.tensor(7.0),
        "none": torch.empty(0, 3),
    }
    write_tensors(tmp_path / "ours", tensors)
    save_file({name: value.contiguous() for name, value in tensors.items()}, tmp_path / "theirs")
    read, expected = load_file(tmp_path / "ours"), load_file(tmp_path / "theirs")
    assert read.keys() == expected.keys()
    assert all(torch.equal(read[name], expected[name]) for name in read)
    assert all(read[name].dtype == expected[name].dtype for name in read)


_FILES = """
import sys
from pathlib import Path
import torch
from crispseg import Sharpener
from crispseg.data import Prediction, write_scores
from crispseg.models import EmbeddingNet
from crispseg.models.saving import save_network
folder = Path(sys.argv[1])
folder.mkdir()
scores = torch.arange(24.0).reshape(2, 3, 4)
write_scores(folder / "scores.safetensors", scores, Prediction(scores, "logits", (0, 1)))
torch.manual_seed(0)
save_network(EmbeddingNet(dim=4, width=4), folder / "net.safetensors", steps="1", seed="2", data="none", license="any")
Sharpener.from_pretrained().save_pretrained(folder / "streets", name="streets")
"""


def test_files_are_the_same_to_the_byte_in_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here and in another process, whose strings have other hashes."""
    folders = tmp_path / "here", tmp_path / "there"
    monkeypatch.setattr(sys, "argv", ["", str(folders[0])])
    exec(_FILES, {})
    environment = os.environ | {"PYTHONHASHSEED": "random"}
    subprocess.run([sys.executable, "-c", _FILES, str(folders[1])], check=True, env=environment)
    here, there = ({path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} for root in folders)
    assert {path.name for path in here} >= {"scores.safetensors", "net.safetensors", "model.safetensors"}
    assert here == there


def test_metadata_in_any_order_make_the_same_file(tmp_path: Path) -> None:
    words = {f"word {number}": "ä" * number for number in range(40)}
    write_tensors(tmp_path / "a", {"x": torch.ones(2)}, words)
    write_tensors(tmp_path / "b", {"x": torch.ones(2)}, dict(reversed(words.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with safe_open(tmp_path / "a", framework="pt") as file:
        assert file.metadata() == words


def test_a_dtype_that_safetensors_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"x is torch.complex64; expected one of torch.float64"):
        write_tensors(tmp_path / "a", {"x": torch.ones(2, dtype=torch.complex64)})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_line_on_a_full_disk_is_an_error_of_one_line() -> None:
    with pytest.raises(OutputError, match=r"cannot be written .*; make room on the disk"):
        append_line(Path("/dev/full"), "noted")
