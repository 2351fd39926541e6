"""Outputs of other libraries: real classes at random weights where installed, and objects of the same shape."""

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.models.detection import maskrcnn_resnet50_fpn
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    SamConfig,
    SamModel,
    SwinConfig,
)

from crispseg import InputError, SharpenedModel, Sharpener, sharpen_masks, sharpen_objects
from crispseg.inference import unpasted_masks
from crispseg.inference.objects.outputs.coco_rle import decode, encode

SIZE = (48, 64)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(window=5, passes=2, hardness=2.0)


def image() -> Tensor:
    return torch.randint(0, 255, (3, *SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def masks() -> np.ndarray[Any, np.dtype[np.bool_]]:
    found = np.zeros((2, *SIZE), bool)
    found[0, 10:30, 8:40], found[1, 20:44, 30:60] = True, True
    return found


def test_mask_r_cnn_before_and_after_it_pastes_its_masks(sharpener: Sharpener) -> None:
    torch.manual_seed(0)
    model = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=3, box_score_thresh=0.0, box_detections_per_img=3,
        min_size=64, max_size=96,
    ).eval()  # fmt: skip
    photo = image() / 255
    with torch.inference_mode():
        pasted = model([photo])[0]
        with unpasted_masks(model):
            small = model([photo])[0]
        assert model([photo])[0]["masks"].shape == pasted["masks"].shape  # the hooks are gone
    assert small["masks"].shape == (len(pasted["masks"]), 1, 28, 28)
    for found in (pasted, small):
        crisp = sharpen_objects(photo, found, sharpener=sharpener)
        assert (crisp["masks"].shape, crisp["masks"].dtype) == ((len(found["boxes"]), 1, *SIZE), torch.float32)
        assert crisp["scores"] is found["scores"]
    boxes, (height, width) = small["boxes"], SIZE
    expected = sharpen_masks(
        photo, small["masks"], boxes, scores="multilabel_probabilities", soft=True, sharpener=sharpener
    )
    assert torch.equal(crisp["masks"], torch.as_tensor(expected))
    assert float(boxes[:, 2].max()) <= width
    assert float(boxes[:, 3].max()) <= height


def sam() -> Any:
    torch.manual_seed(0)
    return SamModel(
        SamConfig(
            vision_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64,
                           "patch_size": 16, "output_channels": 16, "mlp_dim": 16, "window_size": 2,
                           "global_attn_indexes": [0], "num_pos_feats": 8},
            prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
            mask_decoder_config={"hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                                 "iou_head_hidden_dim": 16},
        )
    ).eval()  # fmt: skip


def test_sam_gives_logits_of_the_image_without_its_padding(sharpener: Sharpener) -> None:
    model = sam()
    padded = torch.nn.functional.pad(image()[None] / 255, (0, 0, 0, 16))  # 48×64 in 64×64
    points = torch.tensor([[[[20.0, 20.0]], [[40.0, 30.0]]]])
    with torch.inference_mode():
        output = model(pixel_values=padded, input_points=points)
        crisp = sharpen_objects(image(), output, sharpener=sharpener)
        inside = SharpenedModel(model, sharpener)(pixel_values=padded, input_points=points)
    assert output.pred_masks.ndim == 5
    assert crisp.pred_masks.shape == (*output.pred_masks.shape[:3], *SIZE)
    assert type(crisp) is type(output)
    assert crisp.iou_scores is output.iou_scores
    assert inside.pred_masks.shape == (*output.pred_masks.shape[:3], 64, 64)
    first = sharpen_masks(
        image(), output.pred_masks[0, 0], scores="multilabel", grid="padded", soft=True, sharpener=sharpener
    )
    torch.testing.assert_close(crisp.pred_masks[0, 0], torch.as_tensor(first))


def test_mask2former_queries_and_its_segments(sharpener: Sharpener) -> None:
    torch.manual_seed(0)
    swin = SwinConfig(image_size=64, embed_dim=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
                      out_features=["stage1", "stage2", "stage3", "stage4"])  # fmt: skip
    model = Mask2FormerForUniversalSegmentation(
        Mask2FormerConfig(backbone_config=swin, num_queries=4, hidden_dim=32, mask_feature_size=32, feature_size=32,
                          encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=16,
                          encoder_feedforward_dim=16)
    ).eval()  # fmt: skip
    with torch.inference_mode():
        output = model(pixel_values=image()[None] / 255)
    crisp = sharpen_objects(image(), output, sharpener=sharpener)
    assert crisp.masks_queries_logits.shape == (1, 4, *SIZE)
    processor = Mask2FormerImageProcessor()
    found = processor.post_process_instance_segmentation(crisp, threshold=0.0, target_sizes=[SIZE])[0]
    again = sharpen_objects(image(), found, sharpener=sharpener)
    assert again["segments_info"] == found["segments_info"]
    assert again["segmentation"].dtype == found["segmentation"].dtype
    assert set(again["segmentation"].unique().tolist()) <= set(found["segmentation"].unique().tolist())


def test_segments_keep_their_ids_and_the_surer_one_wins(sharpener: Sharpener) -> None:
    both = torch.full(SIZE, -1.0)
    both[masks()[0]], both[masks()[1]] = 7, 3
    found: dict[str, Any] = {"segmentation": both, "segments_info": [{"id": 7, "score": 0.4}, {"id": 3, "score": 0.9}]}
    crisp = sharpen_objects(image(), found, sharpener=sharpener, band=3)["segmentation"]
    assert set(crisp.unique().tolist()) == {-1.0, 3.0, 7.0}
    expected = sharpen_masks(image(), (both == 3)[None], sharpener=sharpener, band=3)
    assert torch.equal(crisp == 3, torch.as_tensor(expected)[0])
    maps: dict[str, Any] = {"segmentation": torch.from_numpy(masks()).float(), "segments_info": found["segments_info"]}
    assert sharpen_objects(image(), maps, sharpener=sharpener)["segmentation"].dtype == torch.float32
    assert sharpen_objects(image(), {"segmentation": None, "segments_info": []})["segmentation"] is None


def test_segments_may_change_within_a_cell_of_the_masks_of_which_they_were_made(sharpener: Sharpener) -> None:
    """A map of half the size has cells of 2 pixels; one of the image's size had 128 cells or more."""
    whole, segments = torch.from_numpy(masks()[0]).int(), [{"id": 1, "score": 0.5}]
    for given, grid, band in ((whole, None, 1), (whole[::2, ::2], "stretched", 2)):
        found: dict[str, Any] = {"segmentation": given, "segments_info": segments}
        expected = sharpen_masks(image(), given[None] == 1, sharpener=sharpener, band=band, grid=grid)
        crisp = sharpen_objects(image(), found, sharpener=sharpener)["segmentation"]
        assert torch.equal(crisp == 1, torch.as_tensor(expected)[0])


@pytest.mark.parametrize(("listed", "outside"), [((1, 2), 3), ((1, 5), 0), ((0, 5), -1), ((3,), 1), ((1, 2, 3, 5), 1)])
def test_segments_that_are_left_out_of_the_list_stay_in_the_map(
    listed: tuple[int, ...], outside: int, sharpener: Sharpener
) -> None:
    both = torch.full(SIZE, outside)
    both[:20, :30], both[:20, 34:], both[26:, :30], both[26:, 34:] = 1, 2, 3, 5
    if 0 in listed:
        both[both == 1] = 0
    found: dict[str, Any] = {"segmentation": both, "segments_info": [{"id": number, "score": 0.5} for number in listed]}
    crisp = sharpen_objects(image(), found, sharpener=sharpener)["segmentation"]
    assert set(crisp.unique().tolist()) == set(both.unique().tolist())
    for corner in ((2, 2), (2, 60), (45, 2), (45, 60), (23, 32)):
        assert crisp[corner] == both[corner]
    assert (crisp != both).float().mean() < 0.1


class Results:
    """An object of the shape of ultralytics' `Results`."""

    def __init__(self, orig_img: np.ndarray[Any, Any], data: Tensor | None) -> None:
        self.orig_img, self.orig_shape = orig_img, orig_img.shape[:2]
        self.masks: Any = None if data is None else SimpleNamespace(data=data, orig_shape=self.orig_shape)
        self.boxes = SimpleNamespace(conf=torch.tensor([0.9, 0.5]), xyxy=torch.zeros(2, 4))

    def update(self, masks: Tensor) -> None:
        self.masks = SimpleNamespace(data=masks, orig_shape=self.orig_shape)


def test_results_of_ultralytics_letterboxed_and_of_the_image(sharpener: Sharpener) -> None:
    colours = image().permute(1, 2, 0).numpy()
    whole = torch.from_numpy(masks()).float()
    boxed = torch.nn.functional.pad(whole, (0, 0, 8, 8))  # 48×64 in 64×64
    crisp = []
    for data in (whole, boxed):
        results = Results(colours[..., ::-1], data)
        before = copy.deepcopy(results.masks)
        new = sharpen_objects(None, results, sharpener=sharpener, band=2)
        assert torch.equal(results.masks.data, before.data)
        assert (new.masks.data.shape, new.masks.data.dtype) == ((2, *SIZE), torch.float32)
        crisp.append(new.masks.data)
    assert torch.equal(crisp[0], crisp[1])
    expected = sharpen_masks(colours, masks(), sharpener=sharpener, band=2)  # the colours are turned round
    assert np.array_equal(crisp[0].numpy() > 0.5, expected)
    assert sharpen_objects(None, Results(colours, None)).masks is None


def test_masks_of_ultralytics_may_change_within_a_cell_and_a_half_of_its_prototypes(sharpener: Sharpener) -> None:
    halved = torch.from_numpy(masks())[
        :, ::2, ::2
    ].float()  # a cell of the network's prototypes has 8 pixels of the image
    colours = image().permute(1, 2, 0).numpy()
    crisp = sharpen_objects(None, Results(colours[..., ::-1], halved), sharpener=sharpener).masks.data
    expected = sharpen_masks(colours, halved > 0.5, sharpener=sharpener, band=12, grid="letterbox")
    assert torch.equal(crisp > 0.5, torch.as_tensor(expected))


@dataclass
class Detections:
    """An object of the shape of supervision's `Detections`."""

    xyxy: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any] | None
    confidence: np.ndarray[Any, Any]


