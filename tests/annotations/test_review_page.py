"""The review page works from its files alone, on a desk and on a phone: reject a mask, save, apply."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from torch import Tensor

from crispseg.annotations.filling import Mask, fill
from crispseg.annotations.labelme import Labelme
from crispseg.annotations.review import write_review
from crispseg.annotations.review.cards import cards_of
from crispseg.annotations.run import Places, clean_annotations
from tests.annotations.files import write_images, write_labelme
from tests.annotations.test_formats import grow


def test_outlines_are_around_exactly_the_pixels_of_a_mask(tmp_path: Path) -> None:
    def pierce(image: Tensor, masks: list[Mask]) -> list[Mask]:
        """Remove single pixels, and add some beside a mask."""
        new = masks[0].copy()
        new[10:28:3, 10], new[10:28:3, 12:18:3], new[9:30:4, 4] = False, False, True
        return [new, *masks[1:]]

    write_images(tmp_path)
    places = Places(write_labelme(tmp_path), tmp_path / "images", tmp_path / "out")
    summary = clean_annotations(places, Labelme(), pierce, settings={})
    for card, pictures in cards_of(summary.compared, Labelme(), places.root, 9):
        view, scale = card.whole, 8
        assert pictures["whole"].size == (view.width, view.height)
        for path, pixels in ((view.before, 18 * 22), (view.after, 18 * 22 - 18 + 6)):
            lines = [line.split("L") for line in path.removeprefix("M").removesuffix("Z").split("ZM")]
            rings = [np.array([point.split() for point in line], float) / scale for line in lines]
            assert fill([rings], view.height // scale, view.width // scale).sum() == pixels


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_what_is_rejected_on_the_page_is_written_as_it_was(
    tmp_path: Path, browser: Browser, size: tuple[int, int]
) -> None:
    write_images(tmp_path)
    places = Places(write_labelme(tmp_path), tmp_path / "images", tmp_path / "out")
    summary = clean_annotations(places, Labelme(), grow, settings={})
    assert (
        write_review(
            tmp_path / "review",
            summary.compared,
            Labelme(),
            places.root,
            count=10,
            command="crispseg … --decisions decisions.json",
        )
        == 2
    )
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, accept_downloads=True)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.goto((tmp_path / "review" / "index.html").as_uri())
    cards = page.locator(".card")
    assert cards.count() == 2
    for said in ("Those that changed most come first.", "exact pixels of the masks; polygons are written with fewer"):
        assert said in page.locator("#note").inner_text()
    page.keyboard.press("a")  # decides on nothing, since no mask is marked yet
    assert page.locator(".card.current").count() == 1
    assert page.locator("#counts").inner_text() == "0 accepted · 0 rejected · 2 undecided"
    cards.filter(has_text="b.json").get_by_role("button", name="Reject").click()
    page.keyboard.press("k")
    page.keyboard.press("a")
    assert page.locator("#counts").inner_text() == "1 accepted · 1 rejected · 0 undecided"
    page.reload()
    page.get_by_label("Show").select_option("rejected")
    assert cards.filter(visible=True).count() == 1, "decisions stay, and the others are hidden"
    with page.expect_download() as download:
        page.get_by_role("button", name="Save decisions").click()
    download.value.save_as(tmp_path / "decisions.json")
    assert "--decisions decisions.json" in page.locator("#command").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == size[0], "nothing is cut off"
    page.close()
    assert not faults
    assert len(json.loads((tmp_path / "decisions.json").read_text())["rejected"]) == 1
    clean_annotations(places, Labelme(), grow, settings={}, decisions=tmp_path / "decisions.json")
    for name, same in (("a.json", False), ("b.json", True)):
        assert ((tmp_path / "out" / name).read_bytes() == (places.root / name).read_bytes()) is same
