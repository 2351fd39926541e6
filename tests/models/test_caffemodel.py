"""A `.caffemodel` of any age is read, and a damaged one is refused."""

import random
import struct
import time
from pathlib import Path

import pytest
import torch

from crispseg import InputError
from crispseg.models.caffemodel import read_caffemodel
from crispseg.models.convert import convert
from crispseg.process_memory import forget_peak, is_counted, peak_bytes, resident_bytes
from tests.models.caffe import Blobs, blob_bytes, caffemodel_bytes, field, number_field, varint

BLOBS: Blobs = {
    "conv1": [torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, -2, 0.5, 3])],
    "größe": [torch.randn(2, 200, 1, 1, generator=torch.Generator().manual_seed(1))],
}


def read(data: bytes, folder: Path) -> Blobs:
    (folder / "net.caffemodel").write_bytes(data)
    return read_caffemodel(folder / "net.caffemodel")


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
def test_what_is_written_is_what_is_read(old: bool, packed: bool, tmp_path: Path) -> None:
    found = read(caffemodel_bytes(BLOBS, old=old, packed=packed), tmp_path)
    assert list(found) == list(BLOBS)
    for name, values in BLOBS.items():
        assert len(found[name]) == len(values)
        for ours, value in zip(found[name], values, strict=True):
            assert ours.dtype == torch.float32
            assert ours.shape == ((1,) * (4 - value.ndim) + value.shape if old else value.shape)
            assert torch.equal(ours.reshape(value.shape), value)


def test_doubles_are_read(tmp_path: Path) -> None:
    found = read(caffemodel_bytes(BLOBS, double=True), tmp_path)
    assert torch.equal(found["conv1"][0], BLOBS["conv1"][0])


def test_a_file_cut_anywhere_is_refused_or_lacks_whole_layers(tmp_path: Path) -> None:
    whole = caffemodel_bytes(BLOBS)
    refused = 0
    for end in range(0, len(whole), 7):
        try:
            found = read(whole[:end], tmp_path)
        except InputError as error:
            refused += "damaged" in str(error) or "has no layer" in str(error)
            continue
        for name, values in found.items():
            assert all(torch.equal(a, b) for a, b in zip(values, BLOBS[name], strict=True))
    assert refused > 0.95 * len(whole) / 7


def test_damaged_bytes_end_in_an_input_error_or_in_tensors(tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = caffemodel_bytes(BLOBS)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = read(bytes(data), tmp_path)
        except InputError:
            continue
        assert all(isinstance(value, torch.Tensor) for values in found.values() for value in values)


def layer(*blobs: bytes, name: str = "conv") -> bytes:
    return field(100, field(1, name.encode()) + b"".join(field(7, blob) for blob in blobs))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no layer with weights"),
        (b"version https://git-lfs.github.com/spec/v1\n", "damaged, truncated or not a binary .caffemodel"),
        (layer(), "has no layer with weights"),
        (
            layer(blob_bytes(torch.ones(2)) + field(7, field(1, b"\x03"))),
            r".conv. has 2 numbers for the shape \(2",
        ),
        (layer(b"".join(number_field(index, 2) for index in (1, 2, 3, 4))), ".conv. has 0 numbers for the shape"),
        (layer(field(7, field(1, b"\xff" * 9 + b"\x01"))), r".conv. has 0 numbers for the shape \(-1,\)"),
        (layer(blob_bytes(torch.ones(1))) * 2, "two layers named .conv. hold weights"),
    ],
)
def test_files_without_sense_are_refused(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(data, tmp_path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_caffemodel(tmp_path / "none.caffemodel")


def shaped(shape: tuple[int, ...], *data: bytes) -> bytes:
    return field(7, field(1, b"".join(map(varint, shape)))) + b"".join(data)


FLOATS = field(5, struct.pack("<4f", 1, 2, 3, 4))
LIES = {
    "a shape that is too large": (layer(shaped((2**40, 2**40), FLOATS)), "has 4 numbers for the"),
    "a shape whose product overflows": (
        layer(shaped((2**63 - 1, 2**63 - 1, 2), FLOATS)),
        "has 4 numbers for the shape",
    ),
    "too many axes": (
        layer(shaped((1,) * 100_000, field(5, struct.pack("<f", 1)))),
        "100000 axes; expected at most",
    ),
    "too many blobs": (layer(*[b""] * 200_000), "200000 blobs; expected at most 10000 layers of 100"),
    "too many layers": (
        b"".join(layer(b"", name=str(number)) for number in range(10_001)),
        "one of 10001 with 1 blobs; expected at most 10000 layers",
    ),
    "numbers twice": (layer(shaped((4,), FLOATS, field(8, bytes(32)))), "numbers twice, as float and as double"),
    "NaN": (layer(shaped((1,), field(5, struct.pack("<f", float("nan"))))), "holds NaN or infinity"),
    "infinity": (layer(shaped((1,), field(5, struct.pack("<f", float("inf"))))), "holds NaN or infinity"),
    "a double beyond float32": (layer(shaped((1,), field(8, struct.pack("<d", 1e300)))), "holds NaN or infinity"),
    "a field of 2 GB": (varint(100 << 3 | 2) + varint(2**31 - 1) + b"abc", "damaged, truncated"),
    "a field of 1 TB": (varint(100 << 3 | 2) + varint(2**40) + b"abc", "damaged, truncated"),
    "groups in groups": (varint(9 << 3 | 3) * 200_000, "damaged, truncated"),
    "a long name": (layer(shaped((3,), FLOATS), name="\x1b[31m" * 100_000), "has 4 numbers for the shape"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_in_little_time_and_memory(lie: str, tmp_path: Path) -> None:
    data, message = LIES[lie]
    read(caffemodel_bytes(BLOBS), tmp_path)  # protobuf is imported
    if is_counted():
        forget_peak()
    before, start = resident_bytes() if is_counted() else 0, time.process_time()
    with pytest.raises(InputError, match=message) as caught:
        read(data, tmp_path)
    assert time.process_time() - start < 10
    assert not is_counted() or peak_bytes() - before < 300 * 2**20
    assert len(str(caught.value)) < 3000
    assert str(caught.value).isprintable()


def test_a_file_larger_than_a_message_can_be_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "net.caffemodel").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(InputError, match="larger than 2 GiB"):
        read_caffemodel(tmp_path / "net.caffemodel")


def test_a_network_is_no_larger_than_what_the_file_holds() -> None:
    blobs = {"weighted_avg": [torch.zeros(0, 2**40), torch.zeros(1)]}
    with pytest.raises(InputError, match="no layer conv1_1"):
        convert(blobs, "embedding")
    with pytest.raises(InputError, match="dim is 5000; expected a whole number from 1 to 4096"):
        convert({"weighted_avg": [torch.zeros(5000, 1)]}, "embedding")