def test_detections_of_supervision(sharpener: Sharpener) -> None:
    found = Detections(np.zeros((2, 4)), masks(), np.array([0.2, 0.9]))
    crisp = sharpen_objects(image(), found, sharpener=sharpener, overlaps="resolve")
    assert crisp.mask is not None
    assert (crisp.mask.shape, crisp.mask.dtype) == ((2, *SIZE), np.bool_)
    assert not crisp.mask.all(0).any()
    assert np.array_equal(np.asarray(found.mask), masks())
    assert sharpen_objects(image(), Detections(np.zeros((0, 4)), None, np.zeros(0))).mask is None


def test_encodings_of_coco_come_back_in_their_kind(sharpener: Sharpener) -> None:
    from pycocotools import mask as coco  # noqa: PLC0415

    mask = masks()[1]
    mask[0, 0] = True  # the runs of numbers then begin with none
    compressed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    kinds = [compressed, {**compressed, "counts": compressed["counts"].decode()}]
    kinds.append(encode(mask, {"size": [48, 64], "counts": []}))
    assert kinds[2]["counts"][0] == 0
    assert all(np.array_equal(decode(kind), mask) for kind in kinds)
    crisp = sharpen_objects(image(), kinds, sharpener=sharpener)
    assert [type(rle["counts"]) for rle in crisp] == [bytes, str, list]
    expected = sharpen_masks(image(), mask[None], sharpener=sharpener)[0]
    assert all(np.array_equal(decode(rle), expected) for rle in crisp)
    assert sharpen_objects(image(), kinds[0], sharpener=sharpener) == crisp[0]
    arrays = {"size": np.array([48, 64]), "counts": np.array(kinds[2]["counts"])}
    assert sharpen_objects(image(), arrays, sharpener=sharpener)["counts"] == crisp[2]["counts"]


