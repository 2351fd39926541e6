"""Files that belong together are found by their paths below their folders, whatever else lies there."""

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from crispseg import InputError
from crispseg.data.matching import find_files, find_images, match_files, pair_files

SCORES = (".npy", ".png", ".gif")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_paths_below_the_common_folder_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = touch(tmp_path, "v/bear/00000.jpg", "v/bear/00001.jpg", "v/camel/00000.jpg") / "v"
    every = ["bear/00000", "bear/00001", "camel/00000"]
    monkeypatch.chdir(tmp_path)
    for given in (["v"], ["v/*/*.jpg"], ["**/*.jpg"], ["v/bear", "v/camel"], ["v/bear/*.jpg", "v/camel/00000.jpg"]):
        found = find_images(list(map(Path, given)))
        assert sorted(found) == every, given
        assert all(found[name].samefile(videos / f"{name}.jpg") for name in every)
    assert list(find_images([videos / "bear"])) == ["00000", "00001"]
    assert list(find_images([videos / "camel" / "00000.jpg"])) == ["00000"]
    assert list(find_images([videos, videos / "bear" / "00000.jpg"])) == every, "a file that is named twice is one"


def test_a_tree_matches_a_tree_and_a_flat_folder_where_nothing_is_shared(tmp_path: Path) -> None:
    touch(tmp_path, "v/bear/00000.jpg", "v/camel/00000.jpg", "t/bear/00000.npy", "t/camel/00000.npy", "f/00000.npy")
    images = find_images([tmp_path / "v"])
    assert match_files(images, tmp_path / "t", SCORES, "prediction") == [
        tmp_path / "t" / video / "00000.npy" for video in ("bear", "camel")
    ]
    with pytest.raises(InputError, match=r"bear.00000.jpg and .*camel.00000.jpg have the same prediction .*00000.npy"):
        match_files(images, tmp_path / "f", SCORES, "prediction")
    one = find_images([tmp_path / "v" / "bear"])
    assert match_files(one, tmp_path / "f", SCORES, "prediction") == [tmp_path / "f" / "00000.npy"]
    assert match_files(one, tmp_path / "t", SCORES, "prediction") == [tmp_path / "t" / "bear" / "00000.npy"]
    assert pair_files(images, tmp_path / "t" / "*" / "*.npy", SCORES, "prediction") == [
        tmp_path / "t" / video / "00000.npy" for video in ("bear", "camel")
    ]


def test_another_video_of_the_same_numbers_is_no_counterpart(tmp_path: Path) -> None:
    touch(tmp_path, "v/bear/00000.jpg", "t/camel/00000.npy")
    for images in ([tmp_path / "v"], [tmp_path / "v" / "bear"], [tmp_path / "v" / "*" / "*.jpg"]):
        for source in (tmp_path / "t", tmp_path / "t" / "*" / "*.npy"):
            with pytest.raises(InputError, match="for 1 of 1 images"):
                pair_files(find_images(images), source, SCORES, "prediction")


@pytest.mark.parametrize("hidden", ["._a.jpg", ".cache/x.jpg", "__MACOSX/a.jpg", "b/__MACOSX/._a.jpg", "@eaDir/a.jpg"])
def test_what_systems_leave_is_passed_over(tmp_path: Path, hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "i/a.jpg", f"i/{hidden}", "i/Thumbs.db", "i/.DS_Store")
    touch(tmp_path, "p/a.npy", f"p/{Path(hidden).with_suffix('.npy')}")
    monkeypatch.chdir(tmp_path)
    for given in ("i", "i/*", "i/**/*", "**/*.jpg"):
        images = find_images([Path(given)])
        assert list(images) == ["a"], given
        assert match_files(images, Path("p"), SCORES, "prediction") == [Path("p/a.npy")]


def test_suffixes_are_cut_off_and_choose(tmp_path: Path) -> None:
    touch(tmp_path, "i/aachen/x_leftImg8bit.jpg", "i/aachen/x_rightImg8bit.jpg")
    kinds = ("labelIds", "labelTrainIds", "color")
    touch(tmp_path, *(f"t/aachen/x_gtFine_{kind}.png" for kind in kinds))
    images = find_images([tmp_path / "i"], "_leftImg8bit")
    assert images == {"aachen/x": tmp_path / "i" / "aachen" / "x_leftImg8bit.jpg"}
    [found] = match_files(images, tmp_path / "t", SCORES, "label", "_gtFine_labelTrainIds")
    assert found.name == "x_gtFine_labelTrainIds.png"
    assert list(find_files(tmp_path / "t", SCORES, "label", "_gtFine_color")) == ["aachen/x"]
    with pytest.raises(
        InputError, match="no file name ends with '_left' before its extension; check the suffix of images"
    ):
        find_images([tmp_path / "i"], "_left")


