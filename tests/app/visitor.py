"""The actions of a visitor of the page: drop files, choose, type, click and take results."""

import contextlib
from pathlib import Path

from playwright.sync_api import Download, Locator, Page, TimeoutError, expect

from tests.app.conftest import Given

expect.set_options(timeout=60_000)


def drop(page: Page, where: str, file: Path) -> None:
    """Drop a file, in the place of one that lies there already."""
    place = page.locator(f"#{where}")
    expect(place.locator("input[type=file], button[title=Clear]").first).to_be_attached()
    if place.get_by_label("Clear").count():
        place.get_by_label("Clear").first.click()
    place.locator("input[type=file]").set_input_files(file)


def load(page: Page, given: Given, prediction: Path) -> None:
    """Drop an image, then its prediction."""
    drop(page, "image", given.image)
    expect(page.locator("#message")).to_contain_text("Now drop its prediction.")
    drop(page, "prediction", prediction)
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels")


def set_number(page: Page, control: str, value: float) -> None:
    number = page.locator(f"#{control} input[type=number]")
    number.fill(str(value))
    number.press("Enter")


def choose(page: Page, control: str, title: str) -> None:
    page.locator(f"#{control} input").click()
    page.get_by_role("option", name=title, exact=True).click()


def type_text(page: Page, control: str, text: str) -> None:
    typed = page.locator(f"#{control} input")
    typed.fill(text)
    typed.press("Enter")


def click_until_shown(picture: Locator, shown: Locator, x: int, y: int) -> None:
    """Click a pixel of a 64 × 48 picture, which may be replaced under the pointer while it is still computed."""
    for _ in range(20):
        box = picture.bounding_box()
        assert box is not None
        wide = min(box["width"], box["height"] * 64 / 48)  # the picture lies in the middle of its frame
        left, top = (box["width"] - wide) / 2, (box["height"] - wide * 48 / 64) / 2
        picture.click(position={"x": left + (x + 0.5) * wide / 64, "y": top + (y + 0.5) * wide / 64})
        with contextlib.suppress(TimeoutError):
            shown.first.wait_for(timeout=5000)
            return


def take(page: Page, button: str) -> Download:
    with page.expect_download() as download:
        page.locator(f"#take-{button}").click()
    return download.value


def code(page: Page, tab: str, block: str) -> str:
    page.get_by_role("tab", name=tab).click()
    return "\n".join(page.locator(f"#{block} .cm-line").all_inner_texts())
