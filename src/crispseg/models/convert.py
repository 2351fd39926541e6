"""Networks from the weights that their authors released for Caffe."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from crispseg.defaults import CAFFE_NETWORKS
from crispseg.errors import InputError
from crispseg.models.caffemodel import Blobs
from crispseg.models.deeplab import DeepLabLargeFOV, DeepLabMSc
from crispseg.models.embedding_net import EMBEDDING_LAYERS, EmbeddingNet
from crispseg.models.hed import HED, SIDE_LAYERS
from crispseg.models.network import Network
from crispseg.models.state import check_state
from crispseg.models.vgg import VGG_LAYERS, fold_colours, mean_of_colours
from crispseg.value_checks import check_choice

_BGR_MEAN = (104.008, 116.669, 122.675)  # DeepLab and the embedding
_HED_BGR_MEAN = (104.00699, 116.66877, 122.67892)
_RGB_TO_BGR = 255 * torch.eye(3, dtype=torch.float64).flip(0)
_EMBEDDING_RGB_SCALE = 0.0039215  # the authors' 1/255, by which they scale the image that they mix in

_Kind = TypeVar("_Kind", bound=Network)


def convert(blobs: Blobs, to: str) -> Network:
    """Return the network with the weights of a Caffe model.

    Caffe's networks take BGR from 0 to 255 with the mean subtracted. This preprocessing is folded into the layers that
    see the image, so the network takes RGB in [0, 1]; zero padding still stands for the mean.

    Args:
        blobs: Weights by layer, as returned by `crispseg.models.caffemodel.read_caffemodel`.
        to: "embedding" for the embedding of the authors' later code (https://github.com/aharley/segaware), "deeplab"
            for DeepLab-LargeFOV or, where there are branches (layers `data_conv`, `pool1_conv` and so on), the
            multi-scale one, "hed" for HED.

    Returns:
        `EmbeddingNet`, `DeepLabLargeFOV`, `DeepLabMSc` or `HED`, in evaluation mode. Outputs equal Caffe's. Images may
        have any size; Caffe's DeepLab took only sides of 32k - 31 pixels.

    Raises:
        InputError: If `to` is not as above, a layer is missing, unknown or of another shape, or an upsampling of HED is
            not bilinear.
    """
    check_choice("to", to, CAFFE_NETWORKS)
    return _CONVERTERS[to](blobs).eval()


def _to_embedding(blobs: Blobs) -> EmbeddingNet:
    names = {name: name for name in EMBEDDING_LAYERS} | {"weighted_avg": "fuse"}
    network = EmbeddingNet(dim=_outputs(blobs, "weighted_avg"), pool="3x3", rgb=True, bias=True)
    state = _take(blobs, names, network)
    _fold_input(state, _BGR_MEAN, "conv1_1.weight")
    # The first three channels are the image. Our network divides its output by the number of channels; theirs does not.
    rgb = fold_colours(state["fuse.weight"][:, :3], _EMBEDDING_RGB_SCALE * _RGB_TO_BGR)
    state["fuse.weight"] = torch.cat([rgb, state["fuse.weight"][:, 3:]], 1) * network.dim
    state["fuse.bias"] = state["fuse.bias"] * network.dim
    return _load(network, state)


def _to_deeplab(blobs: Blobs) -> DeepLabLargeFOV | DeepLabMSc:
    names = {name: f"trunk.{name}" for name in (*VGG_LAYERS, "fc6", "fc7")} | {_classifier_name(blobs): "fc8"}
    num_classes = _outputs(blobs, _classifier_name(blobs))
    if not any(name.endswith("_ms") for name in blobs):
        network = DeepLabLargeFOV(num_classes)
        state = _take(blobs, names, network)
        _fold_input(state, _BGR_MEAN, "trunk.conv1_1.weight")
        return _load(network, state)
    multi_scale = DeepLabMSc(num_classes)
    for branch in multi_scale.branches:
        tap = "data" if branch == "image" else branch
        for suffix, layer in (("conv", "conv"), ("fc", "fc"), ("ms", "scores")):
            names[f"{tap}_{suffix}"] = f"branches.{branch}.{layer}"
    state = _take(blobs, names, multi_scale)
    _fold_input(state, _BGR_MEAN, "trunk.conv1_1.weight", "branches.image.conv.weight")
    return _load(multi_scale, state)


def _to_hed(blobs: Blobs) -> HED:
    names = {name: f"trunk.{name}" for name in VGG_LAYERS} | {"new-score-weighting": "fuse"}
    names |= {f"score-dsn{depth}": f"sides.{layer}" for depth, layer in enumerate(SIDE_LAYERS, 1)}
    blobs = dict(blobs)
    for scale in (2, 4, 8, 16):
        _check_bilinear(f"upsample_{scale}", blobs.pop(f"upsample_{scale}", None), scale)
    network = HED()
    state = _take(blobs, names, network)
    _fold_input(state, _HED_BGR_MEAN, "trunk.conv1_1.weight")
    return _load(network, state)


_CONVERTERS: dict[str, Callable[[Blobs], Network]] = dict(
    zip(CAFFE_NETWORKS, (_to_deeplab, _to_embedding, _to_hed), strict=True)
)


def _classifier_name(blobs: Blobs) -> str:
    """Return the name of the last layer, which ends in the training set: `fc8_voc12`, `fc8_coco`."""
    found = [name for name in blobs if name.startswith("fc8")]
    if len(found) != 1:
        raise InputError(f"caffemodel: {len(found)} layers named fc8…; expected one, such as fc8_voc12, of a DeepLab")
    return found[0]


def _outputs(blobs: Blobs, name: str) -> int:
    """Return the number of output channels of a layer, or 1, which the later shape check refuses."""
    weight = next(iter(blobs.get(name, [])), torch.empty(0))
    return weight.shape[0] if weight.ndim and weight.numel() else 1


def _take(blobs: Blobs, names: Mapping[str, str], network: Network) -> dict[str, Tensor]:
    """Return the weight and bias of each layer under our names; `names` maps Caffe's layers to ours."""
    kind = type(network).__name__
    missing = [name for name in names if name not in blobs]
    if missing:
        raise InputError(f"caffemodel: no layer {', '.join(missing)}; expected the layers of {kind}")
    unknown = [name for name in blobs if name not in names]
    if unknown:
        raise InputError(f"caffemodel: layer {', '.join(unknown)} has no place in {kind}; expected its layers alone")
    own = network.state_dict()
    state: dict[str, Tensor] = {}
    for name, ours in names.items():
        if len(blobs[name]) != 2:
            raise InputError(f"caffemodel: layer {name} has {len(blobs[name])} blobs; expected weights and a bias")
        for blob, part in zip(blobs[name], ("weight", "bias"), strict=True):
            shape = tuple(own[f"{ours}.{part}"].shape)
            values = _without_leading_ones(blob, len(shape))
            check_state({f"{name}.{part}": values}, {f"{name}.{part}": shape}, "of the caffemodel")
            state[f"{ours}.{part}"] = values
    return state


