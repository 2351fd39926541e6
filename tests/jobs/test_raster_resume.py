"""A raster whose run was interrupted at any moment and resumed is the raster of a run that was not."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crispseg import InputError, Sharpener
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.errors import OutputError
from crispseg.inference import tiles
from crispseg.inference.tiles import Tiles
from crispseg.jobs import raster_polygons
from crispseg.jobs.raster_parts import parts_file
from crispseg.jobs.rasters import sharpen_raster
from crispseg.writing import appended
from tests.jobs.small_tiles import COMMAND, arguments
from tests.jobs.test_raster_nodata import IMAGE, LABELS
from tests.jobs.test_sharpen_raster import write

SHARPENER = Sharpener(RGBCue(), window=5, passes=2, hardness=20.0)
COUNT = 12
"""The parts of 48×64 pixels with a side of 20."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image with missing pixels, coarse labels, and `whole.tif`, made in one run; tiles are of 20 pixels."""
    image = IMAGE.copy()
    image[:, 30:, 40:50] = 0
    write(tmp_path / "image.tif", image, nodata=0)
    write(tmp_path / "p.tif", LABELS[None, 4::8, 4::8], 8)
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 20)
    run(tmp_path, "whole.tif")
    return tmp_path


def run(root: Path, output: str = "out.tif", sharpener: Sharpener = SHARPENER, **options: Any) -> None:
    sharpen_raster(root / "image.tif", root / "p.tif", root / output, sharpener, **{"memory": "8GiB"} | options)


def stopping(after: int, error: type[BaseException] = KeyboardInterrupt) -> Callable[[float], None]:
    """Return what is told of each finished part, and stops the run after so many."""
    left = iter(range(after, 0, -1))

    def done(share: float) -> None:
        del share
        if next(left) == 1:
            raise error

    return done


