"""A sharpener behind the real classes of the libraries that people use, at random weights."""

import copy
import pickle
from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import segmentation
from transformers import (
    DetrConfig,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    MaskFormerConfig,
    MaskFormerForInstanceSegmentation,
    MaskFormerImageProcessor,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    SwinConfig,
    pipeline,
)

from crispseg import InputError, SharpenedModel, Sharpener, Window
from crispseg.cues import RGBCue
from crispseg.inference import semantic_probabilities

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = (64, 96)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(passes=3)


def image(size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))


def normalised(rgb: Tensor) -> Tensor:
    return (rgb - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1)


def swin() -> SwinConfig:
    stages = [f"stage{stage}" for stage in (1, 2, 3, 4)]
    return SwinConfig(
        image_size=64, embed_dim=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2, out_features=stages
    )


def segformer() -> Any:
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16, num_labels=5,
        )
    )  # fmt: skip


def mask2former() -> Any:
    return Mask2FormerForUniversalSegmentation(
        Mask2FormerConfig(
            backbone_config=swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
            dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=4, num_labels=3,
        )
    )  # fmt: skip


def maskformer() -> Any:
    decoder = DetrConfig(
        d_model=16, decoder_layers=1, encoder_layers=1, decoder_ffn_dim=16, encoder_ffn_dim=16, num_queries=4,
        decoder_attention_heads=2, encoder_attention_heads=2, num_labels=3,
    )  # fmt: skip
    return MaskFormerForInstanceSegmentation(
        MaskFormerConfig(
            backbone_config=swin(), decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, num_labels=3
        )
    )


LIBRARIES: dict[str, tuple[Callable[[], nn.Module], str | None]] = {
    "torchvision lraspp": (
        lambda: segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5), "out",
    ),
    "torchvision deeplab with aux": (
        lambda: segmentation.deeplabv3_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=5, aux_loss=True
        ), "out",
    ),
    "transformers segformer": (segformer, "logits"),
    "segmentation_models_pytorch unet": (lambda: smp.Unet("resnet18", encoder_weights=None, classes=5), None),
}  # fmt: skip


@pytest.mark.parametrize("name", LIBRARIES)
@torch.inference_mode()
def test_scores_of_a_library_come_out_crisp_in_the_same_output(name: str, sharpener: Sharpener) -> None:
    torch.manual_seed(0)
    build, field = LIBRARIES[name]
    model, rgb = build().eval(), image()
    before, after = model(normalised(rgb)), SharpenedModel(model, sharpener, mean=MEAN, std=STD)(normalised(rgb))
    assert type(after) is type(before)
    scores = (before, after) if field is None else (before[field], after[field])
    torch.testing.assert_close(scores[1], sharpener(rgb, scores[0]), rtol=1e-3, atol=1e-3)
    assert scores[1].shape == (2, 5, *SIZE)
    if field is not None:
        assert all(after[key] is not None for key in before)


@pytest.mark.parametrize("build", [mask2former, maskformer])
@torch.inference_mode()
def test_masks_of_queries_are_sharpened_one_by_one(build: Callable[[], nn.Module], sharpener: Sharpener) -> None:
    torch.manual_seed(0)
    model, rgb = build().eval(), image()
    before = model(pixel_values=normalised(rgb))
    # A single class compares scores, but masks that may overlap do not, so the image counts more.
    sharpener = sharpener.with_options(score_weight=0, cue_weight=1)
    after = SharpenedModel(model, sharpener, mean=MEAN, std=STD)(pixel_values=normalised(rgb))
    assert type(after) is type(before)
    torch.testing.assert_close(after.class_queries_logits, before.class_queries_logits)
    for query in range(4):
        alone = sharpener(rgb, before.masks_queries_logits[:, query : query + 1])
        torch.testing.assert_close(after.masks_queries_logits[:, query : query + 1], alone, rtol=1e-3, atol=1e-3)
    whole = SharpenedModel(
        lambda x: semantic_probabilities(model(x)), sharpener.expecting("probabilities"), mean=MEAN, std=STD
    )
    assert whole(normalised(rgb)).shape == (2, 3, *SIZE)