def _without_leading_ones(blob: Tensor, dimensions: int) -> Tensor:
    """Return a bias of an older Caffe file, (1, 1, 1, n), as (n,)."""
    while blob.ndim > dimensions and blob.shape[0] == 1:
        blob = blob[0]
    return blob


def _fold_input(state: dict[str, Tensor], bgr_mean: tuple[float, float, float], *names: str) -> None:
    """Convert weights for mean-subtracted BGR to weights for normalised RGB, and store the mean."""
    state["mean"] = mean_of_colours(_RGB_TO_BGR, -torch.tensor(bgr_mean, dtype=torch.float64))
    for name in names:
        state[name] = fold_colours(state[name], _RGB_TO_BGR)


def _load(network: _Kind, state: dict[str, Tensor]) -> _Kind:
    network.load_state_dict(state | {"std": network.std})
    return network


def _check_bilinear(name: str, blobs: list[Tensor] | None, scale: int) -> None:
    """Refuse a deconvolution that differs from our bilinear upsampling."""
    if blobs is None:
        raise InputError(f"caffemodel: no layer {name}; expected the layers of HED")
    size = 2 * scale
    line = 1 - ((torch.arange(size) + 0.5) / scale - 1).abs()
    weight, *bias = blobs
    if weight.numel() != size**2 or not torch.allclose(weight.reshape(size, size), torch.outer(line, line), atol=1e-4):
        raise InputError(
            f"caffemodel: layer {name} is not bilinear upsampling by {scale}; expected it fixed, as in the released HED"
        )
    if any(value.any() for value in bias):
        raise InputError(f"caffemodel: layer {name} adds a bias; expected bilinear upsampling alone")
