"""The page in a browser, used as a person would."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from crispseg.data import read_prediction
from tests.app.accessibility import CONTRASTS, UNNAMED
from tests.app.conftest import Given
from tests.app.test_limits import write_bomb
from tests.app.visitor import choose, click_until_shown, code, drop, load, set_number, take, type_text


@pytest.mark.parametrize("stem", ["scene0", """it's "$x" {1}!"""])
def test_a_person_sharpens_an_image_and_takes_the_result_away(
    page: Page, given: Given, tmp_path: Path, stem: str
) -> None:
    given = given._replace(image=given.image.rename(given.image.with_stem(stem)))
    load(page, given, given.scores)
    choose(page, "cue", "colours")
    expect(page.locator("#hardness input[type=number]")).to_have_value("5")
    expect(page.locator("#command")).to_contain_text("--cue rgb")
    set_number(page, "hardness", 12.5)
    expect(page.locator("#command")).to_contain_text("--hardness 12.5")
    type_text(page, "passes", "2")
    expect(page.locator("#command")).to_contain_text("--passes 2")
    labels, scores = tmp_path / "labels.png", tmp_path / "scores.npz"
    for button, path in (("labels", labels), ("scores", scores)):
        download = take(page, button)
        assert stem != "scene0" or download.suggested_filename == f"scene0_crisp{path.suffix}"
        download.save_as(path)
    desk = tmp_path / "desk"
    desk.mkdir()
    for file in (given.image, given.scores):
        (desk / file.name).write_bytes(file.read_bytes())
    command, lines = code(page, "Command line", "command"), code(page, "Python", "python")
    assert shlex.quote(given.image.name) in command
    main = f'crispseg() {{ "{sys.executable}" -c "import crispseg.cli.main as m; m.entry_point()" "$@"; }}'
    subprocess.run(["bash", "-c", f"{main}\n{command}"], cwd=desk, check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", lines], cwd=desk, check=True)
    given_away = labels.read_bytes()
    assert (desk / "crisp" / f"{stem}.png").read_bytes() == given_away
    assert (desk / f"{stem}_crisp.png").read_bytes() == given_away
    assert (desk / f"{stem}_crisp.npz").read_bytes() == scores.read_bytes()
    saved = read_prediction(desk / "crisp" / "scores" / f"{stem}.safetensors").scores
    assert torch.equal(saved, torch.from_numpy(np.load(scores)["scores"]))


def test_a_click_shows_the_pixel_and_its_masks(page: Page, given: Given) -> None:
    load(page, given, given.labels)
    choose(page, "cue", "colours")
    expect(page.locator("#command")).to_contain_text("--cue rgb")
    picture, tiles = page.locator("#picture img"), page.locator("#tiles svg")
    click_until_shown(picture, tiles, 40, 10)
    expect(tiles).to_have_count(4)
    expect(tiles.first).to_have_attribute("aria-label", "image around pixel 40, 10")
    masks = page.locator("#tiles svg >> nth=3").inner_html()
    type_text(page, "passes", "5")
    expect(page.locator("#tiles")).to_contain_text("all 25 passes")
    assert page.locator("#tiles svg >> nth=3").inner_html() != masks
    before = picture.get_attribute("src")
    page.locator("#view").get_by_text("embedding").click()
    expect(picture).not_to_have_attribute("src", str(before))


def test_the_slider_shows_before_and_after(page: Page, tmp_path: Path) -> None:
    slider = page.locator("#slider")
    box = slider.bounding_box()
    assert box is not None
    handle = slider.locator("[data-testid=slider] .inner, [data-testid=slider]").first
    shots = []
    for share in (0.98, 0.02):
        middle = handle.bounding_box()
        assert middle is not None
        page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        path = tmp_path / f"{share}.png"
        slider.screenshot(path=path)
        shots.append(np.asarray(Image.open(path).convert("RGB")).astype(int))
    differing = (np.abs(shots[0] - shots[1]).max(-1) > 40).mean()
    assert 0.005 < differing < 0.2  # what sharpening changed, and the handle


def test_wrong_files_get_a_word_and_the_page_goes_on(page: Page, given: Given, tmp_path: Path) -> None:
    wrong = page.locator("#message .wrong")
    broken = tmp_path / "broken.png"
    broken.write_bytes(given.image.read_bytes()[:200])
    drop(page, "image", broken)
    expect(wrong).to_contain_text("image broken.png: damaged or truncated")
    drop(page, "image", write_bomb(tmp_path / "bomb.png", 60_000, 60_000))
    expect(wrong).to_contain_text("image bomb.png: too large to open safely")
    load(page, given, given.scores)
    drop(page, "prediction", given.image)
    expect(wrong).to_have_text(
        re.compile(r"label map scene0\.png: its pixels are RGB; expected an indexed or greyscale")
    )
    choose(page, "scores", "probabilities")
    expect(wrong).to_contain_text("probabilities, but ranges from")
    expect(page.locator("#scores input")).to_have_value("logits")
    large = tmp_path / "large.npy"
    large.write_bytes(b"\0" * 1_200_000)
    drop(page, "prediction", large)
    expect(page.get_by_test_id("toast-body")).to_contain_text("maximum allowed size")
    type_text(page, "passes", "3")
    expect(page.locator("#message")).to_contain_text("of the pixels changed")
    expect(page.locator("#command")).to_contain_text("--passes 3")


def test_a_value_that_cannot_be_used_is_explained_where_it_was_typed_and_the_result_stays(page: Page) -> None:
    for control, wrong, message, before in (
        ("window", "8", "window size is 8; expected an odd number such as 9", "5@64,5@16,5@8,5@4,5@2,5"),
        ("window", "999", "a window of 999 is too large for 640×427 pixels", "5@64,5@16,5@8,5@4,5@2,5"),
        ("guard", "2", "guard is 2; expected a number above 0 and up to 0.5", "0.4"),
        ("grid", "nowhere", "grid is 'nowhere'", "centres"),
    ):
        type_text(page, control, wrong)
        expect(page.locator("#message .wrong")).to_contain_text(message)
        expect(page.locator("#message .wrong")).to_contain_text("The last result stays.")
        expect(page.locator(f"#{control}.refused .info-text")).to_contain_text(message)
        expect(page.locator(f"#{control} input")).to_have_value(before)
        expect(page.locator("#take-labels")).to_be_enabled()
        expect(page.locator("#legend")).to_contain_text("sky")
    type_text(page, "guard", "0.3")
    expect(page.locator("#command")).to_contain_text("--guard 0.3")
    expect(page.locator("#message")).to_contain_text("of the pixels changed")
    expect(page.locator(".refused")).to_have_count(0)
    set_number(page, "hardness", 100)
    expect(page.locator("#command")).to_contain_text("--hardness 9")
    page.locator("#hardness input[type=number]").blur()
    expect(page.locator("#hardness input[type=number]")).to_have_value("9")
    type_text(page, "window", "8")
    expect(page.locator("#window.refused")).to_have_count(1)
    page.locator("#reset").click()
    expect(page.locator(".refused")).to_have_count(0)
    expect(page.locator("#window .info-text")).to_contain_text("How far a pixel looks")
    expect(page.locator("#command")).not_to_contain_text("--guard")
    expect(page.locator("#hardness input[type=number]")).to_have_value("1.5")


def test_probabilities_that_were_refused_as_logits_are_taken_once_that_is_said(
    page: Page, given: Given, tmp_path: Path
) -> None:
    probabilities = torch.from_numpy(np.load(given.scores)["arr_0"]).softmax(0)
    np.save(tmp_path / "p.npy", probabilities.numpy())
    drop(page, "image", given.image)
    expect(page.locator("#message")).to_contain_text("Now drop its prediction.")
    drop(page, "prediction", tmp_path / "p.npy")
    wrong = page.locator("#message .wrong")
    expect(wrong).to_contain_text("choose probabilities as the kind of scores")
    expect(page.locator("#slider img")).to_have_count(2)  # the image, while its prediction is missing
    expect(page.locator("#prediction").get_by_role("cell", name="p.npy")).to_be_visible()
    assert page.locator("#drops .stem").evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")
    expect(page.locator("#names input")).to_have_value("numbers")  # those of the sample went with it
    choose(page, "grid", "stretched")
    expect(wrong).to_contain_text("choose probabilities as the kind of scores")
    expect(page.locator("#grid input")).to_have_value("stretched")
    set_number(page, "hardness", 2)
    expect(page.locator("#message")).to_contain_text("p.npy was refused: say what it holds")
    choose(page, "scores", "probabilities")
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels")
    expect(page.locator("#command")).to_contain_text("--predictions p.npy")
    expect(page.locator("#command")).to_contain_text("--scores probabilities")


def test_boundaries_come_from_a_file(page: Page, given: Given, boundary: Path) -> None:
    load(page, given, given.scores)
    choose(page, "cue", "boundaries that lie between two pixels")
    expect(page.locator("#message .wrong")).to_contain_text("needs a boundary map of the image; drop one below the cue")
    expect(page.locator("#command")).not_to_contain_text("contour")  # still that of what is shown
    drop(page, "boundary", boundary)
    expect(page.locator("#command")).to_contain_text("--boundaries edges.png --cue contour")
    expect(page.locator("#take-labels")).to_be_enabled()


def test_every_visitor_has_a_page_of_his_own(page: Page, browser: Browser, address: str, given: Given) -> None:
    load(page, given, given.labels)
    other = browser.new_page()
    other.goto(address)
    expect(other.locator("#message")).to_contain_text("640 × 427 pixels, 4 classes")
    type_text(page, "window", "5@2")
    expect(page.locator("#command")).to_contain_text("--window 5@2")
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels")
    expect(other.locator("#command")).to_contain_text("pagoda.jpg")
    other.close()


def test_objects_come_in_and_go_out_as_they_are_said_to_be(page: Page, given: Given, tmp_path: Path) -> None:
    page.locator("#sample-flowers").click()
    expect(page.locator("#message")).to_contain_text("3 objects")
    expect(page.locator("#legend")).to_contain_text("second dahlia")
    expect(page.locator("#guard")).to_have_count(0)  # it has no effect
    expect(page.locator("#take-scores")).to_be_disabled()
    assert take(page, "sample").suggested_filename == "flowers.zip"
    take(page, "labels").save_as(tmp_path / "flowers.npy")
    crisp = np.load(tmp_path / "flowers.npy")
    assert (crisp.dtype, crisp.shape) == (np.bool_, (3, 427, 640))
    drop(page, "image", given.image)
    expect(page.locator("#message")).to_contain_text("Now drop its prediction.")
    drop(page, "prediction", given.labels)
    expect(page.locator("#message")).to_contain_text("4 classes")  # nothing of the sample is said any more
    expect(page.locator("#guard")).to_have_count(1)
    page.locator("#content").get_by_text("objects").click()
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels, 3 objects")
    type_text(page, "names", "none, box, ball")
    expect(page.locator("#legend")).to_contain_text("ball")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (390, 844, "dark")])
