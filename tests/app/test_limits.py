"""Files that are too large, or no pictures, are refused by their headers."""

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg import SharpenerConfig, Window
from crispseg.app.limits import Limits
from crispseg.errors import InputError

SMALL = Limits(upload_mb=0.5, megapixels=0.01)


def write_bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes whose header says that it is large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize(("width", "height"), [(101, 100), (100_000, 100_000)])
def test_pixels_are_counted_before_they_are_decoded(tmp_path: Path, width: int, height: int) -> None:
    bomb = write_bomb(tmp_path / "bomb.png", width, height)
    message = "101×100 pixels; expected at most 0.01 megapixels" if width == 101 else "too large to open safely"
    with pytest.raises(InputError, match=f"image .*bomb.png: {message}"):
        SMALL.read_image(bomb)
    with pytest.raises(InputError, match=f"prediction .*bomb.png: {message}"):
        SMALL.read_prediction(bomb, "logits")
    with pytest.raises(InputError, match=f"boundary map .*bomb.png: {message}"):
        SMALL.read_boundary(bomb)


def test_a_file_within_the_limits_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (100, 100), "red").save(tmp_path / "red.png")
    assert SMALL.read_image(tmp_path / "red.png")[0].shape == (3, 100, 100)
    Image.new("L", (100, 100)).save(tmp_path / "grey.png")
    assert SMALL.read_prediction(tmp_path / "grey.png", "logits").scores.shape == (1, 100, 100)
    assert SMALL.read_boundary(tmp_path / "grey.png").shape == (1, 100, 100)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"\0" * 500_001)
    (tmp_path / "large.npy").write_bytes(b"\0" * 500_001)
    for read in (SMALL.read_image, SMALL.read_boundary):
        with pytest.raises(InputError, match=r"large.png: 0.5 MB; expected at most 0.5 MB: .* --max-upload"):
            read(tmp_path / "large.png")
    with pytest.raises(InputError, match=r"prediction .*large.npy: 0.5 MB"):
        SMALL.read_prediction(tmp_path / "large.npy", "logits")


def test_a_picture_of_another_kind_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "drawing.eps")
    (tmp_path / "drawing.eps").rename(tmp_path / "drawing.png")
    with pytest.raises(InputError, match=r"image .*drawing.png: is EPS; expected PNG, JPEG"):
        SMALL.read_image(tmp_path / "drawing.png")


def test_an_archive_is_counted_as_it_is_when_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((5, 200, 200), dtype=np.float32))
    assert (tmp_path / "bomb.npz").stat().st_size < 5000
    with pytest.raises(InputError, match=r"bomb.npz: holds 200000 numbers when unpacked; expected at most 160000"):
        SMALL.read_prediction(tmp_path / "bomb.npz", "logits")


def test_a_header_that_promises_more_than_the_archive_holds_is_an_error(tmp_path: Path) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (64, {10**6}, {10**6}), }}"
    padded = header + " " * (118 - len(header) - 1) + "\n"
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode())
    with pytest.raises(InputError, match=r"lie.npz: holds 64000000000000 numbers when unpacked"):
        SMALL.read_prediction(tmp_path / "lie.npz", "logits")


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"objects.npy: damaged, or not a plain array.*holds Python objects"):
        SMALL.read_prediction(tmp_path / "objects.npy", "logits")
    with pytest.raises(InputError, match="unknown ending"):
        SMALL.read_prediction(tmp_path / "model.pth", "logits")


def test_a_label_map_of_many_labels_is_counted_with_them(tmp_path: Path) -> None:
    labels = np.arange(10_000, dtype=np.uint8).reshape(100, 100)
    Image.fromarray(labels).save(tmp_path / "noise.png")
    with pytest.raises(InputError, match=r"noise.png: holds 2560000 numbers"):
        SMALL.read_prediction(tmp_path / "noise.png", "logits")


def test_work_is_bounded_by_what_the_largest_image_takes() -> None:
    SMALL.check_work(16, SharpenerConfig(window=Window(9)), (100, 100))
    SMALL.check_work(64, SharpenerConfig(window=Window(17)), (50, 50))
    with pytest.raises(InputError, match=r"17 classes for 100×100 pixels are too many .* at most 16"):
        SMALL.check_work(17, SharpenerConfig(window=Window(9)), (100, 100))
    with pytest.raises(InputError, match=r"window of 11 is too large for 100×100 .* at most 9"):
        SMALL.check_work(3, SharpenerConfig(window=Window(11)), (100, 100))


@pytest.mark.parametrize("limits", [{"upload_mb": 0}, {"megapixels": -1}, {"megapixels": float("nan")}])
def test_limits_are_above_zero(limits: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected a number above 0"):
        Limits(**limits)