@pytest.mark.parametrize(
    "counts", [[5, 7], [-5, 48 * 64 + 5], [5.5, 48 * 64 - 5.5], "52", b"zzzz~~~", b"o", "\u00e9", None]
)
def test_encodings_that_do_not_hold_the_pixels_of_their_size_are_refused(counts: object) -> None:
    with pytest.raises(InputError, match=r"of size \[48, 64\] cannot be read"):
        sharpen_objects(image(), {"size": [48, 64], "counts": counts})


@pytest.mark.parametrize("size", [(96, 128), (24, 32), (512, 512)])
def test_masks_of_torchvision_that_were_pasted_into_another_image_are_refused(size: tuple[int, int]) -> None:
    found = {"boxes": torch.tensor([[8.0, 8.0, 20.0, 20.0]]), "masks": torch.zeros(1, 1, *size)}
    with pytest.raises(InputError, match="the image that the network saw"):
        sharpen_objects(image(), found)


def test_outputs_that_were_turned_into_arrays_give_arrays(sharpener: Sharpener) -> None:
    tensors: dict[str, Any] = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "masks": torch.rand(1, 1, 28, 28)}
    expected = sharpen_objects(image(), tensors, sharpener=sharpener)["masks"]
    found: dict[str, Any] = sharpen_objects(
        image(), {name: value.numpy() for name, value in tensors.items()}, sharpener=sharpener
    )
    assert isinstance(found["masks"], np.ndarray)
    assert np.array_equal(found["masks"], expected.numpy())
    segments = torch.from_numpy(masks()[0].astype(np.int64))
    said: dict[str, Any] = {"segmentation": segments, "segments_info": [{"id": 1, "score": 0.5}]}
    same: dict[str, Any] = {"segmentation": segments.numpy(), "segments_info": [{"id": "1", "score": 0.5}]}
    crisp = sharpen_objects(image(), said, sharpener=sharpener)["segmentation"]
    assert np.array_equal(sharpen_objects(image(), same, sharpener=sharpener)["segmentation"], crisp.numpy())


@pytest.mark.parametrize("as_text", [False, True])
def test_run_lengths_of_a_smaller_mask_are_refused(*, as_text: bool) -> None:
    """pycocotools gives the pixels that are missing whatever its memory held before."""
    small = encode(np.ones((4, 4), bool), {"size": [4, 4], "counts": "" if as_text else b""})
    with pytest.raises(InputError, match="does not hold 3072 pixels"):
        decode({**small, "size": [48, 64]})


def test_other_objects_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Image.*Results.*sharpen_masks"):
        sharpen_objects(image(), Image.new("L", (3, 3)))
    with pytest.raises(TypeError, match="list of dict with segmentation, area; expected"):
        sharpen_objects(image(), [{"segmentation": masks()[0], "area": 5}])
    with pytest.raises(InputError, match="soft"):
        sharpen_objects(image(), {"boxes": [], "masks": []}, soft=True)
