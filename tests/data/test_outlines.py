"""Outlines that are left out."""

from pathlib import Path

import pytest

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, LabelledFolder, WithoutOutlines
from tests.fakes import write_folder


def test_labels_near_an_outline_are_void_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    write_folder(tmp_path, void=255)
    data = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=255)
    left = WithoutOutlines(data, 2)
    assert (left.image_names, left.num_classes, left.files) == (data.image_names, data.num_classes, data.files)
    for given, found in zip((data[0], data.read(0)), (left[0], left.read(0)), strict=True):
        assert given.image.equal(found.image)
        kept = found.labels != IGNORE_INDEX
        assert kept.any()
        assert found.labels[kept].equal(given.labels[kept])
        rows, columns = given.labels.shape
        for y in range(rows):
            for x in range(columns):
                around = given.labels[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
                assert bool(kept[y, x]) == (len(around.unique()) == 1 and int(given.labels[y, x]) != IGNORE_INDEX)


def test_no_pixels_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, void=255)
    with pytest.raises(InputError, match="pixels"):
        WithoutOutlines(LabelledFolder(tmp_path / "images", tmp_path / "labels", void=255), 0)
