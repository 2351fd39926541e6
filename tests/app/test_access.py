"""The page without a mouse, without sight, and on a phone."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.app.conftest import Given
from tests.app.visitor import drop


def names_of(page: Page) -> list[str]:
    """The names of all controls, as a screen reader says them."""
    heard = page.locator("body").aria_snapshot()
    return re.findall(r'- \'?(?:button|combobox|radio|slider|spinbutton|tab) "(.*?)"', heard)


def test_no_two_controls_have_the_same_name(page: Page, given: Given) -> None:
    names = names_of(page)
    assert max(Counter(names).values()) == 1, Counter(names).most_common(3)
    assert "Prediction: drop or choose a file" in names
    drop(page, "image", given.image)
    drop(page, "prediction", given.labels)
    expect(page.get_by_role("button", name="Clear: Prediction")).to_be_visible()
    names = names_of(page)
    assert max(Counter(names).values()) == 1, Counter(names).most_common(3)


def test_a_list_closes_when_the_tab_key_leaves_it(page: Page) -> None:
    page.get_by_role("combobox", name="Kind of scores").focus()
    for _ in range(3):
        left = page.locator(":focus")
        expect(left).to_have_attribute("aria-expanded", "true")
        left = page.get_by_role("combobox", name=left.get_attribute("aria-label"), exact=True)
        page.keyboard.press("Tab")
        expect(left).to_have_attribute("aria-expanded", "false")


def test_the_line_between_before_and_after_moves_with_the_arrow_keys(page: Page) -> None:
    line = page.get_by_role("slider", name="Line between before and after")
    expect(line).to_have_attribute("aria-valuenow", "50")
    line.focus()
    for key, place in (("ArrowRight", 55), ("ArrowRight", 60), ("ArrowLeft", 55)):
        page.keyboard.press(key)
        expect(line).to_have_attribute("aria-valuenow", str(place))
    clipped = page.get_by_alt_text("After", exact=True).evaluate("image => image.style.clipPath")
    assert float(re.findall(r"([0-9.]+)%", clipped)[0]) == pytest.approx(55, abs=1)


def test_the_chosen_button_is_seen_under_the_mouse(page: Page) -> None:
    chosen = page.locator("#content input:checked")
    before = chosen.evaluate("each => getComputedStyle(each).backgroundColor")
    chosen.hover()
    page.wait_for_timeout(500)  # of a transition
    assert chosen.evaluate("each => getComputedStyle(each).backgroundColor") == before


def test_a_refused_file_is_told_on_the_screen_of_a_phone(page: Page, given: Given, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    (tmp_path / "text.npy").write_text("no array")
    drop(page, "image", given.image)
    page.locator("#naming").scroll_into_view_if_needed()
    page.mouse.wheel(0, 2000)
    drop(page, "prediction", tmp_path / "text.npy")
    expect(page.locator("#message .wrong")).to_contain_text("text.npy: damaged")
    expect(page.locator("#message .wrong")).to_be_in_viewport()


def test_one_class_is_not_called_classes(page: Page, given: Given, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "zeros.png")
    drop(page, "image", given.image)
    drop(page, "prediction", tmp_path / "zeros.png")
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels, 1 class")
    expect(page.locator("#message")).not_to_contain_text("1 classes")
