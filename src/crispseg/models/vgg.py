"""The convolutions of VGG-16 (Simonyan & Zisserman 2015): names, channels and where their weights come from."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.models.state import check_state, load_state

VGG_LAYERS = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
    "conv4_1": (256, 512),
    "conv4_2": (512, 512),
    "conv4_3": (512, 512),
    "conv5_1": (512, 512),
    "conv5_2": (512, 512),
    "conv5_3": (512, 512),
}
"""Name of each 3×3 convolution, with its input and output channels."""

VGG_CLASSIFIER = {"fc6": (512, 1024, 3), "fc7": (1024, 1024, 1)}
"""Name of each fully connected layer that DeepLab made a convolution: its input and output channels, and its size."""

VGG_MEAN = (0.485, 0.456, 0.406)
VGG_STD = (0.229, 0.224, 0.225)
"""Normalisation of RGB in [0, 1] that torchvision's weights were trained with."""

_TORCHVISION_INDEX = dict(zip(VGG_LAYERS, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))


def vgg_convolution(name: str, *, padding: int = 1, dilation: int = 1, width: int = 64) -> nn.Conv2d:
    """Return the 3×3 convolution of that name in `VGG_LAYERS`, with random weights (He et al. 2015).

    Args:
        name: Name of the layer.
        padding: Padding in pixels.
        dilation: Dilation in pixels.
        width: Channels of the layers that have 64 in VGG; all others scale with it.
    """
    inputs, outputs = (count if count == 3 else count * width // 64 for count in VGG_LAYERS[name])
    convolution = nn.Conv2d(inputs, outputs, 3, padding=padding, dilation=dilation)
    start_at_random(convolution)
    return convolution


def start_at_random(convolution: nn.Conv2d) -> None:
    """Initialize a convolution followed by a ReLU: random weights, zero bias (He et al. 2015)."""
    if convolution.weight.is_meta:
        return  # it has no numbers yet; to draw none, PyTorch would import its compiler, which takes seconds
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def vgg_state(source: str | Path, layers: Iterable[str] = tuple(VGG_LAYERS)) -> dict[str, Tensor]:
    """Return the weights of VGG's convolutions for an input normalised by `mean` and `VGG_STD`, and that mean.

    Args:
        source: "vgg16" for torchvision's ImageNet weights, or a safetensors file with `conv1_1.weight`,
            `conv1_1.bias`, `conv1_2.weight` and so on. It may end before the last of `layers`. A file whose layers
            expect another input than normalised RGB says so with a 1×1 convolution `preprocess` from RGB in [0, 1]; it
            is folded into the first layer.
        layers: Names in `VGG_LAYERS`, from `conv1_1` on; then perhaps those in `VGG_CLASSIFIER`, which are made of
            torchvision's fully connected layers as DeepLab made them of Caffe's: every fourth of the 4096 outputs, and
            every third row and column of 7×7 (https://arxiv.org/abs/1412.7062, sec. 5.2).

    Returns:
        `mean`, and `weight` and `bias` of those layers that the source holds.

    Raises:
        InputError: If the file is missing, is not safetensors, holds none of the layers, holds one without all that
            come before it, or one of another shape.
    """
    layers = tuple(layers)
    state = _torchvision_state(layers) if source == "vgg16" else load_state(Path(source), "VGG weights")
    shapes = _shapes(_held(state, layers, source))
    check_state(state, shapes, source)
    held = {name: state[name] for name in shapes}
    if "preprocess.weight" not in state:
        return held | {"mean": torch.tensor(VGG_MEAN)}
    check_state(state, {"preprocess.weight": (3, 3, 1, 1), "preprocess.bias": (3,)}, source)
    matrix = state["preprocess.weight"][:, :, 0, 0]
    if torch.linalg.det(matrix.double()) == 0:
        raise InputError(f"VGG weights {source}: preprocess.weight loses colours; expected an invertible mixture")
    first = fold_colours(held["conv1_1.weight"], matrix)
    return held | {"mean": mean_of_colours(matrix, state["preprocess.bias"]), "conv1_1.weight": first}


def mean_of_colours(matrix: Tensor, bias: Tensor) -> Tensor:
    """Return the RGB value at which `matrix · rgb + bias` is 0.

    A network normalises by it, so that zero padding stays where the padded layer expects it.
    """
    mean: Tensor = -torch.linalg.solve(matrix.double(), bias.double())
    return mean.float()


def fold_colours(weight: Tensor, matrix: Tensor) -> Tensor:
    """Convert weights (out, 3, k, k) for `matrix · rgb + bias` to weights for (rgb - mean) / `VGG_STD`."""
    rescale = matrix.double() * torch.tensor(VGG_STD, dtype=torch.float64)
    return torch.einsum("oikl,ij->ojkl", weight.double(), rescale).float()


def _held(state: dict[str, Tensor], layers: tuple[str, ...], source: object) -> tuple[str, ...]:
    """Return the layers that the state holds, and refuse a gap before the last of them."""
    held = tuple(name for name in layers if f"{name}.weight" in state or f"{name}.bias" in state)
    if not held:
        raise InputError(
            f"VGG weights {source}: holds none of {layers[0]} to {layers[-1]}; expected conv1_1.weight, conv1_1.bias "
            "and so on"
        )
    for name, expected in zip(held, layers, strict=False):
        if name != expected:
            raise InputError(
                f"VGG weights {source}: holds {name} but not {expected}, which comes before it; expected the first "
                "layers without a gap"
            )
    return held


def _torchvision_state(layers: tuple[str, ...]) -> dict[str, Tensor]:
    with optional_packages():
        from torchvision.models import VGG16_Weights  # noqa: PLC0415 - slow to import, and needed for this source alone

    try:
        weights = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
    except OSError as error:
        raise InputError(
            f"VGG weights vgg16: torchvision could not download them ({error}); give a safetensors file instead"
        ) from error
    state = {
        f"{name}.{kind}": weights[f"features.{_TORCHVISION_INDEX[name]}.{kind}"]
        for name in layers
        if name in VGG_LAYERS
        for kind in ("weight", "bias")
    }
    if set(layers) & VGG_CLASSIFIER.keys():
        state |= {
            "fc6.weight": weights["classifier.0.weight"].view(4096, 512, 7, 7)[::4, :, ::3, ::3],
            "fc6.bias": weights["classifier.0.bias"][::4],
            "fc7.weight": weights["classifier.3.weight"][::4, ::4, None, None],
            "fc7.bias": weights["classifier.3.bias"][::4],
        }
    return state


def _shapes(layers: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name in layers:
        inputs, outputs, size = VGG_CLASSIFIER[name] if name in VGG_CLASSIFIER else (*VGG_LAYERS[name], 3)
        shapes[f"{name}.weight"] = (outputs, inputs, size, size)
        shapes[f"{name}.bias"] = (outputs,)
    return shapes
