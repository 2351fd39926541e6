"""`--resume` skips what is done with the same options from the same files, and makes the rest."""

import os
import re
from pathlib import Path

import pytest

from tests.cli.test_many_images import pictures, root, sharpen

__all__ = ["root"]


def test_resume_makes_what_is_missing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sharpen(root) == 0
    whole = {name: (root / "out" / name).read_bytes() for name in pictures(root / "out")}
    (root / "out" / "scene1.png").unlink()
    (root / "out" / "before_after" / "scene3.png").unlink()
    (root / "out" / ".scene1.4711.part.png").write_bytes(b"half")
    (root / "out" / ".other.4711.part.png").write_bytes(b"of another run")
    kept = (root / "out" / "scene2.png").stat().st_mtime_ns
    capsys.readouterr()
    assert sharpen(root, "--resume") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[:-1]] == [f"{root}/out/scene1.png", f"{root}/out/scene3.png"]
    assert said[-1].startswith("2 sharpened, 3 skipped, 0 failed; ")
    assert (root / "out" / "scene2.png").stat().st_mtime_ns == kept
    (root / "out" / ".other.4711.part.png").unlink()
    assert {name: (root / "out" / name).read_bytes() for name in pictures(root / "out")} == whole


def test_resume_refuses_other_settings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sharpen(root) == 0
    (root / "images" / "scene5.png").write_bytes((root / "images" / "scene0.png").read_bytes())
    (root / "scores" / "scene5.npy").write_bytes((root / "scores" / "scene0.npy").read_bytes())
    for options, differing in (
        (["--hardness", 8], r"hardness 5 there, 8 now"),
        (["--window", 7], r".*window 5@16,5@8,5@4,5@2,5 there, 7 now"),
        (["--scores", "probabilities"], r"scores logits there, probabilities now"),
        (["--guard", 0.3], r"guard 0\.4 there, 0\.3 now"),
        (["--upsampling", "bilinear"], r"upsampling joint there, bilinear now"),
    ):
        capsys.readouterr()
        assert sharpen(root, "--resume", *options) == 2
        assert re.search(
            rf"output folder .*out: was made with other settings \({differing}.*\); use the settings in crispseg-",
            capsys.readouterr().err,
        )
        assert not (root / "out" / "scene5.png").exists()


def test_resume_refuses_what_another_version_made(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("crispseg.run_settings.__version__", "0.0.1")
        assert sharpen(root) == 0
    capsys.readouterr()
    assert sharpen(root, "--resume") == 2
    assert "out: was made with other settings (crispseg 0.0.1 there, " in capsys.readouterr().err


def test_resume_makes_anew_what_is_older_than_its_settings(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with other settings that was killed early leaves outputs of the run before."""
    assert sharpen(root, "--no-pictures") == 0
    before = {name: (root / "out" / name).read_bytes() for name in pictures(root / "out")}
    kept = (root / "scores" / "scene1.npy").read_bytes()
    (root / "scores" / "scene1.npy").write_bytes(b"")
    assert sharpen(root, "--no-pictures", "--hardness", 0.3, "--strict") == 2
    capsys.readouterr()
    (root / "scores" / "scene1.npy").write_bytes(kept)
    assert sharpen(root, "--no-pictures", "--hardness", 0.3, "--resume") == 0
    assert "4 sharpened, 1 skipped" in capsys.readouterr().out
    assert all((root / "out" / name).read_bytes() != content for name, content in before.items())


@pytest.mark.parametrize("name", ["scores/scene1.npy", "images/scene1.png"])
def test_resume_makes_anew_what_is_older_than_its_files(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Another network has written new predictions to the same place."""
    assert sharpen(root, "--no-pictures") == 0
    before = (root / "out" / "scene1.png").read_bytes()
    (root / name).write_bytes((root / name.replace("scene1", "scene2")).read_bytes())
    later = (root / "out" / "scene1.png").stat().st_mtime_ns + 10**9
    os.utime(root / name, ns=(later, later))
    capsys.readouterr()
    assert sharpen(root, "--no-pictures", "--resume") == 0
    assert "1 sharpened, 4 skipped" in capsys.readouterr().out
    assert (root / "out" / "scene1.png").read_bytes() != before


def test_resume_begins_where_nothing_was_noted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sharpen(root, "--no-pictures", "--resume") == 0
    assert "5 sharpened, 0 skipped" in capsys.readouterr().out
    (root / "out" / "crispseg-settings.json").write_text("{")
    assert sharpen(root, "--no-pictures", "--resume") == 2
    assert f"settings {root}/out/crispseg-settings.json: cannot be read" in capsys.readouterr().err
