"""The page that sharpens in the browser gives what PyTorch gives, asks no other server, and says what it refuses."""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, Worker, expect

from crispseg import Sharpener, sharpen_array
from tests.app.accessibility import CONTRASTS, UNNAMED
from tests.commands import ROOT
from tests.web.conftest import Served, floats

PHOTOGRAPHS = ROOT / "src" / "crispseg" / "app" / "sample_files"
TOLERANCE = 1e-3
"""The largest difference between the probabilities of the page and those of PyTorch. That of PyTorch's own results in
float32 and float64 is half of it: the guard magnifies rounding where a label is rare."""


def sharpen(page: Page) -> None:
    page.get_by_label("Longest side").select_option("320")
    expect(page.locator("#facts")).to_contain_text("scaled from")
    page.get_by_role("button", name="Sharpen").click()
    expect(page.locator("#message")).to_contain_text("Sharpened in")


def arrays(page: Page) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return image, scores and crisp scores of the last run."""
    height, width, channels, rows, columns = page.evaluate(
        """async () => {
          const {photograph, given} = (await import("./page.js")).result;
          return [photograph.height, photograph.width, given.channels, given.rows, given.columns];
        }"""
    )
    pixels = page.evaluate("async () => [...(await import('./page.js')).result.photograph.pixels]")
    image = torch.tensor(pixels, dtype=torch.uint8).reshape(height, width, 4)[..., :3].permute(2, 0, 1)[None]
    scores = torch.from_numpy(floats(page, "result.given.scores").copy()).reshape(1, channels, rows, columns)
    return image, scores, torch.from_numpy(floats(page, "result.crisp").copy()).reshape(1, channels, height, width)


def downloaded(page: Page) -> Image.Image:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download mask").click()
    assert download.value.suggested_filename.endswith("_crisp.png")
    return Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))


@torch.inference_mode()
def test_the_example_becomes_what_pytorch_makes_of_it(page: Page) -> None:
    sharpen(page)
    image, scores, crisp = arrays(page)
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    torch.testing.assert_close(crisp, sharpener.nearby()(image, scores), rtol=0, atol=TOLERANCE)
    with Image.open(PHOTOGRAPHS / "pagoda_mask.png") as mask, downloaded(page) as result:
        assert result.mode == mask.mode == "P"
        assert result.getpalette() == mask.getpalette()
        labels = sharpen_array(image[0].permute(1, 2, 0), mask, sharpener=sharpener)
        # The page counts the width of thin parts in pixels of the image, and Python in cells of the label map.
        assert (np.asarray(result) != labels).mean() < 0.005
        likeliest = crisp.argmax(1)[0].numpy()
        assert (np.asarray(result) != np.unique(np.asarray(mask))[likeliest]).mean() < 1e-4
    page.locator("#divider").focus()
    for key, place in (("Home", "0%"), ("End", "100%")):
        page.keyboard.press(key)
        assert page.locator("#compare").evaluate("each => each.style.getPropertyValue('--at')") == place


@torch.inference_mode()
def test_a_soft_mask_of_a_person_becomes_what_pytorch_makes_of_it(page: Page, served: Served, tmp_path: Path) -> None:
    page.locator("#photo").set_input_files(PHOTOGRAPHS / "portrait.jpg")
    expect(page.locator("#message")).to_have_text("Now drop the mask of this photograph.")
    page.locator("#mask").set_input_files(PHOTOGRAPHS / "portrait_mask.png")
    expect(page.locator("#message")).to_have_text("Say whether the mask is a soft mask or a label map.")
    expect(page.locator("#sharpen")).to_be_disabled()
    page.get_by_label("a soft mask").check()
    sharpen(page)
    image, scores, crisp = arrays(page)
    expected = Sharpener.from_pretrained(scores="probabilities")(image, scores)
    torch.testing.assert_close(crisp, expected, rtol=0, atol=TOLERANCE)
    with downloaded(page) as result:
        assert result.mode == "L"
        assert np.abs(np.asarray(result) / 255 - expected[0, 0].numpy()).max() < 0.5 / 255 + TOLERANCE
    elsewhere = Served(tmp_path)
    (worker,) = page.workers
    places: tuple[Page | Worker, ...] = (page, worker)
    for place in places:  # neither page nor worker could send anything away
        failed = place.evaluate("url => fetch(url, {mode: 'no-cors'}).then(() => false, () => true)", elsewhere.address)
        assert failed
        assert place.evaluate("url => fetch(url).then(() => true)", f"{served.address}style.css")
    assert elsewhere.asked == []
    elsewhere.close()


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_what_cannot_be_used_is_explained(page: Page, tmp_path: Path) -> None:
    wrong, good = page.locator("#message.wrong"), PHOTOGRAPHS / "pagoda_mask.png"
    (tmp_path / "notes.jpg").write_text("no picture")
    page.locator("#photo").set_input_files(tmp_path / "notes.jpg")
    expect(wrong).to_contain_text("notes.jpg is not a picture that this browser can open; expected a JPEG, PNG or WebP")
    page.locator("#photo").set_input_files(PHOTOGRAPHS / "pagoda.jpg")
    page.get_by_label("a label map").check()
    ramp = np.arange(40 * 27, dtype=np.uint8).reshape(27, 40)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:150])
    for file, message in (
        (PHOTOGRAPHS / "pagoda.jpg", "pagoda.jpg is not a PNG file; expected a mask as PNG"),
        (saved(Image.new("RGB", (40, 27)), tmp_path / "rgb.png"), "expected one channel: save it as a greyscale or"),
        (saved(Image.new("L", (27, 40)), tmp_path / "turned.png"), "27 × 40 pixels and the photograph 640 × 427"),
        (saved(Image.new("L", (40, 27), 7), tmp_path / "one.png"), "one.png holds the number 7 alone; expected two"),
        (saved(Image.fromarray(ramp), tmp_path / "many.png"), "256 different numbers; expected at most 64 classes"),
        (tmp_path / "cut.png", "cut.png is damaged or truncated; export it again"),
    ):
        page.locator("#mask").set_input_files(file)
        expect(wrong).to_contain_text(message)
        expect(page.locator("#sharpen")).to_be_disabled()
    page.locator("#mask").set_input_files(good)
    expect(page.locator("#sharpen")).to_be_enabled()
    page.get_by_label("a soft mask").check()
    expect(wrong).to_contain_text("has a palette, so its numbers are classes; say it is a label map")
    page.locator("#mask").set_input_files(saved(Image.fromarray(ramp % 20), tmp_path / "dark.png"))
    expect(wrong).to_contain_text("dark.png shows no object: its brightest grey is 19 of 255")


def test_masks_are_read_as_the_numbers_they_hold(page: Page) -> None:
    rng = np.random.default_rng(0)
    smooth = (np.add.outer(np.arange(31), np.arange(45)) * 700).astype(np.uint16)  # rows that the filters suit
    pictures = [Image.fromarray(smooth.astype(np.uint8)), Image.fromarray(smooth)]
    for bits in (1, 2, 4, 8):
        picture = Image.fromarray(rng.integers(0, 2**bits, (31, 45), dtype=np.uint8))
        picture.putpalette(rng.integers(0, 256, 3 * 2**bits, dtype=np.uint8).tobytes())
        pictures.append(picture)
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, format="PNG", bits={2: 1, 4: 2, 16: 4}.get(len(picture.getpalette() or []) // 3, 8))
        values, written = page.evaluate(
            """async (bytes) => {
              const {readPng, writePng} = await import("./png.js"), read = await readPng(new Uint8Array(bytes));
              return [[...read.values], [...new Uint8Array(await (await writePng(read)).arrayBuffer())]];
            }""",
            list(file.getvalue()),
        )
        with Image.open(io.BytesIO(bytes(written))) as again:
            np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))
        np.testing.assert_array_equal(np.reshape(values, (31, 45)), np.asarray(picture))


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (390, 844, "dark")])
def test_everyone_can_read_and_use_it(
    page: Page, width: int, height: int, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
    page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate(UNNAMED) == []
    box = page.locator("#compare").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
