"""CamVid and BSDS500 read back from their released layouts are what was drawn into them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from crispseg import InputError
from crispseg.data import (
    BSDS500,
    CAMVID_CLASSES,
    CITYSCAPES_CLASSES,
    IGNORE_INDEX,
    VOC_CLASSES,
    BSDS500Boundaries,
    CamVid,
    Classes,
    LabelledImages,
    WithoutOutlines,
    read_boundaries,
    read_labels,
)
from crispseg.data.bsds500 import consensus
from tests.fakes import draw_scene, outline, write_bsds500, write_camvid


def test_camvid_reads_the_folders_of_its_split(tmp_path: Path) -> None:
    data = CamVid(write_camvid(tmp_path, split="val"), "val")
    assert (len(data), data.num_classes, len(data.class_names), len(data.palette)) == (2, 11, 11, 33)
    drawn = read_labels(tmp_path / "valannot" / "scene1.png").labels
    labels = data.read(1).labels
    assert (labels[:2] == IGNORE_INDEX).all()
    assert torch.equal(labels[2:], drawn[2:])


def test_camvid_refuses_what_is_no_split_and_no_class(tmp_path: Path) -> None:
    root = write_camvid(tmp_path)
    with pytest.raises(InputError, match="split is 'training'; expected one of 'train', 'val', 'test'"):
        CamVid(root, "training")
    with pytest.raises(InputError, match=r"image folder .*val: no such folder"):
        CamVid(root, "val")
    Image.fromarray(np.full((48, 64), 12, dtype=np.uint8)).save(root / "trainannot" / "scene0.png")
    with pytest.raises(
        InputError, match=r"scene0.png: label 12 is not one of the 11 classes; expected 0 to 10, and 11 for void"
    ):
        CamVid(root).read(0)


def drawn_bsds500(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)  # as `write_bsds500` draws
    return [draw_scene(rng)[1] for _ in range(count)]


def test_bsds500_boundaries_are_those_that_most_annotators_marked(tmp_path: Path) -> None:
    data = BSDS500Boundaries(write_bsds500(tmp_path))
    labels = drawn_bsds500(2)[1]
    votes = outline(labels) + outline(labels > 0)
    expected = np.select([votes == 2, votes == 1], [1, IGNORE_INDEX], 0)
    assert {0, 1, IGNORE_INDEX} == set(np.unique(expected).tolist())
    sample = data.read(1, annotator=7)
    assert torch.equal(sample.labels, torch.from_numpy(expected))
    assert (sample.name, sample.image.shape, data.num_classes) == ("101", (3, 48, 64), 2)


def test_disputed_boundaries_can_be_negative(tmp_path: Path) -> None:
    root = write_bsds500(tmp_path)
    ignored, negative = BSDS500Boundaries(root).read(0), BSDS500Boundaries(root, disputed="negative").read(0)
    assert torch.equal(negative.labels, ignored.labels.masked_fill(ignored.labels == IGNORE_INDEX, 0))
    with pytest.raises(InputError, match="disputed is 'both'; expected one of 'ignored', 'negative'"):
        BSDS500Boundaries(root, disputed="both")  # type: ignore[arg-type]


@pytest.mark.parametrize(("votes", "expected"), [(0, 0), (1, IGNORE_INDEX), (2, IGNORE_INDEX), (3, 1), (5, 1)])
def test_two_of_five_are_disputed_and_three_are_a_boundary(votes: int, expected: int) -> None:
    assert consensus(torch.arange(5)[:, None, None] < votes).item() == expected


def test_half_of_an_even_number_is_disputed() -> None:
    assert consensus(torch.arange(4)[:, None, None] < 2).item() == IGNORE_INDEX


def test_read_boundaries_gives_every_annotator(tmp_path: Path) -> None:
    boundaries = read_boundaries(write_bsds500(tmp_path) / "groundTruth" / "train" / "100.mat")
    labels = drawn_bsds500(1)[0]
    assert boundaries.dtype == torch.bool
    assert np.array_equal(boundaries.numpy(), np.stack([outline(labels), outline(labels > 0)]))


def test_bsds500_names_what_does_not_fit(tmp_path: Path) -> None:
    root = write_bsds500(tmp_path)
    with pytest.raises(InputError, match=r"image folder .*test: no such folder"):
        BSDS500Boundaries(root, "test")
    Image.new("RGB", (10, 10)).save(root / "images" / "train" / "100.jpg")
    for data in (BSDS500(root), BSDS500Boundaries(root)):
        with pytest.raises(InputError, match=r"100.mat has height and width \(48, 64\), its image \(10, 10\)"):
            data.read(0)


def test_regions_and_boundaries_of_bsds500_refer_to_each_other(tmp_path: Path) -> None:
    root = write_bsds500(tmp_path, 1)
    regions, boundaries = BSDS500(root), BSDS500Boundaries(root)
    for data in (regions, WithoutOutlines(regions, 1)):
        with pytest.raises(InputError, match=r"not classes; expected .* 2 classes: use .*\(bsds500-boundaries\)"):
            data.expecting(2)
    for marks in (boundaries, WithoutOutlines(boundaries, 1)):
        with pytest.raises(InputError, match=r"mark boundaries; expected regions: use .*\(bsds500\)"):
            marks.expecting(None)
    assert regions.expecting(None) is regions
    assert boundaries.expecting(2) is boundaries


@pytest.mark.parametrize(
    ("field", "read", "word"),
    [("Segmentation", BSDS500Boundaries, "bsds500"), ("Boundaries", BSDS500, "bsds500-boundaries")],
)
def test_a_ground_truth_file_with_the_other_field_names_the_data_set_that_reads_it(
    field: str, read: type[LabelledImages], word: str, tmp_path: Path
) -> None:
    root = write_bsds500(tmp_path, 1)
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = {field: np.ones((48, 64), np.uint16)}
    savemat(root / "groundTruth" / "train" / "100.mat", {"groundTruth": cells})
    with pytest.raises(InputError, match=rf"100\.mat: has {field} but no .*; use BSDS500.* \({word}\)"):
        read(root)[0]  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("classes", "count", "last", "its_colour"),
    [
        (VOC_CLASSES, 21, "tvmonitor", (0, 64, 128)),
        (CITYSCAPES_CLASSES, 19, "bicycle", (119, 11, 32)),
        (CAMVID_CLASSES, 11, "bicyclist", (0, 128, 192)),
    ],
)
def test_every_class_has_a_name_and_a_colour(
    classes: Classes, count: int, last: str, its_colour: tuple[int, int, int]
) -> None:
    assert len(classes) == len(set(classes.names)) == count
    assert len(classes.palette) == 3 * count
    assert (classes.names[-1], classes.palette[-3:]) == (last, its_colour)
    assert len({classes.palette[3 * label : 3 * label + 3] for label in range(count)}) == count
