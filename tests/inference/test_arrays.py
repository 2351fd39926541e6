"""NumPy in, NumPy out: the same as with tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError, Sharpener, sharpen_array, sharpen_masks, sharpen_objects
from crispseg.inference.array_inputs import as_image
from tests.fakes import draw_scene


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(passes=3)


IMAGE, LABELS = draw_scene(np.random.default_rng(0))
SCORES = np.random.default_rng(1).normal(size=(5, 6, 8))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_are_those_of_the_tensors(dtype: type, sharpener: Sharpener) -> None:
    crisp = sharpen_array(IMAGE, SCORES.astype(dtype), sharpener=sharpener)
    scores = torch.from_numpy(SCORES.astype(dtype))[None]
    with torch.inference_mode():
        expected = sharpener(torch.from_numpy(IMAGE).permute(2, 0, 1)[None], scores)[0]
    assert crisp.dtype == dtype
    np.testing.assert_array_equal(crisp, expected.numpy())


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_a_label_map_stays_one(dtype: type, sharpener: Sharpener) -> None:
    coarse: np.ndarray = (LABELS[4::8, 4::8] * 70).astype(dtype)
    crisp = sharpen_array(IMAGE, coarse, sharpener=sharpener)
    assert crisp.dtype == dtype
    assert set(np.unique(crisp)) <= set(np.unique(coarse))
    blocky = np.kron(coarse, np.ones((8, 8), dtype))
    assert (crisp == LABELS * 70).mean() > (blocky == LABELS * 70).mean()


def test_an_image_may_be_a_view_with_its_axes_turned(sharpener: Sharpener) -> None:
    turned = np.ascontiguousarray(IMAGE.transpose(1, 0, 2)).transpose(1, 0, 2)
    np.testing.assert_array_equal(
        sharpen_array(turned, SCORES, sharpener=sharpener), sharpen_array(IMAGE, SCORES, sharpener=sharpener)
    )


@pytest.mark.parametrize(
    ("image", "prediction", "said"),
    [
        (IMAGE[..., 0], SCORES, r"image is uint8 \(48, 64\).*: repeat grey with np\.dstack\(\[image\] \* 3\)"),
        (IMAGE[..., :1] / 255, SCORES, r"image is float64 \(48, 64, 1\).*repeat grey.*\)"),
        (IMAGE.astype(np.uint16), SCORES, r"image is uint16.*; divide .* 65535"),
        (IMAGE, SCORES[None], r"prediction is float64 \(1, 5, 6, 8\)"),
        (IMAGE, SCORES[0], r"prediction is float64 \(6, 8\).*prediction\[None\]"),
        (IMAGE, np.full((5, 6, 8), np.nan), "NaN"),
        (IMAGE, np.full((5, 6, 8), 1e300), r"as large as 1e\+300; expected numbers .*float32"),
        (IMAGE, SCORES.transpose(1, 2, 0), r"use .transpose\(2, 0, 1\)"),
        (IMAGE[None], SCORES, r"image\[0\]"),
        (np.dstack([IMAGE, IMAGE[..., :1]]), SCORES, r"image\[..., :3\]"),
        ("photo.jpg", SCORES, r"image is a path; .*PIL.Image.open"),
        (IMAGE, SCORES[None].repeat(1, 0), r"prediction\[0\]"),
        (IMAGE, IMAGE[..., :1], r"pass one label map as prediction\.squeeze\(\)"),
        (IMAGE, IMAGE, "give each colour of a picture the number of its class"),
        (IMAGE.transpose(2, 0, 1), SCORES, r"image is uint8 \(3, 48, 64\).*use .transpose\(1, 2, 0\)"),
        (IMAGE, np.zeros((5, 6, 8), np.uint8), "prediction is uint8.*divide .*probabilities by 255"),
        (IMAGE, np.ma.masked_equal(LABELS, 1), "prediction: a NumPy array of which .* values are masked"),
        (np.ma.masked_equal(IMAGE, IMAGE[0, 0, 0]), SCORES, "image: .* masked"),
        (IMAGE, np.array([["a"]]), "prediction is ndarray of <U1; expected an array of real numbers"),
        (IMAGE, SCORES.astype(complex), "complex128; expected an array of real numbers"),
        (IMAGE, np.zeros((0, 8), np.uint8), "expected at least one pixel"),
        (IMAGE[:0], SCORES, r"image is uint8 \(0, 64, 3\).*at least one pixel"),
        (IMAGE, (SCORES > 0).astype(np.float32), "all 0 or 1.*'multilabel_probabilities'"),
    ],
)
def test_bad_arrays_are_refused(image: np.ndarray, prediction: np.ndarray, said: str, sharpener: Sharpener) -> None:
    with pytest.raises(InputError, match=said):
        sharpen_array(image, prediction, sharpener=sharpener)
    if said.startswith("image"):
        with pytest.raises(InputError, match=said):
            sharpen_masks(image, LABELS[None] > 0)


def test_a_sharpener_in_another_place_is_asked_for_by_its_name(sharpener: Sharpener) -> None:
    said = "image is Sharpener; expected the image first, and sharpener="
    with pytest.raises(TypeError, match=said):
        sharpen_array(sharpener, IMAGE, SCORES)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=said):
        sharpen_masks(sharpener, IMAGE, LABELS[None] > 0)
    with pytest.raises(TypeError, match=said):
        sharpen_objects(sharpener, {"boxes": torch.zeros(1, 4), "masks": torch.rand(1, 1, 28, 28)})
    with pytest.raises(TypeError, match="sharpener is int; expected a"):
        sharpen_array(IMAGE, SCORES, sharpener=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sharpener is Conv2d; expected a"):
        sharpen_masks(IMAGE, LABELS[None] > 0, sharpener=torch.nn.Conv2d(3, 3, 1))  # type: ignore[arg-type]


def test_the_default_sharpener_takes_the_kind_and_the_grid_of_the_call() -> None:
    chances = torch.from_numpy(SCORES[:, :, :6]).softmax(0)
    crisp = sharpen_array(IMAGE, chances, scores="probabilities", grid="stretched")
    made = Sharpener.from_pretrained(scores="probabilities", grid="stretched")
    np.testing.assert_array_equal(crisp, sharpen_array(IMAGE, chances, sharpener=made))
    with pytest.raises(InputError, match="'logits', but the prediction is a label map"):
        sharpen_array(IMAGE, LABELS, scores="logits")
    with pytest.raises(InputError, match="device is cpu, beside a sharpener"):
        sharpen_array(IMAGE, LABELS, sharpener=made, device="cpu")


@pytest.mark.parametrize("sharpen", [sharpen_array, lambda image, labels: sharpen_masks(image, labels[None] > 0)])
def test_a_tensor_with_the_colours_first_is_an_image(sharpen: Callable[..., np.ndarray]) -> None:
    expected = sharpen(IMAGE, LABELS[4::8, 4::8])
    np.testing.assert_array_equal(sharpen(torch.from_numpy(IMAGE).movedim(-1, 0), LABELS[4::8, 4::8]), expected)


def test_a_grid_of_one_call(sharpener: Sharpener) -> None:
    for prediction in (SCORES[:, :, :6], LABELS[4::8, 4:52:8]):
        crisp = sharpen_array(IMAGE, prediction, sharpener=sharpener, grid="stretched")
        expected = sharpen_array(IMAGE, prediction, sharpener=sharpener.with_options(grid="stretched"))
        np.testing.assert_array_equal(crisp, expected)


@pytest.mark.parametrize("grid", ["stretched", "letterbox"])
def test_the_place_of_the_classes_is_told_from_the_sizes_on_every_grid(grid: str, sharpener: Sharpener) -> None:
    squashed = np.random.default_rng(1).normal(size=(21, 28, 28))  # 21 / 28 is the aspect ratio of the image
    assert sharpen_array(IMAGE, squashed, sharpener=sharpener, grid=grid).shape == (21, 48, 64)
    with pytest.raises(InputError, match="another aspect ratio"):
        sharpen_array(IMAGE, squashed, sharpener=sharpener)
    with pytest.raises(InputError, match="classes last"):
        sharpen_array(IMAGE, SCORES.transpose(1, 2, 0), sharpener=sharpener, grid=grid)


def test_logits_are_not_taken_for_probabilities_of_a_wrong_sum(sharpener: Sharpener) -> None:
    of_probabilities = sharpener.with_options(scores="probabilities")
    with pytest.raises(InputError, match=r"run from -.* to .*; expected probabilities in \[0, 1\].*\"logits\""):
        sharpen_array(IMAGE, SCORES, sharpener=of_probabilities)


def negative(array: np.ndarray) -> np.ndarray:
    return array[::-1, ::-1].copy()[::-1, ::-1]


def read_only(array: np.ndarray) -> np.ndarray:
    copied = array.copy()
    copied.flags.writeable = False
    return copied


CONVERSIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "negative strides": negative,
    "Fortran order": np.asfortranarray,
    "read-only": read_only,
    "tensor": torch.from_numpy,
    "list": np.ndarray.tolist,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_every_way_to_give_an_array_gives_the_same(name: str, sharpener: Sharpener) -> None:
    convert = CONVERSIONS[name]
    image, labels = IMAGE if name == "list" else convert(IMAGE), convert(LABELS)
    expected = sharpen_array(IMAGE, SCORES, sharpener=sharpener)
    np.testing.assert_array_equal(sharpen_array(image, convert(SCORES), sharpener=sharpener), expected)
    np.testing.assert_array_equal(
        sharpen_array(image, labels, sharpener=sharpener), sharpen_array(IMAGE, LABELS, sharpener=sharpener)
    )


def test_other_types_are_taken(sharpener: Sharpener) -> None:
    expected = sharpen_array(IMAGE, SCORES, sharpener=sharpener)
    wide = sharpen_array(Image.fromarray(IMAGE), SCORES.astype(np.longdouble), sharpener=sharpener)
    assert wide.dtype == np.longdouble
    np.testing.assert_array_equal(wide.astype(np.float64), expected)
    mask = sharpen_array(torch.from_numpy(IMAGE), LABELS > 0, sharpener=sharpener)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(
        mask, sharpen_array(IMAGE, (LABELS > 0).astype(np.uint8), sharpener=sharpener).astype(bool)
    )
    brain = torch.from_numpy(SCORES).bfloat16().requires_grad_()
    np.testing.assert_array_equal(
        sharpen_array(IMAGE, brain, sharpener=sharpener),
        sharpen_array(IMAGE, brain.detach().float().numpy(), sharpener=sharpener),
    )


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_pictures_of_pillow_are_images(mode: str, sharpener: Sharpener) -> None:
    picture = Image.fromarray(IMAGE).convert(mode)
    expected = sharpen_array(np.asarray(picture.convert("RGB")), SCORES, sharpener=sharpener)
    np.testing.assert_array_equal(sharpen_array(picture, SCORES, sharpener=sharpener), expected)


@pytest.mark.parametrize("mode", ["HSV", "LAB"])
def test_a_picture_of_other_colours_becomes_rgb(mode: str, sharpener: Sharpener) -> None:
    picture = Image.fromarray(IMAGE).convert(mode)
    assert picture.mode == mode
    expected = sharpen_array(np.asarray(picture.convert("RGB")), SCORES, sharpener=sharpener)
    np.testing.assert_array_equal(sharpen_array(picture, SCORES, sharpener=sharpener), expected)
    np.testing.assert_array_equal(as_image(picture), np.asarray(picture.convert("RGB")).transpose(2, 0, 1))


def test_transparency_of_a_picture_is_laid_on_white_as_in_a_file(sharpener: Sharpener) -> None:
    black = np.zeros_like(IMAGE)
    picture = Image.fromarray(np.dstack([black, np.where(LABELS > 0, 255, 0).astype(np.uint8)]))
    seen: np.ndarray = np.where(LABELS[..., None] > 0, black, 255).astype(np.uint8)
    crisp = sharpen_array(picture, SCORES, sharpener=sharpener)
    np.testing.assert_array_equal(crisp, sharpen_array(seen, SCORES, sharpener=sharpener))
    np.testing.assert_array_equal(as_image(picture), seen.transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_a_picture_of_more_than_8_bits_is_refused_and_not_cut_off(dtype: type, sharpener: Sharpener) -> None:
    picture = Image.fromarray((IMAGE[..., 0].astype(np.float64) * 200).astype(dtype))
    said = rf"mode {picture.mode}; expected 8 bits .*\[0, 1\].*read_image"
    with pytest.raises(InputError, match=said):
        sharpen_array(picture, SCORES, sharpener=sharpener)
    with pytest.raises(InputError, match=said):
        sharpen_masks(picture, LABELS[None] > 0)


def test_a_picture_that_pillow_cannot_convert_is_refused(sharpener: Sharpener) -> None:
    with pytest.raises(InputError, match=r"mode La,.*expected RGB"):
        sharpen_array(Image.new("La", (64, 48)), SCORES, sharpener=sharpener)


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_pictures_of_pillow_are_label_maps(mode: str, sharpener: Sharpener) -> None:
    labels: np.ndarray = LABELS.astype(np.uint8)
    picture = Image.fromarray(labels)
    if mode == "P":
        picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    elif mode == "1":
        labels = labels > 0
        picture = Image.fromarray(labels)
    assert picture.mode == mode
    crisp = sharpen_array(IMAGE, picture, sharpener=sharpener)
    assert crisp.dtype == labels.dtype
    np.testing.assert_array_equal(crisp, sharpen_array(IMAGE, labels, sharpener=sharpener))


def test_a_tensor_with_classes_last_is_told_how_to_turn_it(sharpener: Sharpener) -> None:
    pixels = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    with pytest.raises(InputError, match=r"classes last.*; expected \(C, h, w\).*movedim\(-1, -3\)"):
        sharpener(pixels, torch.from_numpy(SCORES).movedim(0, -1)[None])


def test_a_picture_in_place_of_a_tensor_is_told_what_takes_it(sharpener: Sharpener) -> None:
    with pytest.raises(TypeError, match=r"image is Image; expected a tensor: .*crispseg.sharpen_array"):
        sharpener(Image.fromarray(IMAGE), torch.from_numpy(SCORES)[None])