def stopped(root: Path, after: int, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(root, done=stopping(after), **options)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The tiles that are computed."""
    found, sharpened = list[Any](), Tiles.sharpened

    def counted(self: Tiles, box: Any) -> Any:
        found.append(box)
        return sharpened(self, box)

    monkeypatch.setattr(Tiles, "sharpened", counted)
    return found


def assert_whole(root: Path) -> None:
    assert (root / "out.tif").read_bytes() == (root / "whole.tif").read_bytes()
    assert not list(root.glob(".*"))


@pytest.mark.parametrize("after", [1, 5, COUNT])
def test_interrupted_and_resumed_is_the_same_file(root: Path, after: int, computed: list[Any]) -> None:
    stopped(root, after)
    assert not (root / "out.tif").exists()
    assert len(computed) == after
    shares: list[float] = []
    run(root, resume=True, done=shares.append)
    assert len(computed) == len(set(computed)) == COUNT
    assert shares == sorted(shares)
    assert len(shares) == COUNT - after + 1
    assert shares[-1] == 1
    assert_whole(root)


@pytest.mark.parametrize("cut", [1, 7, 40, 10**4])
def test_a_part_that_was_not_written_whole_is_made_again(root: Path, cut: int, computed: list[Any]) -> None:
    stopped(root, 5)
    path = parts_file(root / "out.tif")
    content = path.read_bytes()
    begun = content.index(b"\n") + 1
    path.write_bytes(content[: max(begun, len(content) - cut)])
    run(root, resume=True)
    assert COUNT < len(computed) <= 2 * COUNT
    assert_whole(root)


def test_finished_parts_stay_if_a_file_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fault of a network's disk removed the parts of hours."""
    stopped(root, 5)

    def unreadable(self: Tiles, box: Any) -> Any:
        raise InputError("image: damaged")

    for resume in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(Tiles, "sharpened", unreadable)
            with pytest.raises(InputError, match="damaged"):
                run(root, resume=resume)
        assert parts_file(root / "out.tif").is_file()
    run(root, resume=True)
    assert_whole(root)


def test_a_part_of_other_bytes_is_made_again(root: Path) -> None:
    stopped(root, 5)
    path = parts_file(root / "out.tif")
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(content)
    run(root, resume=True)
    assert_whole(root)


@pytest.mark.parametrize("side", [9, 40])
def test_another_memory_gives_the_same_labels(root: Path, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less, as after the system had ended the run for want of it, parts are made of smaller tiles."""
    stopped(root, 5)
    monkeypatch.setattr(tiles, "tile_side", lambda *_: side)
    run(root, resume=True, memory="4GiB")
    assert_whole(root)


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, Any]]] = {
    "hardness 20": (lambda _: None, {"sharpener": SHARPENER.with_options(hardness=21.0)}),
    "bands None": (lambda _: None, {"bands": (3, 2, 1)}),
    "class names": (lambda _: None, {"class_names": ["a", "b", "c"]}),
    "same extent False": (lambda _: None, {"same_extent": True}),
    "range auto": (lambda _: None, {"value_range": "percentiles"}),
    "grid stretched": (lambda _: None, {"grid": "letterbox"}),
    "size and time of image image.tif": (lambda root: os.utime(root / "image.tif", ns=(1, 1)), {}),
    "size and time of prediction p.tif": (lambda root: os.utime(root / "p.tif", ns=(1, 1)), {}),
    "size and time of image image.tif.aux.xml": (
        lambda root: (root / "image.tif.aux.xml").write_text("<PAMDataset></PAMDataset>"),
        {},
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_other_files_or_options_are_refused(root: Path, what: str) -> None:
    stopped(root, 5)
    before = parts_file(root / "out.tif").read_bytes()
    change, options = CHANGES[what]
    change(root)
    with pytest.raises(InputError, match=rf"other settings \(.*{what}.* there, .*start anew without --resume") as said:
        run(root, resume=True, **options)
    assert "\n" not in str(said.value)
    assert parts_file(root / "out.tif").read_bytes() == before
    assert not (root / "out.tif").exists()


def test_parts_of_another_version_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("crispseg.run_settings.__version__", "0.0.1")
        stopped(root, 5)
    with pytest.raises(InputError, match=r"out.tif: was made with other settings \(crispseg 0\.0\.1 there, "):
        run(root, resume=True)


def test_without_resume_it_starts_anew_but_not_for_a_wrong_option(root: Path, computed: list[Any]) -> None:
    stopped(root, 5)
    with pytest.raises(InputError, match="three numbers"):
        run(root, bands=(1, 2))
    assert parts_file(root / "out.tif").is_file()
    computed.clear()
    run(root)
    assert len(computed) == COUNT
    assert_whole(root)


def test_nothing_to_resume(root: Path, computed: list[Any]) -> None:
    """A first run may be given --resume; one that is done is neither made again nor believed to be the same."""
    run(root, resume=True)
    assert_whole(root)
    computed.clear()
    with pytest.raises(InputError, match=r"out\.tif: is there, and no interrupted run .* leave out --resume"):
        run(root, resume=True)
    assert not computed


def test_parts_that_cannot_be_read_are_named(root: Path) -> None:
    for content in (b"", b"[]\n", b'{"side": 0, "settings": {}}\n', b"\xff\xfe"):
        parts_file(root / "out.tif").write_bytes(content)
        with pytest.raises(InputError, match=r"\.out\.tif\.parts: damaged; start anew without --resume"):
            run(root, resume=True)


def polygons(root: Path, name: str) -> bytes:
    return (root / name).read_bytes()


def test_polygons_after_a_resumed_run(root: Path, computed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    run(root, "whole.tif", polygons=root / "whole.geojson")
    stopped(root, 5, polygons=root / "out.geojson")
    run(root, resume=True, polygons=root / "out.geojson", tolerance=1.0)
    assert polygons(root, "out.geojson") == polygons(root, "whole.geojson")
    (root / "out.tif").unlink()
    (root / "out.geojson").unlink()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(raster_polygons, "write_polygon_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(root, polygons=root / "out.geojson")
    assert (root / "out.tif").exists()
    computed.clear()
    run(root, resume=True, polygons=root / "out.geojson")
    assert not computed
    assert polygons(root, "out.geojson") == polygons(root, "whole.geojson")
    assert_whole(root)


def test_polygons_that_cannot_be_written_do_not_cost_the_labels(
    root: Path, computed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise InputError("labels: reaches across the 180th meridian; write a .gpkg file")

    with monkeypatch.context() as patch:
        patch.setattr(raster_polygons, "write_polygon_file", refused)
        with pytest.raises(InputError, match=r"180th.*the label map is whole: --resume goes on with the polygons"):
            run(root, polygons=root / "out.geojson")
    computed.clear()
    run(root, resume=True, polygons=root / "out.gpkg")
    assert not computed
    assert_whole(root)


def test_a_full_disk_says_how_to_go_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(range(4))

    def full(path: Path, content: bytes) -> int:
        if next(left) == 3:
            appended(path, content[: len(content) // 2])
            raise OutputError(f"{path}: cannot be written (No space left on device); make room on the disk")
        return appended(path, content)

    with monkeypatch.context() as patch:
        patch.setattr("crispseg.jobs.raster_parts.appended", full)
        assert main(arguments(root)) == 2
    assert capsys.readouterr().err.endswith("make room on the disk; with the same output, --resume goes on\n")
    assert main(arguments(root, "--resume")) == 0
    assert_whole(root)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_processes_that_are_interrupted_and_killed(root: Path) -> None:
    """The image is large enough for hundreds of parts, so that the signals come in between."""
    image, labels = np.tile(IMAGE, (1, 9, 7)), np.tile(LABELS[None, 4::8, 4::8], (1, 9, 7))
    write(root / "image.tif", image)
    write(root / "p.tif", labels, 8)
    run(root, "whole.tif")
    parts, sizes = parts_file(root / "out.tif"), list[int]()
    for sent, options in ((signal.SIGINT, ()), (signal.SIGKILL, ("--resume",)), (signal.SIGINT, ("--resume",))):
        command = [*COMMAND, *arguments(root, *options)]
        before = parts.stat().st_size if parts.exists() else 0
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and (not parts.exists() or parts.stat().st_size < before + 3000):
                time.sleep(0.002)
            assert process.poll() is None, "it was done before it could be stopped"
            process.send_signal(sent)
            error = process.communicate()[1]
        if sent == signal.SIGINT:
            assert (process.returncode, error) == (130, "crispseg raster: interrupted; --resume goes on\n")
        else:
            assert process.returncode == -signal.SIGKILL
        sizes.append(parts.stat().st_size)
        assert not (root / "out.tif").exists()
    assert sizes == sorted(set(sizes))
    run(root, resume=True)
    assert_whole(root)
