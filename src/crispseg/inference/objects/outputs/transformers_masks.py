"""Logits of masks in the outputs of networks of transformers: of queries, or of prompts."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.inference.model_outputs import MASKS, with_scores
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen

_GRIDS = {
    "SamImageSegmentationOutput": "padded",
    "SamHQImageSegmentationOutput": "padded",
    "Sam2ImageSegmentationOutput": "stretched",
    "EdgeTamImageSegmentationOutput": "stretched",
    "Sam3ImageSegmentationOutput": "stretched",
    "Sam3LiteTextImageSegmentationOutput": "stretched",
    "Sam3TrackerImageSegmentationOutput": "stretched",
    "RfDetrInstanceSegmentationOutput": "stretched",
}
"""How the masks of a network lie on the image, if it was prepared by the network's own processor."""


def _name_of(objects: object) -> str | None:
    for name in MASKS:
        value = objects.get(name) if isinstance(objects, Mapping) else getattr(objects, name, None)
        if isinstance(value, Tensor) and value.ndim in (4, 5) and value.is_floating_point():
            return name
    return None


def _sharpened(objects: Any, image: object, sharpen: Sharpen) -> object:  # noqa: ANN401 - any output
    name = _name_of(objects)
    assert name is not None, "it was asked for before"
    logits: Tensor = objects[name] if isinstance(objects, Mapping) else getattr(objects, name)
    if len(logits) != 1:
        raise InputError(f"{name} has the masks of {len(logits)} images; expected those of one: take them one by one")
    grid = _GRIDS.get(type(objects).__name__)
    known = {} if grid is None else {"grid": grid}
    flat = logits.reshape(-1, *logits.shape[-2:])
    crisp = torch.as_tensor(sharpen(image, flat, scores="multilabel", soft=True, **known))
    scores = crisp if crisp.is_floating_point() else crisp.to(logits.dtype) * 2 - 1  # soft=False: 1 inside, -1 outside
    return with_scores(objects, name, scores.reshape(*logits.shape[:-2], *crisp.shape[-2:]))


KIND = OutputKind(
    "an output of transformers with masks_queries_logits or pred_masks",
    lambda objects: _name_of(objects) is not None,
    _sharpened,
)
