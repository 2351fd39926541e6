"""Outlines that are left out."""

from pathlib import Path

import pytest
import torch

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, LabelledFolder, LabelledImages, Sample, WithoutOutlines
from crispseg.data.checked import CheckedLabels
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


def test_a_data_set_keeps_its_own_label_of_void() -> None:
    class Halves(LabelledImages):
        image_names, num_classes, ignore_index = ("a",), 2, 9

        def __getitem__(self, index: int) -> Sample:
            labels = torch.tensor([[9, 9, 9, 0, 0, 0, 1, 1, 1]]).repeat(4, 1)
            return Sample(torch.zeros(3, *labels.shape), labels, "a")

    left = WithoutOutlines(Halves(), 1)
    assert left[0].labels[0].tolist() == [9, 9, 9, 9, 0, 9, 9, 1, 1]
    assert CheckedLabels(left, 2)[0].labels[0].tolist() == [-1, -1, -1, -1, 0, -1, -1, 1, 1]
