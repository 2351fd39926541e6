"""Boundary maps from every kind of file, and a word on what is wrong with the others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError
from crispseg.data import LabelledFolder, LabelledPredictions, read_boundary
from tests.fakes import write_scored_folder

VALUES = np.array([[0, 51, 255], [102, 153, 204]], dtype=np.uint8)
EXPECTED = torch.tensor([[[0.0, 0.2, 1.0], [0.4, 0.6, 0.8]]])


def test_grey_images_are_shares_of_white(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    Image.fromarray(VALUES.astype(np.uint16) * 257).save(tmp_path / "b.PNG")
    for name in ("a.png", "b.PNG"):
        torch.testing.assert_close(read_boundary(tmp_path / name), EXPECTED)


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3)])
def test_arrays_are_probabilities_or_bytes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for dtype in (np.float16, np.float32, np.float64, np.uint8):
        values = VALUES if dtype == np.uint8 else EXPECTED.numpy().astype(dtype)
        np.save(tmp_path / "a.npy", values.reshape(shape))
        boundary = read_boundary(tmp_path / "a.npy")
        assert (boundary.dtype, boundary.shape) == (torch.float32, (1, 2, 3))
        torch.testing.assert_close(boundary, EXPECTED, atol=1e-3, rtol=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 3, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(VALUES).convert("P").save(tmp_path / "palette.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "a.txt").write_text("0.5")
    np.save(tmp_path / "large.npy", np.full((2, 3), 1.5))
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan))
    np.save(tmp_path / "whole.npy", np.zeros((2, 3), dtype=np.int32))
    np.save(tmp_path / "two.npy", np.zeros((2, 2, 3)))
    np.save(tmp_path / "none.npy", np.zeros((0, 3)))
    np.savez(tmp_path / "several.npz", a=VALUES)
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    for name, message in (
        ("colour.png", "its pixels are RGB; expected a greyscale image"),
        ("palette.png", "its pixels are P; expected a greyscale image"),
        ("text.png", "not an image that Pillow can read"),
        ("text.npy", "damaged, or not a plain array"),
        ("a.txt", "unknown ending; expected one of .npy, .png"),
        ("large.npy", r"runs from 1.5 to 1.5; expected probabilities in \[0, 1\]"),
        ("nan.npy", "runs from nan to nan"),
        ("whole.npy", "its numbers are int32; expected floating point, or uint8"),
        ("two.npy", r"shape \(2, 2, 3\); expected \(height, width\) or \(1, height, width\)"),
        ("none.npy", r"shape \(0, 3\)"),
        ("several.npy", "holds several arrays; expected one"),
        ("objects.npy", "damaged, or not a plain array"),
        ("missing.npy", "no such file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_boundary(tmp_path / name)
        assert f"boundary map {tmp_path / name}" in str(caught.value)


def test_labelled_predictions_find_the_boundaries_of_their_images(tmp_path: Path) -> None:
    write_scored_folder(tmp_path)
    (tmp_path / "edges").mkdir()
    for index in range(3):
        np.save(tmp_path / "edges" / f"scene{index}.npy", np.full((4, 5), index / 4))

    def data(boundaries: Path | None) -> LabelledPredictions:
        folder = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=11)
        return LabelledPredictions(
            folder, tmp_path / "scores", num_classes=None, scores="logits", boundaries=boundaries
        )

    assert data(None).boundaries == [None, None, None]
    found = data(tmp_path / "edges").boundaries[2]
    assert found is not None
    assert torch.equal(read_boundary(found), torch.full((1, 4, 5), 0.5))
    with pytest.raises(InputError, match=r"3 images but one boundary map file .*scene0.npy; expected a folder of"):
        data(tmp_path / "edges" / "scene0.npy")
    (tmp_path / "edges" / "scene1.npy").unlink()
    with pytest.raises(
        InputError, match=r"boundary map folder .*edges: no boundary map for 1 of 3 images, first for 'scene1'"
    ):
        data(tmp_path / "edges")
    with pytest.raises(InputError, match=r"boundary map .*none: no such file or folder"):
        data(tmp_path / "none")
