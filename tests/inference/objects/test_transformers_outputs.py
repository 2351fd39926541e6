"""Networks of transformers whose masks come at a low resolution: the real classes, tiny and at random weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    RfDetrConfig,
    RfDetrForInstanceSegmentation,
    Sam2Config,
    Sam2Model,
    Sam3Config,
    Sam3Model,
)

from crispseg import Sharpener, sharpen_masks, sharpen_objects

SIZE = (40, 64)
SMALL: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 16}


def sam2() -> Any:
    backbone = {"model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [64, 64],
                "blocks_per_stage": [1, 1, 1, 2], "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [8, 4, 4, 4],
                "global_attention_blocks": [4], "window_positional_embedding_background_size": [2, 2]}  # fmt: skip
    model = Sam2Model(
        Sam2Config(
            vision_config={"model_type": "sam2_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
                           "backbone_channel_list": [64, 32, 16, 8],
                           "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
            prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
            mask_decoder_config={"hidden_size": 32, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                                 "iou_head_hidden_dim": 16},
        )
    ).eval()  # fmt: skip
    return model(pixel_values=torch.rand(1, 3, 64, 64), input_points=torch.tensor([[[[20.0, 20.0]], [[40.0, 30.0]]]]))


def sam3() -> Any:
    backbone = {"model_type": "sam3_vit_model", **SMALL, "num_hidden_layers": 1, "image_size": 56, "patch_size": 14,
                "window_size": 2, "global_attn_indexes": [0], "pretrain_image_size": 28}  # fmt: skip
    layers = {**SMALL, "num_layers": 1}
    model = Sam3Model(
        Sam3Config(
            vision_config={"model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
                           "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]},
            text_config={"model_type": "clip_text_model", **SMALL, "vocab_size": 20, "projection_dim": 32,
                         "num_hidden_layers": 1, "max_position_embeddings": 8},
            geometry_encoder_config=layers,
            detr_encoder_config=layers,
            detr_decoder_config={**layers, "num_queries": 3},
            mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
        )
    ).eval()  # fmt: skip
    return model(pixel_values=torch.rand(1, 3, 56, 56), input_ids=torch.tensor([[1, 5, 2]]))


def rf_detr() -> Any:
    backbone = {"model_type": "rf_detr_dinov2", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                "image_size": 64, "patch_size": 8, "num_windows": 2, "out_features": ["stage1", "stage2"]}  # fmt: skip
    model = RfDetrForInstanceSegmentation(
        RfDetrConfig(backbone_config=backbone, d_model=32, decoder_layers=1, decoder_self_attention_heads=2,
                     decoder_cross_attention_heads=2, decoder_ffn_dim=16, num_queries=3, group_detr=1,
                     intermediate_size=16)
    ).eval()  # fmt: skip
    return model(pixel_values=torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize("output_of", [sam2, sam3, rf_detr])
def test_masks_of_a_squashed_image_become_those_of_the_image(output_of: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    sharpener = Sharpener.from_pretrained(window=5, passes=2, hardness=2.0)
    image = torch.randint(0, 255, (3, *SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        output = output_of()
    crisp = sharpen_objects(image, output, sharpener=sharpener)
    assert type(crisp) is type(output)
    assert crisp.pred_masks.shape == (*output.pred_masks.shape[:-2], *SIZE)
    flat = output.pred_masks.reshape(-1, *output.pred_masks.shape[-2:])
    expected = sharpen_masks(image, flat, scores="multilabel", grid="stretched", soft=True, sharpener=sharpener)
    torch.testing.assert_close(crisp.pred_masks.reshape(-1, *SIZE), torch.as_tensor(expected))
