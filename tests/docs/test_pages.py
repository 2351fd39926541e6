"""The instructions on the pages work."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg.cli.main import COMMANDS, main
from tests.annotations.files import write_coco, write_images, write_labelme
from tests.commands import ROOT, arguments_of, assert_understood
from tests.docs.pages import DOCS, PAGES, Block, blocks_of, links_of
from tests.fakes import write_camvid, write_clips, write_folder, write_raster, write_scored_folder
from tests.marks import not_traced

GUIDES = ["tutorial.md", *(page for page in PAGES if page.startswith("how-to/"))]

# Options that make what takes long short; what cannot be short, or needs a cluster, is left to its own tests.
SHORTER = {
    "train": [
        *("--steps", "2", "--checkpoint_every", "1", "--val_every", "1", "--val_images", "1", "--workers", "0"),
        *("--crop.size", "33", "--batch_size", "1", "--accelerator", "cpu", "--precision", "32-true"),
    ],
    "tune": ["--every", "2", "--score-weight", "auto"],
    "raster": ["--memory", "16GiB"],  # what other tests loaded counts too
    "export": [
        *("--window", "3", "--passes", "1", "--guard", "none", "--score-weight", "0", "--upsampling", "bilinear"),
    ],
}
SHORTER_CODE = {
    # Tracing takes time for every level and pass, and is done three times.
    "how-to/export.md": (
        "Sharpener.from_pretrained()",
        'Sharpener.from_pretrained(window=3, passes=1, guard=None, score_weight=0, upsampling="bilinear")',
    ),
}
LEFT_OUT = {"table", "--ray", "app"}

COMPILED = {"c", "sh"}
"""Blocks that tests/export/test_native.py compiles and runs."""


@pytest.fixture
def readers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone, with the folders and files that the guides speak of."""
    for name in ("configs", "demo", "src"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_scored_folder(tmp_path, 2)
    shutil.copytree(tmp_path / "scores", tmp_path / "logits")
    write_camvid(tmp_path / "camvid", split="val")
    write_clips(tmp_path)
    for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelTrainIds")):
        (tmp_path / kind / "val").mkdir(parents=True)
        for path in (tmp_path / ("images" if kind == "leftImg8bit" else "labels")).iterdir():
            shutil.copy(path, tmp_path / kind / "val" / f"{path.stem}_{suffix}.png")
    for split in ("train", "val"):
        write_folder(tmp_path / "data" / split, 2, void=255)
    shutil.copy(tmp_path / "images" / "scene0.png", tmp_path / "photo.png")
    Image.open(tmp_path / "photo.png").save(tmp_path / "photo.jpg")
    Image.fromarray(np.asarray(Image.open(tmp_path / "labels" / "scene0.png"))[::8, ::8]).save(tmp_path / "mask.png")
    write_raster(tmp_path / "field.tif", np.moveaxis(np.asarray(Image.open(tmp_path / "photo.png")), -1, 0), 1)
    write_raster(tmp_path / "field_scores.tif", np.load(tmp_path / "scores" / "scene0.npy"), 8)
    likely = np.exp(np.load(tmp_path / "scores" / "scene0.npy"))
    write_raster(tmp_path / "field_bytes.tif", (255 * likely / likely.sum(0)).astype(np.uint8), 8)
    write_images(tmp_path / "annotated").rename(tmp_path / "photos")
    write_labelme(tmp_path)
    write_coco(tmp_path)
    (tmp_path / "decisions.json").write_text('{"kind": "crispseg decisions", "rejected": []}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(block: Block, page: str, names: dict[str, object]) -> None:
    """Do what a block says."""
    if block.kind == "python":
        code = "\n" * (block.line - 1) + block.text.replace(*SHORTER_CODE.get(page, ("", "")))
        exec(compile(code, page, "exec"), names)
    elif block.kind == "yaml":
        Path("fine_tune.yaml").write_text(block.text)
    elif block.kind not in COMPILED:
        assert block.kind == "command", f"{page}:{block.line}: nothing runs {block.kind}"
        arguments = arguments_of(block.text)
        if not LEFT_OUT & set(arguments):
            shorter = [*SHORTER.get(arguments[0], [])]
            if arguments[0] == "export" and "--weights" not in arguments:  # one network is enough
                shorter += ["--cue", "rgb"]
            assert main([*arguments, *shorter]) == 0, f"{page}: {block.text}"


@pytest.mark.usefixtures("readers_folder")
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:torch.*", "ignore:.*:FutureWarning:torch.*")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=not_traced) if page == "how-to/export.md" else page for page in GUIDES]
)
def test_a_guide_does_what_it_says(page: str) -> None:
    torch.manual_seed(0)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(DOCS / page):
        run(block, page, names)


def test_the_guides_have_something_to_run() -> None:
    counts = {page: len(list(blocks_of(DOCS / page))) for page in GUIDES}
    assert len(counts) == 16
    few = {"how-to/notebooks.md", "how-to/page.md", "how-to/web.md"}
    assert all(count >= 3 for page, count in counts.items() if page not in few), counts


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_understood(page: str) -> None:
    for block in blocks_of(DOCS / page):
        if block.kind == "command":
            assert block.text.split()[1] in COMMANDS
            assert_understood(block.text)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    for target in links_of(DOCS / page):
        assert (DOCS / page).parent.joinpath(target.partition("#")[0]).exists(), target


def test_the_results_begin_with_a_short_page_that_leads_to_the_others() -> None:
    front = DOCS / "results.md"
    assert len(re.findall(r"\S*\w\S*", front.read_text())) <= 900
    assert {page for page in PAGES if page.startswith("results/")} <= set(links_of(front))
