"""Label maps keep their numbers and colours."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crispseg import InputError
from crispseg.data import read_labels, write_labels
from crispseg.data.labels import default_palette, shrink_labels


@settings(max_examples=20, deadline=None)
@given(highest=st.sampled_from([0, 1, 254, 255, 256, 65535]), seed=st.integers(0, 100))
def test_greyscale_keeps_every_label(highest: int, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("labels") / "a.png"
    labels = torch.randint(0, highest + 1, (5, 7), generator=torch.Generator().manual_seed(seed))
    labels[0, 0] = highest
    write_labels(path, labels)
    read = read_labels(path)
    assert torch.equal(read.labels, labels)
    assert read.palette is None


def test_an_indexed_map_keeps_its_palette(tmp_path: Path) -> None:
    labels = torch.tensor([[0, 1], [2, 2]])
    palette = (9, 8, 7, 1, 2, 3, 250, 0, 250)
    write_labels(tmp_path / "a.png", labels, palette)
    read = read_labels(tmp_path / "a.png")
    assert torch.equal(read.labels, labels)
    assert read.palette == palette


def test_a_label_beyond_the_palette_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels from 0 to 3; expected 0 to 2"):
        write_labels(tmp_path / "a.png", torch.tensor([[0, 3]]), (0,) * 9)
    image = Image.fromarray(np.array([[0, 1, 2, 3]], dtype=np.uint8))
    image.putpalette((0,) * 12)
    image.save(tmp_path / "b.png", bits=8)
    data = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(_cut_palette(data, 2))
    with pytest.raises(InputError, match="label 3 is beyond its palette of 2 colours"):
        read_labels(tmp_path / "b.png")


def _cut_palette(png: bytes, colours: int) -> bytes:
    """The same PNG with fewer colours in its palette."""
    import zlib  # noqa: PLC0415

    start = png.index(b"PLTE") - 4
    length = int.from_bytes(png[start : start + 4], "big")
    body = b"PLTE" + png[start + 8 : start + 8 + 3 * colours]
    chunk = (3 * colours).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return png[:start] + chunk + png[start + 12 + length :]


def test_a_colour_image_is_not_a_label_map(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="its pixels are RGB; expected an indexed or greyscale image"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("mode", "colour", "remedy"),
    [
        ("RGB", (9, 9, 9), "its colours are greys, so save the first channel alone"),
        ("RGBA", (9, 9, 9, 255), "its colours are greys"),
        ("LA", (9, 255), "its colours are greys"),
        ("RGB", (9, 0, 0), "give each colour the number of its class first"),
        ("F", 1.0, "save them as whole numbers"),
    ],
)
def test_a_picture_is_told_how_to_become_a_label_map(mode: str, colour: Any, remedy: str, tmp_path: Path) -> None:
    Image.new(mode, (3, 2), colour).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=rf"its pixels are {mode}; .*: {remedy}"):
        read_labels(tmp_path / "a.tif")


def test_labels_of_16_bits_are_read_in_either_order_of_bytes(tmp_path: Path) -> None:
    labels = np.array([[0, 300], [7, 65535]])
    for mode, dtype in (("I;16", "<u2"), ("I;16B", ">u2")):
        Image.frombytes(mode, (2, 2), labels.astype(dtype).tobytes()).save(tmp_path / "a.tif")
        assert read_labels(tmp_path / "a.tif").labels.tolist() == labels.tolist()


def test_default_colours_differ() -> None:
    palette = default_palette()
    assert len(palette) == 768
    assert len({palette[3 * i : 3 * i + 3] for i in range(256)}) == 256
    assert palette[3 * 255 :] == (224, 224, 192)


def test_labels_are_shrunk_by_the_nearest_pixel() -> None:
    labels = torch.tensor([[[0, 0, 255, 255], [0, 0, 255, 255], [7, 7, 3, 3], [7, 7, 3, 3]]])
    assert shrink_labels(labels, 2, 2).tolist() == [[[0, 255], [7, 3]]]
    assert set(shrink_labels(labels, 3, 3).unique().tolist()) <= {0, 3, 7, 255}


@given(st.integers(1, 40), st.integers(1, 40))
def test_every_pixel_takes_the_label_at_its_middle(length: int, count: int) -> None:
    found = shrink_labels(torch.arange(length)[None, None], 1, count)[0, 0].tolist()
    assert found == [math.floor((i + Fraction(1, 2)) * Fraction(length, count)) for i in range(count)]


def test_shrinking_to_a_grid_on_the_corners_takes_its_pixels() -> None:
    labels = torch.arange(321)[None, None].expand(1, 321, 321)
    found = shrink_labels(labels, 41, 41, align_corners=True)
    assert found[0, 0].tolist() == list(range(0, 321, 8))
