"""A label is followed as far as the filter carries it: where that decides, labels are those of a channel for each."""

import pytest
import torch
from torch import Tensor

from crispseg import Sharpener, Window
from crispseg.config_values import Passes
from crispseg.cues import ContourCue, Cue, RGBCue
from crispseg.data import Prediction, read_image, read_labels
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, TensorPixels
from crispseg.inference import label_maps
from crispseg.inference.label_channels import WHOLE, LabelChannels
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.ops import local_filter
from crispseg.window import WindowsLike
from tests.inference.test_label_maps import dense
from tests.real_data import DATA, needs

SIZE = (29, 31)
IMAGES = {
    "flat": torch.full((3, *SIZE), 0.5),
    "noise": torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0)),
    "steps": (torch.arange(31) // 9 % 2).float().expand(3, *SIZE).contiguous(),
}
CAMVID = DATA / "camvid"


def own_labels(size: tuple[int, int] = SIZE, seed: int = 0) -> Tensor:
    """Every pixel a label of its own, in no order, so that a flat image makes ties of all."""
    count = size[0] * size[1]
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).reshape(size)


def islands(size: tuple[int, int] = SIZE) -> Tensor:
    """Blocks of three labels amid pixels of their own: what a block sends far wins there."""
    labels = own_labels(size) + 10
    labels[: size[0] // 3, : size[1] // 3] = 1
    labels[size[0] // 2 : size[0] // 2 + 3, :] = 2
    labels[-size[0] // 4 :, -size[1] // 4 :] = 3
    return labels


def halves(size: tuple[int, int] = SIZE) -> Tensor:
    """Two labels in a mirror with a stripe between: near-ties along it."""
    labels = torch.zeros(size, dtype=torch.long)
    labels[:, size[1] // 2 :] = 5
    labels[:, size[1] // 2 - 1 : size[1] // 2 + 2] = 9
    return labels


SCENES = {"own": own_labels, "islands": islands, "halves": halves}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(
    ("window", "passes", "score_weight"),
    [("3", 1, 0), ("3@2", 5, 0.5), ("3", 12, 0), ("5", 9, 0), ("7", 1, 0), ("3@4,5@2,3", (5, 2, 6), 0.5)],
)
@pytest.mark.slow  # wide windows
def test_labels_where_all_neighbours_count(
    image: str, scene: str, window: WindowsLike, passes: Passes, score_weight: float
) -> None:
    sharpener = Sharpener(RGBCue(), window=window, hardness=0.1, passes=passes, score_weight=score_weight, guard=None)
    labels = SCENES[scene]()
    assert torch.equal(sharpen_label_map(IMAGES[image], labels, sharpener), dense(sharpener, IMAGES[image], labels))


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize(("window", "passes"), [(Window(3), 1), (Window(3, 2), 5), (Window(5), 9), (Window(3), 12)])
def test_shares_as_far_as_they_reach(image: str, window: Window, passes: int) -> None:
    """Also the smallest, at the end of the reach, which hardly ever decide."""
    sharpener = Sharpener(RGBCue(), window=window, hardness=0.1, passes=passes, score_weight=0)
    features, whole = IMAGES[image], Box(0, 0, *SIZE)
    weights = sharpener.cue.weights(features[None], window, sharpener.hardness)
    labels = torch.zeros(SIZE, dtype=torch.long)
    labels[14, 15], labels[2:4, 26:28] = 1, 2
    channels = LabelChannels(sharpener, TensorPixels(labels[None]), PartOfPixels(features, whole, SIZE), whole)
    for label, box in channels.labelled():
        ids = torch.tensor([label])
        filter = label_maps._Filter(sharpener.cue, features[None], [(sharpener.levels[0], weights)])
        shares, part = label_maps._filtered(filter, channels.read(ids, box), box)
        found = torch.zeros(1, 1, *SIZE)
        found[..., *part.slices] = shares
        one = (labels == label).float()[None, None] * WHOLE
        expected = local_filter(one, weights, window, passes=passes)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1.0)


LYING = {"centres": (11, 9), "corners": (11, 9), "stride=8": (11, 9), "stride=4,2": (21, 18), "stretched": (9, 9)}
"""Rows and columns of coarse labels, by how they lie on 83x69 pixels."""


@pytest.mark.parametrize("grid", LYING)
@pytest.mark.parametrize(("upsampling", "guard"), [("joint", None), ("bilinear", None), ("joint", 0.35)])
def test_coarse_labels_however_they_lie(grid: str, upsampling: str, guard: float | None) -> None:
    options = {"grid": grid, "upsampling": upsampling, "guard": guard, "score_weight": 0}
    sharpener = Sharpener(RGBCue(), window=Window(3), hardness=0.1, passes=6, **options)  # type: ignore[arg-type]
    for image in (torch.full((3, 83, 69), 0.5), torch.rand(3, 83, 69, generator=torch.Generator().manual_seed(1))):
        for labels in (own_labels(LYING[grid]), islands(LYING[grid])):
            found = sharpen_label_map(image, labels, sharpener)
            if guard is None:
                assert torch.equal(found, dense(sharpener, image, labels))
            else:  # the guard rounds the shares of a channel once more, which breaks ties in another way
                assert_likeliest(found, sharpener, image, labels)


def assert_likeliest(found: Tensor, sharpener: Sharpener, image: Tensor, labels: Tensor) -> None:
    said = Prediction.of_labels(labels)
    with torch.inference_mode():
        crisp = sharpener.expecting("probabilities").taking_labels()(image[None], said.scores[None])[0]
    assert said.palette is None
    there = torch.unique(labels)
    chosen = crisp.gather(0, torch.searchsorted(there, found)[None])[0]
    torch.testing.assert_close(chosen, crisp.amax(0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("passes", [1, 7])
def test_contours_that_stop_nothing(passes: int) -> None:
    sharpener = Sharpener(ContourCue(), window=Window(5), hardness=0.1, passes=passes)
    boundary = torch.zeros(1, 1, *SIZE)
    boundary[..., 20] = 0.4
    for labels in (own_labels(), islands()):
        found = sharpen_label_map(IMAGES["flat"], labels, sharpener, boundary)
        assert torch.equal(found, dense(sharpener, IMAGES["flat"], labels, boundary))


def cells(labels: Tensor, side: int) -> Tensor:
    """Labels cut along a lattice, each piece a label of its own, as objects are."""
    rows, columns = (torch.arange(length) // side for length in labels.shape)
    place = rows[:, None] * (int(columns[-1]) + 1) + columns
    index: Tensor = torch.unique(labels * (int(place.max()) + 1) + place, return_inverse=True)[1]
    return index


@needs("camvid")
@pytest.mark.parametrize("side", [None, 6])
@pytest.mark.parametrize("cue", [None, RGBCue()])
def test_a_real_label_map(side: int | None, cue: Cue | None) -> None:
    name = sorted(path.name for path in (CAMVID / "valannot").iterdir())[0]
    image, labels = read_image(CAMVID / "val" / name)[:, :120, :160], read_labels(CAMVID / "valannot" / name).labels
    labels = labels[:120, :160].long() if side is None else cells(labels[:120, :160].long(), side)
    assert side is None or len(torch.unique(labels)) > 300
    sharpener = Sharpener.from_pretrained(window=Window(5), passes=10)
    if cue is not None:
        sharpener = Sharpener(cue, window=Window(5), hardness=0.1, passes=10)
    assert torch.equal(sharpen_label_map(image, labels, sharpener), dense(sharpener, image, labels))
