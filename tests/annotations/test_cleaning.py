"""Outlines move to the boundaries of the image, and stay where there are none."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from crispseg import Sharpener
from crispseg.annotations.cleaning import Cleaner, overlap, part_overlaps, places_of, remove_specks, shift
from crispseg.annotations.filling import blank
from crispseg.cues import RGBCue
from crispseg.data.box import Box
from crispseg.errors import InputError
from crispseg.inference.objects import mask_tiles
from crispseg.inference.objects.evidence import Evidence
from crispseg.process_memory import resident_bytes
from crispseg.window import Windows

ROWS, COLUMNS = np.mgrid[:72, :96]
LEFT = (COLUMNS < 48) & (abs(ROWS - 36) < 24) & (COLUMNS > 12)
RIGHT = (COLUMNS >= 48) & (abs(ROWS - 36) < 24) & (COLUMNS < 84)


@pytest.fixture(scope="module")
def cleaner() -> Cleaner:
    return Cleaner(Sharpener.from_pretrained(window=Windows.of("5@2,5"), passes=8))


def photo(*coloured: tuple[np.ndarray, tuple[int, int, int]]) -> torch.Tensor:
    pixels = np.full((72, 96, 3), (60, 90, 160))
    for mask, colour in coloured:
        pixels[mask] = colour
    noisy = pixels + np.random.default_rng(0).normal(0, 4, pixels.shape)
    return torch.from_numpy(np.clip(noisy, 0, 255).astype(np.uint8)).permute(2, 0, 1)


def test_an_outline_that_is_off_moves_to_the_boundary(cleaner: Cleaner) -> None:
    drawn = np.roll(LEFT, (2, 3), (0, 1))
    (after,) = cleaner(photo((LEFT, (220, 160, 40))), [drawn])
    assert overlap(drawn, LEFT) < 0.79
    assert overlap(after, LEFT) > 0.84


def test_nothing_changes_where_the_image_shows_nothing(cleaner: Cleaner) -> None:
    masks = [LEFT, (ROWS - 36) ** 2 + (COLUMNS - 70) ** 2 < 12**2]
    flat = torch.full((3, 72, 96), 128, dtype=torch.uint8)
    after = cleaner(flat, masks)
    assert all(new is old for new, old in zip(after, masks, strict=True))


def test_neighbours_still_touch_and_do_not_overlap() -> None:
    cleaner = Cleaner(Sharpener(RGBCue(), window=Windows.of("5@2,5"), passes=8).eval())
    edge = COLUMNS < 50
    drawn = [(LEFT | RIGHT) & edge, (LEFT | RIGHT) & ~edge]
    after = cleaner(photo((LEFT, (220, 160, 40)), (RIGHT, (70, 180, 70))), drawn)
    assert not (after[0] & after[1]).any()
    assert overlap(after[0], LEFT) > overlap(drawn[0], LEFT) + 0.01
    inside = (LEFT | RIGHT) & (abs(ROWS - 36) < 20) & (abs(COLUMNS - 48) < 32)
    assert (after[0] | after[1])[inside].all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_pixels_that_neighbours_newly_want_go_to_the_likelier_one(order: tuple[int, int]) -> None:
    columns = np.arange(10)[None]
    masks = {0: (columns < 3, columns < 6), 1: (columns > 6, columns > 3)}  # both want columns 4 and 5
    before, after = map(list, zip(*(masks[index] for index in order), strict=True))
    likelier = np.where(columns < 5, order.index(0), order.index(1))
    part_overlaps(before, after, places_of(before, after), likelier)
    assert [np.flatnonzero(after[order.index(index)]).tolist() for index in (0, 1)] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
    ]


def test_neighbours_without_gaps_keep_every_pixel_of_the_image_once() -> None:
    """Cells around random points on noise: some want the same pixels, and some changes are too small to be kept."""
    rng = np.random.default_rng(0)
    points = rng.uniform((0, 0), (72, 96), (24, 2))
    nearest = ((ROWS[..., None] - points[:, 0]) ** 2 + (COLUMNS[..., None] - points[:, 1]) ** 2).argmin(-1)
    masks = [nearest == index for index in range(len(points))]
    noise = torch.nn.functional.interpolate(
        torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0)), (72, 96)
    )
    cleaner = Cleaner(Sharpener(RGBCue(), window=Windows.of("5@2,5"), passes=8).eval(), certainty=0.5, evidence=0.05)
    after = cleaner((noise[0] * 255).byte(), masks)
    changed = [new is not old for new, old in zip(after, masks, strict=True)]
    assert 5 < sum(changed) < len(masks)
    np.testing.assert_array_equal(np.sum(after, axis=0), np.ones((72, 96)))


def test_a_pixel_that_two_want_stays_with_its_owner() -> None:
    before = [np.array([[True, True, False, False]]), np.array([[False, False, False, True]])]
    after = [np.array([[True, False, True, False]]), np.array([[False, True, True, True]])]
    part_overlaps(before, after, places_of(before, after))
    assert [mask.astype(int).tolist() for mask in after] == [[[1, 0, 1, 0]], [[0, 1, 0, 1]]]


def test_a_part_moves_with_its_whole_in_any_order() -> None:
    """A mask that was drawn twice, and a half of it: each comes out as if it were alone."""
    cleaner = Cleaner(Sharpener(RGBCue(), window=Windows.of("5@2,5"), passes=8).eval())
    image = photo((LEFT, (220, 160, 40)))
    whole = (COLUMNS < 45) & (abs(ROWS - 36) < 21) & (COLUMNS > 15)
    part = whole & (ROWS < 36)
    alone = [cleaner(image, [mask])[0] for mask in (whole, part)]
    assert overlap(alone[0], LEFT) > overlap(whole, LEFT) + 0.1
    for masks, expected in (
        ([whole, whole.copy()], [alone[0], alone[0]]),
        ([whole, part], alone),
        ([part, whole], alone[::-1]),
    ):
        np.testing.assert_array_equal(cleaner(image, masks), expected)


def test_neighbours_that_overlap_a_little_do_not_overlap_more() -> None:
    before = [np.array([[True, True, True, False, False]]), np.array([[False, False, True, True, False]])]
    after = [np.array([[True, True, True, True, True]]), np.array([[False, True, True, True, True]])]
    part_overlaps(before, after, places_of(before, after))
    assert (after[0] & after[1]).astype(int).tolist() == [[0, 0, 1, 0, 0]]


def test_specks_that_were_not_there_are_removed() -> None:
    before, after = LEFT.copy(), LEFT.copy()
    before[2, 2] = after[2, 2] = True
    after[5, 90] = True
    after[36, 30] = False
    remove_specks(before, after, 16, Box(0, 0, 72, 96))
    np.testing.assert_array_equal(after, before)


def test_the_shift_is_in_pixels() -> None:
    assert shift(LEFT, LEFT) == 0
    assert shift(COLUMNS < 50, COLUMNS < 53) == pytest.approx(3 * 72 / (2 * 72 + 100))


def scattered(count: int, size: tuple[int, int], largest: int) -> tuple[torch.Tensor, list[np.ndarray]]:
    """Return an image of smooth noise, and discs on it, most of which overlap others."""
    rng, (height, width) = np.random.default_rng(0), size
    coarse = torch.rand(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(0))
    image = (torch.nn.functional.interpolate(coarse, size)[0] * 255).byte()
    rows, columns = np.ogrid[:height, :width]
    masks = []
    for _ in range(count):
        row, column, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(largest // 4, largest)
        mask = blank(size)
        mask |= (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        masks.append(mask)
    return image, masks


class Unbounded(RGBCue):
    """Says nothing of its reach, and sees the brightness of all that it is given."""

    @property
    def reach(self) -> int | None:  # type: ignore[override]
        return None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image - image.mean()


@pytest.mark.parametrize("side", [64, 100])
@pytest.mark.parametrize("cue", ["learned", "rgb", "unbounded"])
@torch.inference_mode()
def test_tiles_give_the_same_masks(cue: str, side: int, cleaner: Cleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the rounding of the network; also with a hardness so low that pixels far away count."""
    features = {"learned": cleaner.sharpener.cue, "rgb": RGBCue(), "unbounded": Unbounded()}[cue]
    sharpener = Sharpener(features, window=Windows.of("5@2,5"), passes=4, hardness=0.05).eval()
    image, masks = scattered(20, (180, 240), 60)
    found = []
    for tile in (4000, side):
        monkeypatch.setattr(mask_tiles, "_SIDE", tile)
        monkeypatch.setattr(mask_tiles, "TOGETHER", 16 if tile == 4000 else 1)
        values = torch.stack([torch.from_numpy(mask).float() for mask in masks])
        for part in mask_tiles.MaskTiles(sharpener, image, masks, 4, Evidence(0.5, 0.0)).parts(None):
            values[part.number][part.part.slices] = part.filtered
        found.append(values)
    assert len(torch.unique(found[0])) > 1000
    torch.testing.assert_close(*found, rtol=0, atol=1e-6 if cue == "learned" else 0)
    after = Cleaner(sharpener, certainty=0.5, evidence=0.0)(image, masks)
    monkeypatch.setattr(mask_tiles, "_SIDE", 4000)
    for new, old in zip(Cleaner(sharpener, certainty=0.5, evidence=0.0)(image, masks), after, strict=True):
        np.testing.assert_array_equal(new, old)


