"""Nothing is written before the input is known to be good, and no input is ever written over, through no link."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.inference.sharpener import Sharpener
from crispseg.jobs import sharpen_files
from crispseg.models import HED
from crispseg.models.saving import save_network
from tests.fakes import options_of, write_boundaries, write_bsds500, write_raster, write_scored_folder

OUTPUTS = ("crispseg-settings.json", "scene0.png", "before_after/scene0.png", "scores/scene0.safetensors")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Labelled images with coarse scores and boundary maps."""
    write_scored_folder(tmp_path)
    write_boundaries(tmp_path, tmp_path / "edges")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def sharpen(root: Path, image: str, *options: object) -> list[str]:
    given = [root / image, "--predictions", root / "scores" / "scene0.npy", "--output", root / "out", "--save-scores"]
    return ["sharpen", *map(str, given), "--cue", "rgb", *map(str, options)]


@pytest.mark.parametrize("bad", ["image", "prediction", "aspect", "all"])
def test_a_run_without_a_good_image_writes_nothing(root: Path, bad: str) -> None:
    if bad in ("image", "all"):
        for image in (root / "images").iterdir():
            image.write_bytes(b"no image")
    if bad == "prediction":
        (root / "scores" / "scene0.npy").write_bytes(b"")
    if bad == "aspect":
        np.save(root / "scores" / "scene0.npy", np.zeros((3, 8, 6), dtype=np.float32))
    before = contents(root)
    if bad == "all":
        assert (
            main(["sharpen", *map(str, [root / "images", "--predictions", root / "scores", "--output", root / "out"])])
            == 1
        )
    else:
        assert main(sharpen(root, "images/scene0.png")) == 2
    assert contents(root) == before
    assert not (root / "out").exists()


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("read", ["images/scene0.png", "scores/scene0.npy", "streets/model.safetensors"])
@pytest.mark.parametrize("how", ["link", "hard link"])
def test_no_link_leads_to_an_input(
    root: Path, output: str, read: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Sharpener.from_pretrained(passes=1).save_pretrained(root / "streets")
    target = root / "out" / output
    target.parent.mkdir(parents=True)
    if how == "link":
        target.symlink_to(root / read)
    else:
        target.hardlink_to(root / read)
    before = contents(root)
    assert main([*sharpen(root, "images/scene0.png")[:-2], "--weights", str(root / "streets")]) == 2
    assert f"output {target}: is also an input" in capsys.readouterr().err
    assert contents(root) == before


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "evaluate": lambda root: ["evaluate", *options_of(root), "--cue", "rgb", "--json", root / "link.json"],
    "table": lambda root: ["table", *options_of(root), "--output", root, "--rows", "baseline"],
    "predict": lambda root: ["predict", root / "images", "--weights", root / "hed.safetensors", "--output", root],
    "boundaries": lambda root: ["boundaries", "--predictions", root / "maps", "--truth", root / "b/groundTruth/train",
                                "--json", root / "link.json"],
    "figure": lambda root: ["figure", "boundary", root / "images/scene0.png", "--predictions",
                            root / "scores/scene0.npy", "--cue", "rgb", "--output", root / "link.png"],
    "figure comparison": lambda root: ["figure", "comparison", *options_of(root), "--cue", "rgb", "--output",
                                       root / "link.png"],
    "convert": lambda root: ["convert", root / "net.caffemodel", "--to", "hed", "--output", root / "link.safetensors"],
    "export": lambda root: ["export", "--weights", root / "streets", "--output", root / "link.onnx"],
    "raster": lambda root: ["raster", root / "image.tif", "--predictions", root / "said.tif", "--output",
                            root / "link.tif", "--cue", "rgb", "--memory", "16GiB"],
}  # fmt: skip

LINKS = {
    "evaluate": ("link.json", "labels/scene1.png"),
    "table": ("table.md", "labels/scene1.png"),
    "predict": ("scene0.png", "images/scene1.png"),
    "boundaries": ("link.json", "maps/101.png"),
    "figure": ("link.png", "images/scene0.png"),
    "figure comparison": ("link.png", "labels/scene2.png"),
    "convert": ("link.safetensors", "net.caffemodel"),
    "export": ("link.onnx", "streets/model.safetensors"),
    "raster": ("link.tif", "said.tif"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_writes_over_what_it_reads(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_bsds500(root / "b")
    (root / "maps").mkdir()
    for index in (100, 101):
        Image.fromarray(np.zeros((48, 64), dtype=np.uint8)).save(root / "maps" / f"{index}.png")
    if name == "predict":
        save_network(HED(), root / "hed.safetensors")
    if name == "export":
        Sharpener.from_pretrained(passes=1).save_pretrained(root / "streets")
    (root / "net.caffemodel").write_bytes(b"caffe")
    write_raster(root / "image.tif", np.zeros((3, 48, 64), dtype=np.uint8), 1)
    write_raster(root / "said.tif", np.zeros((3, 6, 8), dtype=np.float32), 8)
    link, read = LINKS[name]
    (root / link).symlink_to(root / read)
    before = contents(root)
    assert main(list(map(str, COMMANDS[name](root)))) == 2
    assert f"output {root / link}: is also an input" in capsys.readouterr().err
    assert contents(root) == before


def test_a_folder_is_made_when_there_is_something_to_write(root: Path) -> None:
    (root / "labels" / "scene1.png").write_bytes(b"no label map")
    command = ["evaluate", *options_of(root), "--cue", "rgb", "--json", root / "new" / "deep" / "a.json"]
    assert main(list(map(str, command))) == 2
    assert not (root / "new").exists()


def test_python_refuses_it_too(root: Path) -> None:
    (root / "out").mkdir()
    (root / "out" / "crispseg-settings.json").symlink_to(root / "scores" / "scene2.npy")
    with pytest.raises(InputError, match="is also an input"):
        list(sharpen_files([root / "images"], root / "scores", root / "out", Sharpener(RGBCue())))
