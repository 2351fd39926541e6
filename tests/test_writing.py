"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from crispseg import InputError
from crispseg.writing import make_folder, written_whole


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
    with pytest.raises(InputError, match="not a file; give the name of a file to write"), written_whole(tmp_path):
        raise AssertionError
