"""Of two runs with the same output, the second is refused; a run that ended, however it did, keeps nobody away."""

import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crispseg import InputError, single_writer
from crispseg.single_writer import only_writer

_HOLDS = """
import sys
from pathlib import Path
from crispseg.single_writer import only_writer
with only_writer(Path(sys.argv[1]), is_folder=sys.argv[2] == "folder"):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("killed", [False, True])
def test_another_process_is_kept_away_until_this_one_ends(tmp_path: Path, kind: str, *, killed: bool) -> None:
    output = tmp_path / "a" / "out"
    arguments = [sys.executable, "-c", _HOLDS, str(output), kind]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        said = f"output {kind} {output}: another run is writing to it; wait until it ends, or choose another {kind}"
        with pytest.raises(InputError, match=re.escape(said)), only_writer(output, is_folder=kind == "folder"):
            pass
        if killed:
            process.send_signal(signal.SIGKILL)
    (tmp_path / "a").mkdir(exist_ok=True)
    with only_writer(output, is_folder=kind == "folder"):
        pass
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_was_made_for_the_lock_alone_is_removed(tmp_path: Path) -> None:
    with only_writer(tmp_path / "a" / "b"):
        pass
    assert not list(tmp_path.iterdir())
    with only_writer(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "result").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["result"]


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, "no locks")

    monkeypatch.setattr(single_writer, "_lock", refuse)
    with only_writer(tmp_path), only_writer(tmp_path):
        assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_the_work_goes_on() -> None:
    with only_writer(Path("/proc/none")), only_writer(Path("/proc/none")):
        pass


def test_a_lock_file_that_its_owner_just_removed_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening and the locking, who held it ends: a third run would find no lock file."""
    lock, left = single_writer._lock, iter([True])

    def late(descriptor: int) -> None:
        if next(left, False):
            (tmp_path / ".crispseg.lock").unlink()
        lock(descriptor)

    monkeypatch.setattr(single_writer, "_lock", late)
    with only_writer(tmp_path), pytest.raises(InputError), only_writer(tmp_path):
        pass