def test_a_name_that_goes_on_is_pointed_at(tmp_path: Path) -> None:
    touch(tmp_path, "i/a0001.jpg", "m/a0001_mask.gif", "i2/x_0001_leftImg8bit.png", "m2/x_0001_gtFine_color.png")
    for images, masks, name in (("i", "m", "a0001_mask"), ("i2", "m2", "x_0001_gtFine_color")):
        with pytest.raises(InputError, match=f"for 1 of 1 images.*if '{name}' belongs to it, pass the suffixes"):
            match_files(find_images([tmp_path / images]), tmp_path / masks, SCORES, "prediction")


@pytest.mark.parametrize(
    ("predictions", "hint"),
    [
        (["p/img_1.npy", "p/IMG_2.npy"], r"; 'img_1' differs in capital letters: rename one of the two$"),
        (["p/IMG_2.npy"], r"; add the prediction, or take the image out of its folder$"),
        (["p/IMG_2.npy", "p/other.npy"], r"; add the prediction, or take"),
    ],
)
def test_the_prediction_of_another_image_is_not_pointed_at(predictions: list[str], hint: str, tmp_path: Path) -> None:
    touch(tmp_path, "i/IMG_1.jpg", "i/IMG_2.jpg", *predictions)
    with pytest.raises(InputError, match=rf"for 1 of 2 images, first for 'IMG_1'; .*{hint}"):
        match_files(find_images([tmp_path / "i"]), tmp_path / "p", SCORES, "prediction")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "i/b/a.png", "i/b/a.jpg", "p/a.png", "p/a.npy", "p/c.png", "p/c.npy", "p/d.npy")
    with pytest.raises(InputError, match=r"a\.jpg and .*a\.png have the same name; keep one of them"):
        find_images([tmp_path / "i"])
    with pytest.raises(InputError, match=r"a\.npy and .*a\.png have the same name"):
        match_files({"a": Path("x/a.jpg")}, tmp_path / "p", SCORES, "prediction")
    assert match_files({"d": Path("x/d.jpg")}, tmp_path / "p", SCORES, "prediction") == [tmp_path / "p" / "d.npy"]
    with pytest.raises(InputError, match="no such file or folder"):
        find_images([tmp_path / "b.png"])


def test_folders_of_the_same_command_hold_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "d/a.png", "d/masks/a.png", "d/out/a.png", "d/out/before_after/a.png")
    assert list(find_images([tmp_path / "d"], besides=[tmp_path / "d" / "masks", tmp_path / "d" / "out"])) == ["a"]
    assert next(iter(find_images([tmp_path / "d"], besides=[tmp_path / "d", None, tmp_path / "none"]))) == "a"


def test_links_to_folders_are_followed_and_end(tmp_path: Path) -> None:
    touch(tmp_path, "disk/bear/0.jpg", "i/camel/0.jpg")
    (tmp_path / "i" / "bear").symlink_to(tmp_path / "disk" / "bear")
    (tmp_path / "i" / "camel" / "up").symlink_to(tmp_path / "i")
    assert sorted(find_images([tmp_path / "i"])) == ["bear/0", "camel/0"]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has file names that are not text")
def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.png")).touch()
    assert list(find_images([tmp_path])) == [os.fsdecode(b"a\xff")]


Form = Literal["NFC", "NFD"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_letters_of_macos_match_those_of_other_systems(forms: tuple[Form, Form], tmp_path: Path) -> None:
    ours, theirs = (unicodedata.normalize(form, "café 서울") for form in forms)
    touch(tmp_path, f"i/{ours}/é0.jpg", f"i/{ours}/1.jpg", f"p/{theirs}/é0.npy", f"p/{theirs}/1.npy")
    images = find_images([tmp_path / "i"])
    found = match_files(images, tmp_path / "p", SCORES, "prediction")
    assert sorted(found) == sorted((tmp_path / "p" / theirs / name) for name in ("é0.npy", "1.npy"))
