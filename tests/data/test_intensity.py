"""Images of more than 8 bits keep all of them, whatever part of their range they use."""

import itertools
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError, Sharpener
from crispseg.cli.main import main
from crispseg.data import intensity, read_image
from crispseg.data.intensity import Intensities, parse_range, to_bytes
from tests.fakes import draw_scene

WORDS = np.random.default_rng(3).integers(0, 4096, (9, 7, 4), dtype=np.uint16)
"""12-bit counts."""
FOLDERS = ("images", "eight", "said")


def write_png(path: Path, words: np.ndarray) -> Path:
    """(H, W, 1 to 4) uint16 as PNG of 16 bits, which Pillow writes in greyscale only."""
    height, width, channels = words.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in words)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def write_tiff(path: Path, words: np.ndarray, order: str, *, packed: bool) -> Path:
    """(H, W, 3) uint16 as TIFF of 16 bits, which Pillow does not write."""
    content = words.astype(f"{order}u2").tobytes()
    content = zlib.compress(content) if packed else content
    height, width, channels = words.shape
    short, long = 3, 4
    tags = [
        (256, long, 1, width), (257, long, 1, height), (258, short, 3, 0), (259, short, 1, 8 if packed else 1),
        (262, short, 1, 2), (273, long, 1, 0), (277, short, 1, channels), (278, long, 1, height),
        (279, long, 1, len(content)), (284, short, 1, 1),
    ]  # fmt: skip
    behind = 8 + 2 + 12 * len(tags) + 4
    file = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8) + struct.pack(f"{order}H", len(tags))
    for tag, kind, count, said in tags:
        value = {258: behind, 273: behind + 6}.get(tag, said)
        small = struct.pack(f"{order}HH", value, 0) if kind == short and count == 1 else struct.pack(f"{order}I", value)
        file += struct.pack(f"{order}HHI", tag, kind, count) + small
    path.write_bytes(file + struct.pack(f"{order}I", 0) + struct.pack(f"{order}3H", 16, 16, 16) + content)
    return path


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intensity, "_told", set())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("top", [4095, 65535])
def test_every_bit_of_a_png_is_read(channels: int, top: int, tmp_path: Path) -> None:
    words = WORDS[..., :channels] * (top // 4095)
    image = read_image(write_png(tmp_path / "a.png", words), (0, top)).permute(1, 2, 0).numpy()
    colours = words[..., :1] if channels < 3 else words[..., :3]
    opaque = words[..., -1:] / 65535 if channels in (2, 4) else 1
    np.testing.assert_allclose(image, np.broadcast_to(colours / top * opaque + (1 - opaque), (9, 7, 3)), atol=1e-6)


@pytest.mark.parametrize(("order", "packed"), list(itertools.product("<>", (False, True))))
def test_every_bit_of_a_tiff_is_read(order: str, packed: bool, tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", WORDS[..., :3], order, packed=packed)
    image = read_image(path, (0, 4095)).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, WORDS[..., :3] / 4095, atol=1e-6)


def test_the_lowest_float_is_black() -> None:
    """It stands for nodata in many rasters, and would overflow."""
    values = np.array([np.finfo(np.float32).min, 0.02, 0.04, np.nan], np.float32)
    scaled = intensity.Intensities(0.01, 0.03).scale(values)
    np.testing.assert_allclose(scaled, [0, 0.5, 1, np.nan], atol=1e-6)


def test_an_image_is_turned_upright_with_every_bit(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(WORDS[..., 0]).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_allclose(read_image(tmp_path / "a.png", (0, 4095))[0], np.rot90(WORDS[..., 0], -1) / 4095)


@pytest.mark.parametrize("channels", [1, 3])
def test_counts_of_12_bits_are_as_good_as_8(channels: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels, labels = draw_scene(np.random.default_rng(0))
    pixels = pixels[..., :channels] if channels == 3 else pixels.mean(-1, keepdims=True).astype(np.uint8)
    Image.fromarray(pixels.squeeze()).save(tmp_path / "8.png")
    write_png(tmp_path / "12.png", pixels.astype(np.uint16) * 16)
    scores = torch.from_numpy(labels[4::8, 4::8] == np.arange(3)[:, None, None]).float()[None]
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    with torch.inference_mode(), caplog.at_level(logging.WARNING):
        crisp = [sharpener(read_image(tmp_path / f"{bits}.png")[None], scores)[0].argmax(0) for bits in (8, 12)]
    wrong = [int((result != torch.from_numpy(labels)).sum()) for result in crisp]
    assert wrong[1] <= wrong[0] + 10
    told = [record.message for record in caplog.records]
    assert len(told) == 1
    assert "12.png" in told[0]
    assert "--range" in told[0]


def test_floats_are_read(tmp_path: Path) -> None:
    values = np.linspace(-3, 9, 63, dtype=np.float32).reshape(9, 7)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_allclose(read_image(tmp_path / "a.tif", (-3, 9))[1], (values + 3) / 12, atol=1e-6)
    estimated = read_image(tmp_path / "a.tif")
    assert (float(estimated.min()), float(estimated.max())) == (0, 1)
    values[4, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "b.tif")
    with pytest.raises(InputError, match="1 of its values are NaN"):
        read_image(tmp_path / "b.tif")


def test_a_range_serves_8_bits_too(tmp_path: Path) -> None:
    pixels = np.array([[0, 50, 100]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", (0, 100))[0].tolist() == [[0, 0.5, 1]]
    assert read_image(tmp_path / "a.png", "full").dtype == torch.uint8


@pytest.mark.parametrize("text", ["3000", "3000,0", "0,0", "0,inf", "nan,1", "low,high", "1,2,3", ""])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_range(text)


def test_a_constant_image_has_a_range() -> None:
    known = Intensities.of(np.full((4, 4), 700, np.uint16), "auto")
    assert np.isfinite(known.scale(np.full((4, 4), 700, np.uint16))).all()


def test_bytes_are_what_was_read() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    assert (to_bytes(pixels / 255) == pixels).all()
    assert to_bytes(pixels) is pixels


@pytest.mark.slow  # starts workers, runs the dense CRF
def test_the_commands_take_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    for name in "ab":
        pixels, labels = draw_scene(np.random.default_rng(5))
        write_png(tmp_path / "images" / f"{name}.png", pixels.astype(np.uint16) * 16)
        write_png(tmp_path / "eight" / f"{name}.png", pixels.astype(np.uint16) * 257)
        Image.fromarray(labels).resize((8, 6), Image.Resampling.NEAREST).save(tmp_path / "said" / f"{name}.png")
    common = ["--predictions", str(tmp_path / "said"), "--crf", "COCO"]
    for folder, limits, workers in (("images", "0,4080", "1"), ("eight", "full", "0")):
        out = ["--output", str(tmp_path / "out" / folder), "--range", limits, "--workers", workers]
        assert main(["sharpen", str(tmp_path / folder), *common, *out]) == 0
    written = [[(tmp_path / "out" / folder / f"{name}.png").read_bytes() for name in "ab"] for folder in FOLDERS[:2]]
    assert written[0] == written[1]
    assert "percentile" not in capsys.readouterr().err
    assert main(["sharpen", str(tmp_path / "images"), *common, "--output", str(tmp_path / "o"), "--range", "9"]) == 2
    assert "LOW,HIGH" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
