"""Many images: what is bad is passed over, what is done is skipped, what the system refuses stops the run."""

import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg import Sharpener
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.errors import OutputError
from crispseg.jobs import Outputs, sharpen_files
from crispseg.single_writer import only_writer
from tests.fakes import after_the_first, write_scored_folder
from tests.system import small_disk, without_privileges


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images with coarse scores, in `images` and `scores`."""
    return write_scored_folder(tmp_path, 5)


def sharpen(root: Path, *options: object, output: str = "out") -> int:
    given = [root / "images", "--predictions", root / "scores", "--output", root / output, "--cue", "rgb", *options]
    return main(["sharpen", *map(str, given)])


def pictures(folder: Path) -> list[str]:
    """Return the files that are there; each of them is complete."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".json", ".lock"))
    for path in found:
        Image.open(path).load()
    return [str(path.relative_to(folder)) for path in found]


def test_bad_files_are_passed_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = root / "images" / "scene0.png"
    image.write_bytes(image.read_bytes()[:200])
    np.save(root / "scores" / "scene1.npy", np.full((3, 6, 8), np.nan, dtype=np.float32))
    np.save(root / "scores" / "scene2.npy", np.zeros((3, 8, 6), dtype=np.float32))
    (root / "scores" / "scene3.npy").unlink()
    beyond = Image.fromarray(np.full((6, 8), 9, dtype=np.uint8))
    beyond.putpalette(list(range(18)))
    beyond.save(root / "scores" / "scene3.png")
    assert sharpen(root) == 1
    said, passed = capsys.readouterr()
    assert said.splitlines()[-1].startswith("1 sharpened, 0 skipped, 4 failed; ")
    messages = (
        f"image {image}: damaged or truncated",
        f"prediction {root}/scores/scene1.npy: 144 of 144 scores are NaN",
        f"{root}/scores/scene2.npy: image is 48x64 but its scores are 8x6",
        f"label map {root}/scores/scene3.png: label 9 is beyond its palette of 6 colours",
    )
    for line, message in zip(passed.splitlines(), messages, strict=True):
        assert line.startswith(f"crispseg sharpen: passed over: {message}")
    assert pictures(root / "out") == ["before_after/scene4.png", "scene4.png"]


def test_strict_stops_at_the_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "scores" / "scene1.npy").write_bytes(b"")
    assert sharpen(root, "--strict", "--no-pictures") == 2
    said, error = capsys.readouterr()
    assert re.fullmatch(rf"crispseg sharpen: error: prediction {root}/scores/scene1\.npy: damaged.*\n", error)
    assert said.splitlines()[-1].startswith("1 sharpened, 0 skipped, 0 failed; ")
    assert pictures(root / "out") == ["scene0.png"]


@pytest.mark.slow  # several processes
def test_workers_change_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "scores" / "scene2.npy").write_bytes(b"")
    assert sharpen(root, "--workers", 2) == sharpen(root, "--workers", 0, output="alone") == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == errors[1]
    assert len(pictures(root / "out")) == 8
    for name in pictures(root / "out"):
        assert (root / "out" / name).read_bytes() == (root / "alone" / name).read_bytes()


def test_memory_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sharpen(root, "--no-pictures") == 0
    assert sharpen(root, "--no-pictures", "--memory", "16GiB", output="tiled") == 0
    for name in pictures(root / "out"):
        whole, tiled = (np.asarray(Image.open(root / folder / name)) for folder in ("out", "tiled"))
        assert (whole == tiled).mean() > 0.999  # a tie may fall the other way
    for memory, said in (("lots", "memory is 'lots'; expected a size"), ("1MB", "too small for a tile")):
        assert sharpen(root, "--strict", "--memory", memory, output="none") == 2
        assert said in capsys.readouterr().err
    assert sharpen(root, "--cue", "none", "--crf", "1,2,3,1,1", "--memory", "1GiB", output="none") == 2
    assert "--memory does not go with --cue none" in capsys.readouterr().err


def test_upsampling_is_chosen(root: Path) -> None:
    for name in ("joint", "bilinear"):
        assert sharpen(root, "--no-pictures", "--window", 9, "--passes", 1, "--upsampling", name, output=name) == 0
    names = pictures(root / "joint")
    assert names == pictures(root / "bilinear")
    assert any((root / "joint" / name).read_bytes() != (root / "bilinear" / name).read_bytes() for name in names)


def test_patterns_stand_for_files(root: Path) -> None:
    (root / "images" / "deep").mkdir()
    (root / "images" / "scene4.png").rename(root / "images" / "deep" / "scene4.png")
    (root / "images" / "scene9.txt").write_text("no image")
    flat = [f"scene{index}.png" for index in range(4)]
    for pattern, expected in (("scene[12].*", flat[1:3]), ("*", flat), ("**/*.png", ["deep/scene4.png", *flat])):
        command = ["sharpen", f"{root}/images/{pattern}", "--predictions", f"{root}/scores/*.npy", "--cue", "rgb"]
        output = root / f"out{len(expected)}"
        assert main([*command, "--output", str(output), "--no-pictures"]) == 0
        assert pictures(output) == expected


def test_a_name_with_the_signs_of_a_pattern_is_a_name(root: Path) -> None:
    (root / "images" / "scene0.png").rename(root / "a[1].png")
    (root / "scores" / "scene0.npy").rename(root / "a[1].npy")
    command = ["sharpen", root / "a[1].png", "--predictions", root / "a[1].npy", "--output", root / "out"]
    assert main([str(part) for part in command]) == 0
    assert pictures(root / "out") == ["a[1].png", "before_after/a[1].png"]


