"""The classes of true labels are declared or asked about, and never guessed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crispseg import InputError
from crispseg.data import VOC2012, CamVid, LabelledFolder, LabelledPredictions
from crispseg.data.numbering import read_numbering
from crispseg.data.truth import TrueLabels
from tests.fakes import write_camvid, write_folder, write_voc2012

VOID = -1
PATH = Path("map.png")


def decoded(values: list[int], **said: object) -> list[int]:
    return TrueLabels(**said).decode(torch.tensor([values]), PATH)[0].tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("num_classes", [None, 2])
@pytest.mark.parametrize("void", [None, 254, 128])
def test_black_and_white_is_a_binary_mask(num_classes: int | None, void: int | None) -> None:
    assert decoded([0, 255, 255], void=void, num_classes=num_classes) == [0, 1, 1]
    assert decoded([255, 255], void=void, num_classes=num_classes) == [1, 1]
    assert decoded([0, 0], void=void, num_classes=num_classes) == [0, 0]
    if void is not None:
        assert decoded([0, void, 255], void=void, num_classes=num_classes) == [0, VOID, 1]
    assert decoded([0, 255, 0], void=255, num_classes=num_classes) == [0, VOID, 0]


@pytest.mark.parametrize("void", [None, 254])
@pytest.mark.parametrize(
    ("values", "num_classes"), [([0, 255], 21), ([0, 3, 255], 21), ([0, 1, 255], 2), ([0, 1, 255], None), ([255], 3)]
)
def test_a_255_that_nobody_declared_is_asked_about(
    values: list[int], num_classes: int | None, void: int | None
) -> None:
    with pytest.raises(InputError, match=r"map\.png: .*255.*not declared void.*--void 255"):
        decoded(values, num_classes=num_classes, void=void)
    assert decoded(values, num_classes=num_classes, void=255)[-1] == VOID


def test_a_255_may_be_a_class_or_a_region() -> None:
    assert decoded([0, 255, 3], num_classes=256) == [0, 255, 3]
    assert decoded([0, 255, 300]) == [0, 255, 300]
    with pytest.raises(InputError, match="num_classes=256"):
        decoded([0, 7, 255])


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    void=st.lists(st.sampled_from([0, 11, 254, 255, 300]), max_size=2),
    num_classes=st.sampled_from([2, 3, 12, 150, 301]),
    numbering=st.sampled_from(["0-based", "1-based"]),
)
def test_every_label_is_a_class_or_declared_void_or_refused(
    values: list[int], void: list[int], num_classes: int, numbering: str
) -> None:
    first = int(numbering == "1-based")
    declared = {*void, *([0] if first else [])}
    left = {value for value in values if value not in declared}
    binary = not first and num_classes == 2 and 255 in left and left <= {0, 255}
    inside = binary or all(0 <= value - first < num_classes for value in left)
    if not inside:
        with pytest.raises(InputError, match=rf"is not one of the {num_classes} classes"):
            decoded(values, void=void, num_classes=num_classes, numbering=numbering)
        return
    expected = [VOID if v in declared else (v == 255 if binary else v - first) for v in values]
    assert decoded(values, void=void, num_classes=num_classes, numbering=numbering) == expected


def test_labels_that_start_at_1() -> None:
    ade = {"numbering": "1-based", "num_classes": 150}
    assert decoded([0, 1, 150], **ade) == [VOID, 0, 149]
    assert decoded([0, 1, 255], void=[0, 255], **ade) == [VOID, 0, VOID]
    with pytest.raises(InputError, match=r"class 150 \(label 151 in 1-based\) is not one of the 150"):
        decoded([151], **ade)
    with pytest.raises(InputError, match=r"label 150 is not one of the 150 classes.*--numbering 1-based.*--void 150"):
        decoded([0, 150], num_classes=150)


def test_a_void_0_is_asked_about() -> None:
    """With `--void 0` and labels from 1 all classes were shifted by one, in silence unless the last one occurred."""
    with pytest.raises(
        InputError, match=r"label 0 is declared void.*--numbering 1-based.*0-based to leave class 0 out"
    ):
        TrueLabels(void=0, num_classes=150)
    assert decoded([0, 1, 2], void=0, num_classes=150, numbering="0-based") == [VOID, 1, 2]
    assert decoded([0, 1, 2], void=0) == [VOID, 1, 2], "regions have no numbers to agree with"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "# Cityscapes\n7 0 road\n8 1 sidewalk\n\n255 void\n* void  # the rest\n"),
        ("a.csv", "label,class,name\n7,0,road\n8,1,sidewalk\n255,void\n*,void\n"),
        ("a.tsv", "id\ttrain_id\tname\n7\t0\troad\n8\t1\tsidewalk\n*\tvoid\n"),
        ("a.json", '{"7": [0, "road"], "8": [1, "sidewalk"], "*": "void"}'),
    ],
)
def test_a_table_gives_classes_and_names(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    numbering = read_numbering(tmp_path / name)
    assert numbering.names == {0: "road", 1: "sidewalk"}
    assert decoded([7, 8, 9, 255, 0], numbering=tmp_path / name, num_classes=2) == [0, 1, VOID, VOID, VOID]


def test_tables_that_do_not_serve(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    for text, message in (
        ("7 0\n7 1\n", "line 2: label 7 is listed twice"),
        ("7\n", "line 1: '7'; expected a label and its class"),
        ("7 road\n", "line 1: class is 'road'; expected a whole number from 0 to 65535, or `void`"),
        ("7 0\n70000 1\n", "line 2: label is '70000'"),
        ("7 0\n-1 void\n", "line 2: label is '-1'"),
        ("", "has no labels"),
    ):
        file.write_text(text)
        with pytest.raises(InputError) as caught:
            read_numbering(file)
        assert message in str(caught.value), text
    json_file = tmp_path / "t.json"
    for text, message in (
        ("{", "not JSON"),
        ("[1]", "expected an object"),
        ('{"7": 0, "7": 1}', "label 7 is listed twice"),
        ('{"7": {}}', "label 7 is"),
        ('{"7": 1.5}', "label 7 is 1.5"),
    ):
        json_file.write_text(text)
        with pytest.raises(InputError, match=message):
            read_numbering(json_file)
    file.write_bytes(b"\xff\xfe\x00")
    for path, message in ((file, "not UTF-8 text"), (tmp_path / "none", "expected 0-based, 1-based, or a table")):
        with pytest.raises(InputError, match=message):
            read_numbering(path)
    file.write_text("7 0\n8 9\n")
    with pytest.raises(InputError, match=r"label 3 is not in .*t\.txt; add a line `3 CLASS`"):
        decoded([3], numbering=file, num_classes=2)
    with pytest.raises(InputError, match=r"class 9 \(label 8 in"):
        decoded([8], numbering=file, num_classes=2)


def test_void_labels_are_what_a_file_can_hold() -> None:
    for void in (-1, 65536):
        with pytest.raises(InputError, match=f"void is {void}; expected a label from 0 to 65535"):
            TrueLabels(void=void)


def test_data_sets_whose_void_is_known_go_on_working(tmp_path: Path) -> None:
    assert (VOC2012(write_voc2012(tmp_path / "voc")).read(0).labels[:2] == VOID).all()
    assert (CamVid(write_camvid(tmp_path / "camvid")).read(0).labels[:2] == VOID).all()
    root = write_folder(tmp_path / "own", void=255)
    with pytest.raises(InputError, match=r"scene0\.png.*--void 255"):
        LabelledFolder(root / "images", root / "labels").read(0)
    folder = LabelledFolder(root / "images", root / "labels", void=255)
    assert sorted(folder.read(0).labels.unique().tolist()) == [-1, 0, 1, 2]
    assert folder.expecting(3).num_classes == 3
    assert folder.num_classes is None


def predictions(
    root: Path,
    labels: np.ndarray,
    predicted: np.ndarray,
    num_classes: int,
    *,
    numbering: str | Path | None = None,
    prediction_numbering: str | Path | None = None,
) -> LabelledPredictions:
    for name, values in (("images", labels), ("labels", labels), ("masks", predicted)):
        (root / name).mkdir(exist_ok=True)
        Image.fromarray(values).convert("RGB" if name == "images" else "L").save(root / name / "a.png")
    folder = LabelledFolder(root / "images", root / "labels", num_classes=num_classes, numbering=numbering)
    return LabelledPredictions(folder, root / "masks", scores="logits", prediction_numbering=prediction_numbering)


def test_predicted_masks_of_black_and_white_are_read_as_true_ones_are(tmp_path: Path) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    sample, prediction = predictions(tmp_path, mask, mask, 2)[0]
    assert prediction.classes == (0, 1)
    assert torch.equal(prediction.labels(prediction.scores), sample.labels)


def test_predicted_label_maps_have_a_numbering_too(tmp_path: Path) -> None:
    labels = np.full((8, 8), 3, np.uint8)
    labels[:, 4:] = 1
    with pytest.raises(InputError, match=r"a\.png.*1-based.*--prediction-numbering like-labels.*-numbering 0-based"):
        predictions(tmp_path, labels, labels, 3, numbering="1-based")[0]
    for said in ("1-based", "like-labels"):
        sample, prediction = predictions(tmp_path, labels, labels, 3, numbering="1-based", prediction_numbering=said)[0]
        assert torch.equal(prediction.labels(prediction.scores), sample.labels)
    zero_based = predictions(tmp_path, labels, labels - 1, 3, numbering="1-based", prediction_numbering="0-based")
    sample, prediction = zero_based[0]
    assert torch.equal(prediction.labels(prediction.scores), sample.labels)
    labels[0] = 0
    with pytest.raises(InputError, match="label 0 is not a class in 1-based"):
        predictions(tmp_path, labels, labels, 3, numbering="1-based", prediction_numbering="1-based")[0]


def test_labels_that_become_one_class_add_their_scores(tmp_path: Path) -> None:
    (tmp_path / "davis.txt").write_text("0 0\n* 1\n")
    labels = np.array([[0, 38, 75, 113]] * 4, np.uint8)
    table = tmp_path / "davis.txt"
    sample, prediction = predictions(tmp_path, labels, labels, 2, numbering=table, prediction_numbering=table)[0]
    assert sample.labels[0].tolist() == [0, 1, 1, 1]
    assert prediction.classes == (0, 1)
    assert torch.equal(prediction.scores.sum(0), torch.ones(4, 4))
    assert torch.equal(prediction.labels(prediction.scores), sample.labels)