_PEAK = """
from tests.annotations.test_cleaning import scattered
from crispseg import Sharpener
from crispseg.annotations.cleaning import Cleaner
from crispseg.process_memory import peak_bytes, resident_bytes
from crispseg.window import Windows
image, masks = scattered(60, (1200, 1500), 500)
memory = resident_bytes() + 500 * 2**20
cleaner = Cleaner(Sharpener.from_pretrained(window=Windows.of("5@2,5"), passes=2), memory=str(memory))
assert len(cleaner(image, masks)) == 60
print(memory, peak_bytes())
"""


def test_the_peak_stays_within_the_memory_and_less_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True)
    memory, peak = map(int, done.stdout.split())
    assert peak <= memory
    sharpener = Sharpener.from_pretrained(window=Windows.of("5@2,5"), passes=8)
    image, masks = scattered(60, (1200, 1500), 500)
    with pytest.raises(InputError, match="too small for a tile"):
        Cleaner(sharpener, memory=str(resident_bytes() + 64 * 2**20))(image, masks)


def test_masks_of_a_large_image_take_little_memory() -> None:
    """After large blocks were freed, the usual allocator clears, and so takes, the whole of new ones."""
    code = (
        "import torch\nfrom crispseg.annotations.filling import blank\n"
        "from crispseg.process_memory import give_back, resident_bytes\n"
        "def block(): return torch.ones(30 * 2**20, dtype=torch.uint8)\n"
        "before, first = resident_bytes(), block()\ndel first\n"
        "blocks, last = [block() for _ in range(20)], block()\ndel blocks\n"
        "masks = [blank((3000, 4000)) for _ in range(40)]\n"
        "for mask in masks: mask[100:200, 100:200] = True\ngive_back()\nprint(resident_bytes() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100 * 2**20