def test_a_full_disk_stops_the_run_and_resume_goes_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_disk(root / "out", 512) as reason:
        if "space" in reason:
            (root / "out" / "room").write_bytes(bytes(400 * 1024))
        assert sharpen(root, "--save-scores", "--no-pictures") == 2
        error = capsys.readouterr().err
        assert re.fullmatch(
            rf"crispseg sharpen: error: {root}/out/.*: cannot be written \(.*{reason}.*\); make room on the disk, "
            "or choose another folder; with the same output, --resume goes on\n",
            error,
        )
        (root / "out" / "room").unlink(missing_ok=True)
        assert len(list((root / "out" / "scores").iterdir())) < 5
        assert not [path for path in (root / "out").rglob("*") if ".part" in path.name]
        if "space" in reason:
            assert sharpen(root, "--save-scores", "--no-pictures", "--resume") == 0
            assert len(list((root / "out" / "scores").iterdir())) == 5


@pytest.fixture
def shared() -> Iterator[Path]:
    """Five images in a folder that everyone may look into, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scored_folder(folder, 5)
        folder.chmod(0o755)
        yield folder


def test_what_may_not_be_read_is_passed_over(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shared / "out").mkdir()
    (shared / "out").chmod(0o777)
    (shared / "images" / "scene1.png").chmod(0)
    (shared / "scores" / "scene2.npy").chmod(0)
    with without_privileges():
        assert sharpen(shared, "--no-pictures") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"crispseg sharpen: passed over: {what}: cannot be opened (Permission denied); check its permissions"
        for what in (f"image {shared}/images/scene1.png", f"prediction {shared}/scores/scene2.npy")
    ]
    assert pictures(shared / "out") == ["scene0.png", "scene3.png", "scene4.png"]


def test_what_may_not_be_written_or_listed_is_said(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with without_privileges():
        assert sharpen(shared) == 2
    assert f"output folder {shared}/out: cannot be written to (Permission denied); choose" in capsys.readouterr().err
    (shared / "out").mkdir()
    (shared / "out").chmod(0o777)
    (shared / "images").chmod(0)
    with without_privileges():
        assert sharpen(shared) == 2
    assert f"image folder {shared}/images: cannot be listed; check its permissions" in capsys.readouterr().err


def test_a_folder_that_may_no_longer_be_written_stops_the_run(shared: Path) -> None:
    (shared / "out").mkdir()
    (shared / "out").chmod(0o777)
    outputs = Outputs(shared / "out", pictures=False)
    given = [shared / "images"], shared / "scores", outputs, Sharpener(RGBCue())
    mine = os.geteuid()

    def forbid() -> None:
        now = os.geteuid()
        os.seteuid(mine)
        (shared / "out").chmod(0o555)
        os.seteuid(now)

    with (
        without_privileges(),
        pytest.raises(
            OutputError, match=r"scene1\.png: cannot be written \(Permission denied\); check its permissions"
        ),
    ):
        sharpen_files(*given, strict=False, on_outcome=after_the_first(forbid))
    assert pictures(shared / "out") == ["scene0.png"]


def test_bombs_are_passed_over(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 64)
    Image.new("RGB", (100, 100)).save(root / "images" / "scene0.png")
    (root / "scores" / "scene1.npy").unlink()
    monkeypatch.setattr("crispseg.data.arrays._MOST_BYTES", 2**29)
    with zipfile.ZipFile(root / "scores" / "scene1.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"shape": (4, 2**14, 2**14), "descr": "<f4", "fortran_order": False})
        archive.writestr("scores.npy", head.getvalue())
    assert sharpen(root, "--no-pictures") == 1
    image, scores = capsys.readouterr().err.splitlines()
    assert re.search(r"passed over: image .*scene0.png: too large to open safely \(.*\); sharpen it in parts", image)
    assert f"crispseg raster {root}/images/scene0.png --predictions" in image
    assert re.search(r"prediction .*scene1.npz: too large to open safely \(expands to 4.0 GiB; .*\); cut it", scores)


def test_a_name_that_is_too_long_to_write_is_passed_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 250
    for folder, suffix in (("images", "png"), ("scores", "npy")):
        (root / folder / f"scene0.{suffix}").rename(root / folder / f"{name}.{suffix}")
    assert sharpen(root, "--no-pictures") == 1
    assert "cannot be written (File name too long); give it a shorter name" in capsys.readouterr().err
    assert len(pictures(root / "out")) == 4


def test_memory_that_one_image_asks_too_much_of_is_its_fault(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("crispseg.jobs.job_sharpener.sharpen_one", fill)
    assert sharpen(root) == 1
    assert capsys.readouterr().err.count("out of memory") == 5


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_another_run_with_the_same_output_is_refused(
    root: Path, resume: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both wrote their settings and their outputs, in any order."""
    with only_writer(root / "out"):
        assert sharpen(root, *resume) == 2
    said = f"output folder {root / 'out'}: another run is writing to it; wait until it ends, or choose another folder"
    assert capsys.readouterr().err == f"crispseg sharpen: error: {said}\n"
    assert not (root / "out").exists()
    assert sharpen(root) == 0
    assert not list((root / "out").glob(".*"))


def test_runs_of_one_image_each_may_share_a_folder(root: Path) -> None:
    """As those that xargs starts."""
    one = [root / "images" / "scene2.png", "--predictions", root / "scores" / "scene2.npy", "--cue", "rgb"]
    with only_writer(root / "out"):
        assert main(["sharpen", *map(str, one), "--output", str(root / "out")]) == 0
    assert "scene2.png" in pictures(root / "out")
