"""Any photograph becomes RGB; anything else becomes an error that names the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crispseg import InputError
from crispseg.data import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: Any) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_rgb(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", PIXELS))
    assert image.shape == (3, 4, 6)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), PIXELS)


def test_greyscale_has_three_equal_channels(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "a.png", PIXELS[..., 0]))
    assert all(np.array_equal(channel.numpy(), PIXELS[..., 0]) for channel in image)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.full((4, 6, 1), 255, dtype=np.uint8)
    alpha[0, 0] = 0
    image = read_image(save(tmp_path / "a.png", np.concatenate((PIXELS, alpha), -1))).permute(1, 2, 0).numpy()
    assert image[0, 0].tolist() == [255, 255, 255]
    assert np.array_equal(image[1:], PIXELS[1:])


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 257, 65535, 32768]], dtype=np.uint16)
    image = read_image(save(tmp_path / "a.png", values))
    np.testing.assert_allclose(image[0], values / 65535, atol=1e-7)
    assert (image[0] == image[2]).all()


def test_cmyk_and_palette_are_converted(tmp_path: Path) -> None:
    grey = np.full((8, 8, 3), 128, dtype=np.uint8)
    cmyk = read_image(save(tmp_path / "a.jpg", grey, "CMYK", quality=95))
    assert (cmyk.float() - 128).abs().max() <= 3
    indexed = Image.fromarray(np.array([[0, 1]], dtype=np.uint8))
    indexed.putpalette((1, 2, 3, 40, 50, 60))
    indexed.save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").permute(1, 2, 0).tolist() == [[[1, 2, 3], [40, 50, 60]]]


def test_exif_rotation_turns_the_image_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(save(tmp_path / "a.png", PIXELS, exif=exif))
    assert np.array_equal(image.permute(1, 2, 0).numpy(), np.rot90(PIXELS, -1))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    whole = save(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:600])
    Image.fromarray(np.full((2, 2), np.nan, dtype=np.float32)).save(tmp_path / "float.tif")
    for name, message in (
        ("none.png", "no such file"),
        ("text.png", "not an image that Pillow can read"),
        ("cut.png", "damaged or truncated"),
        ("float.tif", "no finite values"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", PIXELS)
    for limit in (10, 20):  # twice the limit is Pillow's error, once its warning
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(InputError, match="too large to open safely"):
            read_image(path)


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp"])
def test_a_file_of_several_pages_is_refused(ending: str, tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 3), grey) for grey in (0, 90, 200)]
    pages[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"image .*a\.\w+: holds several pages or frames; expected one: save each"):
        read_image(tmp_path / f"a.{ending}")


def test_a_smaller_copy_or_a_mask_is_no_page(tmp_path: Path) -> None:
    image, smaller, mask = Image.new("L", (4, 3), 90), Image.new("L", (2, 2), 9), Image.new("1", (4, 3))
    mask.encoderinfo = {"tiffinfo": {254: 4}}
    for number, other in enumerate((smaller, mask)):
        image.save(tmp_path / f"{number}.tif", save_all=True, append_images=[other])
        assert read_image(tmp_path / f"{number}.tif").shape == (3, 3, 4)
        assert int(read_image(tmp_path / f"{number}.tif").max()) == 90
    image.convert("RGB").save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[image.convert("RGB")])
    assert read_image(tmp_path / "phone.jpg").shape == (3, 3, 4)