def test_semantic_probabilities_are_those_of_the_library() -> None:
    generator = torch.Generator().manual_seed(1)
    output = SimpleNamespace(
        class_queries_logits=torch.randn(2, 6, 5, generator=generator),
        masks_queries_logits=torch.randn(2, 6, 9, 11, generator=generator),
    )
    theirs = MaskFormerImageProcessor().post_process_semantic_segmentation(output)
    ours = semantic_probabilities(output)
    assert torch.equal(torch.stack(theirs), ours.argmax(1))
    torch.testing.assert_close(ours.sum(1), torch.ones(2, 9, 11))


def test_masks_of_a_large_image_keep_what_the_library_resizes_away() -> None:
    size, rgb = (1024, 1536), torch.zeros(1, 3, 1024, 1536)
    rgb[..., 301:802, 405:1101] = 1
    model = mask2former().eval()
    crisp_model = SharpenedModel(model, Sharpener(RGBCue(), window=Window(3), passes=1), mean=MEAN, std=STD)
    with torch.inference_mode():
        output = crisp_model(normalised(rgb))
    assert output.masks_queries_logits.shape == (1, 4, *size)
    # What a trained network would say after sharpening: one class in the rectangle, another around it.
    masks = torch.stack([1 - 2 * rgb[:, 0], 2 * rgb[:, 0] - 1], 1)
    said = SimpleNamespace(masks_queries_logits=20 * masks, class_queries_logits=10 * torch.eye(3)[:2][None])
    true = rgb[:, 0].long()
    assert torch.equal(semantic_probabilities(said).argmax(1), true)
    assert torch.equal((said.masks_queries_logits > 0)[:, 1].long(), true)
    [theirs] = Mask2FormerImageProcessor().post_process_semantic_segmentation(said, target_sizes=[size])
    assert (getattr(theirs, "segmentation", theirs) != true[0]).any()  # else the how-to may recommend it again


Named = namedtuple("Named", ["scores", "hidden"])


@pytest.mark.parametrize("wrap", [lambda x: (x, "more"), lambda x: [x, "more"], lambda x: Named(x, "more")])
def test_the_first_of_a_tuple(wrap: Callable[[Tensor], Any], sharpener: Sharpener) -> None:
    scores = torch.randn(2, 4, 8, 12)
    before, after = wrap(scores), SharpenedModel(lambda _: wrap(scores), sharpener)(image())
    assert type(after) is type(before)
    assert after[1] == "more"
    torch.testing.assert_close(after[0], sharpener(image(), scores))


def test_the_image_may_be_larger_than_what_the_network_sees(sharpener: Sharpener) -> None:
    large = (255 * image((96, 144))).to(torch.uint8)
    crisp = SharpenedModel(lambda _: torch.randn(2, 4, 8, 12), sharpener)(torch.randn(2, 3, 64, 96), image=large)
    assert crisp.shape == (2, 4, 96, 144)


def test_black_and_white_survive_the_normalisation(sharpener: Sharpener) -> None:
    rgb = (image() > 0.5).float()
    model = SharpenedModel(lambda _: torch.zeros(2, 4, 8, 12), sharpener, mean=MEAN, std=STD)
    for dtype in (torch.float32, torch.float16):
        assert torch.isfinite(model(normalised(rgb).to(dtype))).all()


