"""A small file that claims to be large, or is when unpacked, is refused in little memory and time."""

import shutil
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from scipy.io import savemat

from crispseg.data import arrays, matlab, read_boundary, read_prediction
from crispseg.data.arrays import array_names, held_numbers, read_array
from crispseg.data.bsds500 import read_boundaries
from crispseg.errors import InputError

MOST_MORE = 40 * 2**20


def head(shape: tuple[int, ...], descr: str = "<f4", *, length: int = 118) -> bytes:
    """Return the header of an array."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1).encode() + b"\n"


def write_zeros(path: Path, shape: tuple[int, ...], name: str = "a.npy", mode: Literal["w", "a"] = "w") -> None:
    """A compressed array of zeros, of which there are as many as it says."""
    with (
        zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(head(shape))
        for _ in range(int(np.prod(shape)) * 4 // 2**20):
            file.write(bytes(2**20))


def write_lie(path: Path, claimed: int, *, directory: int | None = None, packed: bytes = b"") -> None:
    """An archive whose array claims so many bytes, and perhaps its directory too."""
    content = head((1, 1, claimed // 4)) + packed
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    if directory is not None:
        data = bytearray(path.read_bytes())
        for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
            where = data.index(mark) + at
            data[where : where + 4] = struct.pack("<I", directory)
        path.write_bytes(bytes(data))


@contextmanager
def little_memory(most: int = MOST_MORE) -> Iterator[None]:
    """Fail where Python and NumPy allocate more at once, on whatever machine."""
    tracemalloc.start(1)
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def refused(path: Path, message: str = "") -> None:
    """Refused in little memory and time of this process, by everything that reads arrays."""
    for read in (lambda: read_prediction(path), lambda: read_boundary(path.rename(path.with_suffix(".npy")))):
        start = time.process_time()
        with little_memory(), pytest.raises(InputError, match=message):
            read()
        assert time.process_time() - start < 5


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive of more than a gigabyte."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.npz"
    write_zeros(path, (5, 8192, 8192))
    return path


@pytest.mark.slow  # packs a gigabyte
def test_a_bomb_is_refused_before_it_is_unpacked(bomb: Path, tmp_path: Path) -> None:
    shutil.copy(bomb, tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < 2e6
    assert held_numbers(tmp_path / "a.npz", "scores") == 5 * 8192**2
    refused(tmp_path / "a.npz", r"too large to open safely \(expands to 1\.2 GiB; expected at most 1\.0\)|several")


@pytest.mark.parametrize("directory", [None, 0, 200, 2**32 - 2])
@pytest.mark.parametrize("claimed", [2**29, 2**30, 2**40, 2**62])
def test_what_a_head_claims_takes_no_memory(tmp_path: Path, claimed: int, directory: int | None) -> None:
    write_lie(tmp_path / "a.npz", claimed, directory=directory)
    refused(tmp_path / "a.npz", "too large to open safely|damaged|several")


def test_only_the_array_that_is_wanted_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    monkeypatch.setattr(arrays, "_MOST_BYTES", 2**26)
    np.savez_compressed(path, q=np.zeros((2, 4, 4), np.uint8))
    write_zeros(path, (4, 2048, 2048), "other.npy", mode="a")  # as many bytes, and it needs not be a gigabyte
    with little_memory():
        assert read_prediction(path, "logits").scores.shape == (2, 4, 4)
    assert array_names(path, "scores") == ["q", "other"]


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_does_not_pack_is_not_unpacked(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", kind) as archive:
        archive.writestr("a.npy", head((1, 4, 4)) + bytes(64))
    refused(tmp_path / "a.npz", "compression|several")


@pytest.mark.slow  # packs a gigabyte
def test_an_archive_in_an_archive_is_no_array(bomb: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(bomb, "a.npy")
    refused(tmp_path / "a.npz", "damaged|several")


def test_an_archive_of_very_many_arrays_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}.npy", b"")
    refused(tmp_path / "a.npz", "holds 1001 arrays")


@pytest.mark.parametrize(
    "content",
    [
        head((1, 2**20, 2**20)),
        head((1, 4, 4)) + bytes(63),
        head((-1, 4, 4)) + bytes(64),
        head((1, 4, 4), "|O") + bytes(128),
        head((10**30,)),
        head((1, 4, 4), "(" * 5000, length=6000),
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 40000) + b"(" * 40000,
        b"\x93NUMPY\x03\x00" + bytes(100),
        b"\x93NUMPY",
        b"PK\x03\x04",
        b"",
    ],
)
def test_a_head_that_lies_or_makes_no_sense_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    refused(tmp_path / "a.npy", "a.npy: ")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "|u1", "<i2"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 4, 5), (2, 0)])
def test_what_numpy_writes_is_read(tmp_path: Path, shape: tuple[int, ...], dtype: str, order: str) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype=dtype, order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", array, other=array)
    np.savez_compressed(tmp_path / "c.npz", other=array)
    for path, name in (("a.npy", ""), ("b.npz", "arr_0"), ("b.npz", "other"), ("c.npz", "other")):
        found = read_array(tmp_path / path, "scores", name)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


def test_a_large_file_may_hold_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((3, 40, 40), dtype=np.float32)
    np.savez_compressed(tmp_path / "a.npz", values)
    monkeypatch.setattr(arrays, "_MOST_BYTES", 1000)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "scores", "arr_0"), values)


def test_a_matlab_file_that_expands_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"groundTruth": np.zeros((8192, 8192), np.uint8)}, do_compression=True)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(matlab, "_MOST_BYTES", 2**24)
    with little_memory(2**24 + MOST_MORE), pytest.raises(InputError, match="expands to more than 16 MiB"):
        read_boundaries(path)


def test_a_matlab_file_that_lies_or_ends_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"groundTruth": np.zeros((64, 64))}, do_compression=True)
    data = path.read_bytes()
    for broken in (data[:140], data[:128], data[:128] + struct.pack("<II", 15, 2**32 - 1) + zlib.compress(b"x"), b""):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="not a BSDS500 ground truth"):
            read_boundaries(path)


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("array_class", [1, 2, 3, 4])
@pytest.mark.parametrize("sizes", [(30_000, 30_000), (2**31 - 1, 1), (2**31 - 1,) * 4])
def test_a_matlab_file_that_claims_cells_is_refused(
    tmp_path: Path, sizes: tuple[int, ...], array_class: int, packed: bool
) -> None:
    flags, names = element(6, struct.pack("<II", array_class, 0)), element(1, b"groundTruth")
    inner = element(14, flags + element(5, struct.pack(f"<{len(sizes)}i", *sizes)) + names)
    cell = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<2i", 1, 1)) + names
    for whole in (inner, element(14, cell + inner)):
        written = struct.pack("<II", 15, len(zlib.compress(whole))) + zlib.compress(whole) if packed else whole
        (tmp_path / "a.mat").write_bytes(b"MATLAB".ljust(124) + struct.pack("<H", 0x100) + b"IM" + written)
        with pytest.raises(InputError, match="claims more cells than it holds"):
            read_boundaries(tmp_path / "a.mat")