def test_the_first_screen_shows_a_result_that_everyone_can_read(
    page: Page, width: int, height: int, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("document.fonts.status === 'loaded'")
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
    page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
    for part in ("#slider", "#crops figure >> nth=1", "#legend", "#take-labels"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height, part
        assert box["x"] + box["width"] <= width, part
    assert page.evaluate(CONTRASTS) == []
    assert page.evaluate(UNNAMED) == []
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_pixel_is_chosen_without_a_mouse(page: Page, given: Given) -> None:
    load(page, given, given.labels)
    tiles, x, y = page.locator("#tiles svg"), *(page.locator(f"#pixel-{name} input") for name in "xy")
    x.focus()
    page.keyboard.type("40")
    page.keyboard.press("Tab")
    expect(y).to_be_focused()
    page.keyboard.type("10")
    expect(tiles.first).to_have_attribute("aria-label", "image around pixel 40, 10")
    page.keyboard.press("ArrowUp")
    expect(tiles.first).to_have_attribute("aria-label", "image around pixel 40, 11")
    page.keyboard.type("0")
    expect(page.locator("#message .wrong")).to_contain_text(
        "pixel 40,110 lies outside the image; expected x below 64 and y below 48. The last result stays."
    )
    click_until_shown(page.locator("#picture img"), tiles, 7, 5)
    expect(x).to_have_value("7")
    expect(y).to_have_value("5")
    drop(page, "image", given.image)
    expect(x).to_have_value("")


def test_values_that_were_estimated_are_said(page: Page, given: Given, tmp_path: Path) -> None:
    """Only the log of the server had said so."""
    pixels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    note = "The values 61.42 and 3009.58 of the image, its 2nd and 98th percentile, are taken as black and white."
    drop(page, "image", tmp_path / "deep.png")
    expect(page.locator("#message")).to_contain_text(note)
    drop(page, "prediction", given.labels)
    expect(page.locator("#message")).to_contain_text("64 × 48 pixels")
    expect(page.locator("#message")).to_contain_text(note)
    drop(page, "image", given.image)
    expect(page.locator("#message")).not_to_contain_text("percentile")
