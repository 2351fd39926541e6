"""The first five convolutions of VGG (Simonyan & Zisserman 2015): names, shapes and where their weights come from."""

from pathlib import Path

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.models.state import check_state, load_state

VGG_LAYERS = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
}
"""Name of each convolution, with its input and output channels; the same in VGG-16 and VGG-19."""

VGG_MEAN = (0.485, 0.456, 0.406)
VGG_STD = (0.229, 0.224, 0.225)
"""Normalisation of RGB in [0, 1] that torchvision's weights were trained with."""

_TORCHVISION_INDEX = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10}


def vgg_state(source: str | Path) -> dict[str, Tensor]:
    """Weights of the five convolutions for an input normalised by `mean` and `VGG_STD`, and that mean.

    Args:
        source: "vgg16" for torchvision's ImageNet weights, or a safetensors file with `conv1_1.weight` …
            `conv3_1.bias`. A file whose layers expect another input than normalised RGB says so with a 1×1
            convolution `preprocess` from RGB in [0, 1]; it is folded into the first layer.

    Returns:
        `conv1_1.weight`, `conv1_1.bias`, …, `conv3_1.bias` and `mean`.

    Raises:
        InputError: If the file is missing, is not safetensors, lacks a layer or holds one of another shape.
    """
    state = _torchvision_state() if source == "vgg16" else load_state(Path(source), "VGG weights")
    shapes = _shapes()
    check_state(state, shapes, source)
    layers = {name: state[name] for name in shapes}
    if "preprocess.weight" not in state:
        return layers | {"mean": torch.tensor(VGG_MEAN)}
    check_state(state, {"preprocess.weight": (3, 3, 1, 1), "preprocess.bias": (3,)}, source)
    if torch.linalg.det(state["preprocess.weight"][:, :, 0, 0].double()) == 0:
        raise InputError(f"VGG weights {source}: preprocess.weight loses colours; expected an invertible mixture")
    return layers | _fold(state["preprocess.weight"], state["preprocess.bias"], layers["conv1_1.weight"])


def _torchvision_state() -> dict[str, Tensor]:
    from torchvision.models import VGG16_Weights  # noqa: PLC0415 - slow to import, and needed for this source alone

    try:
        weights = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
    except OSError as error:
        raise InputError(
            f"VGG weights vgg16: torchvision could not download them ({error}); give a safetensors file instead"
        ) from error
    return {
        f"{name}.{kind}": weights[f"features.{index}.{kind}"]
        for name, index in _TORCHVISION_INDEX.items()
        for kind in ("weight", "bias")
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in VGG_LAYERS.items():
        shapes[f"{name}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{name}.bias"] = (outputs,)
    return shapes


def _fold(weight: Tensor, bias: Tensor, first: Tensor) -> dict[str, Tensor]:
    """Fold `preprocess(rgb) = A·rgb + b` into the first layer.

    The zero padding of that layer must stay where preprocess(rgb) is 0, so the mean becomes -A⁻¹·b; the division by the
    deviation is undone by the weights.
    """
    matrix = weight[:, :, 0, 0].double()
    mean = -torch.linalg.solve(matrix, bias.double())
    rescale = matrix * torch.tensor(VGG_STD, dtype=torch.float64)
    folded = torch.einsum("oikl,ij->ojkl", first.double(), rescale)
    return {"mean": mean.float(), "conv1_1.weight": folded.float()}