WAYS: dict[str, Callable[[tuple[float, ...]], Any]] = {
    "list": list,
    "array": np.array,
    "tensor": torch.tensor,
    "double tensor of planes": lambda values: torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1),
    "array of planes": lambda values: np.array(values, np.float32).reshape(3, 1, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_mean_and_std_are_taken_in_any_form(way: str, sharpener: Sharpener) -> None:
    def gives(_: Tensor) -> Tensor:
        return torch.linspace(-1, 1, 2 * 4 * 8 * 12).reshape(2, 4, 8, 12)

    expected = SharpenedModel(gives, sharpener, mean=MEAN, std=STD)(normalised(image()))
    said = SharpenedModel(gives, sharpener, mean=WAYS[way](MEAN), std=WAYS[way](STD))
    torch.testing.assert_close(said(normalised(image())), expected)


def test_it_stands_in_a_pipeline_of_transformers(sharpener: Sharpener) -> None:
    torch.manual_seed(0)
    model, processor = segformer().eval(), SegformerImageProcessor(size={"height": 64, "width": 96})
    crisp_model = SharpenedModel(model, sharpener, mean=processor.image_mean, std=processor.image_std)
    segment = pipeline("image-segmentation", model=crisp_model, image_processor=processor)
    photo = Image.fromarray((255 * image()[0].permute(1, 2, 0).numpy()).astype(np.uint8))
    found = segment(photo, subtask="semantic")
    inputs = processor(photo, return_tensors="pt")
    with torch.inference_mode():
        labels = crisp_model(**inputs).logits[0].argmax(0)
    assert [model.config.label2id[one["label"]] for one in found] == torch.unique(labels).tolist()
    for one in found:
        expected = labels == model.config.label2id[one["label"]]
        assert torch.equal(torch.from_numpy(np.array(one["mask"])) == 255, expected)


def test_what_it_lacks_is_that_of_the_network(sharpener: Sharpener) -> None:
    model = segformer()
    crisp_model = SharpenedModel(model, sharpener)
    assert crisp_model.config is model.config
    assert crisp_model.device == model.device
    assert crisp_model.sharpener is sharpener
    assert not hasattr(crisp_model, "nothing_of_the_kind")
    with pytest.raises(AttributeError, match="'SharpenedModel' object has no attribute 'nothing_of_the_kind'"):
        crisp_model.nothing_of_the_kind  # noqa: B018 - asking for it is the test
    parts = {name.split(".")[0] for name in crisp_model.state_dict()}
    assert parts == {"model", "sharpener"}
    assert crisp_model.to(torch.float64) is crisp_model
    assert model.dtype == torch.float64
    assert SharpenedModel(lambda _: torch.zeros(2, 4, 8, 12), sharpener)(image()).shape == (2, 4, *SIZE)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_work_by_themselves(copied: Callable[[SharpenedModel], SharpenedModel], sharpener: Sharpener) -> None:
    model = SharpenedModel(segformer().eval(), sharpener, mean=MEAN, std=STD)
    other = copied(model)
    assert other.config.num_labels == 5
    with torch.inference_mode():
        torch.testing.assert_close(other(normalised(image())).logits, model(normalised(image())).logits)


def test_a_normalised_image_without_its_mean_is_refused(sharpener: Sharpener) -> None:
    with pytest.raises(InputError, match=r"image runs from -2.*, or give SharpenedModel the mean and std"):
        SharpenedModel(lambda _: torch.zeros(2, 4, 8, 12), sharpener)(normalised(image()))


def test_a_picture_as_the_image_is_told_how_to_become_a_tensor(sharpener: Sharpener) -> None:
    model = SharpenedModel(lambda _: torch.zeros(1, 4, 8, 12), sharpener)
    picture = Image.fromarray((255 * image()[0]).byte().movedim(0, -1).numpy())
    with pytest.raises(TypeError, match=r"image is Image; expected a tensor: .*make it one with torch\.tensor"):
        model(torch.rand(1, 3, 64, 96), image=picture)
    made = torch.tensor(np.array(picture)).movedim(-1, 0)[None]
    assert model(torch.rand(1, 3, 64, 96), image=made).shape == (1, 4, *image().shape[-2:])


def test_it_trains_through(sharpener: Sharpener) -> None:
    model = nn.Conv2d(3, 4, 3, stride=4, padding=1)
    SharpenedModel(model, sharpener)(image()).logsumexp(1).mean().backward()
    assert model.weight.grad is not None
    assert model.weight.grad.abs().max() > 0
