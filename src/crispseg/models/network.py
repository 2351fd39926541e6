"""The base class of the networks: it normalises the input and keeps the constructor arguments."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import check_image
from crispseg.compatibility import is_mapped
from crispseg.config import SHIPPED_WEIGHTS
from crispseg.errors import InputError
from crispseg.models.state import check_state, load_state, shipped_path, tensor_names
from crispseg.models.vgg import VGG_LAYERS, VGG_MEAN, VGG_STD, vgg_state
from crispseg.registry import Registry
from crispseg.value_checks import check_allowed

_log = logging.getLogger(__name__)


class Network(nn.Module):
    """A network whose input is RGB in [0, 1].

    A package of yours names its networks in its `pyproject.toml`. They are then found in weights files by the name of
    their class, as those of crispseg are:

        [project.entry-points."crispseg.networks"]
        MyEmbedding = "mypackage.networks:MyEmbedding"

    Args:
        arguments: Arguments that make the same network without its weights; `save_network` notes them in the file.

    Raises:
        InputError: If one is not in `shape`, or not among what `shape` allows.
    """

    shape: ClassVar[Mapping[str, Sequence[object]]] = {}
    """The arguments that a file may give, by name, with their allowed values."""
    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "scores"
    """The kind of its output."""
    mean: Tensor
    std: Tensor

    def __init__(self, **arguments: str | int | bool) -> None:
        super().__init__()
        for name, value in arguments.items():
            check_allowed(name, value, self.shape[name])
        self.arguments = arguments
        self.register_buffer("mean", torch.tensor(VGG_MEAN))
        self.register_buffer("std", torch.tensor(VGG_STD))

    def normalise(self, image: Tensor) -> Tensor:
        """Return the normalised image, given (N, 3, H, W) RGB in [0, 1]."""
        check_image(image)
        x = (image - self.mean[:, None, None]) / self.std[:, None, None]
        # Convolutions are a third faster with the channels of a pixel side by side.
        return x if is_mapped() else x.contiguous(memory_format=torch.channels_last)

    def start(self, init: str | Path, convolutions: nn.Module, layers: Iterable[str] = tuple(VGG_LAYERS)) -> None:
        """Load initial weights, and warn of layers that the source does not hold: they keep their random weights.

        Args:
            init: "random" to load nothing; "fast" or "best" for the embeddings that ship; a source that `vgg_state`
                takes; or a file of any network that crispseg saved, from which every weight whose name and shape fit is
                taken (from a `CrispNet`, the part that fits).
            convolutions: The module that holds VGG's layers by name.
            layers: The names of its VGG layers, as in `vgg_state`.

        Raises:
            InputError: If the source cannot be read or holds nothing that fits.
        """
        if init == "random":
            return
        if init != "vgg16":
            path = self._existing(init)
            # Every network of ours has a mean, and no file of VGG's layers does.
            if any(name.endswith("mean") for name in tensor_names(path)):
                self._start_from_network(path)
                return
        layers = tuple(layers)
        state = vgg_state(init, layers)
        first = convolutions.get_parameter(f"{layers[0]}.weight")
        if first.shape != state[f"{layers[0]}.weight"].shape:
            raise InputError(
                f"VGG weights {init}: width is {len(state[f'{layers[0]}.weight'])} channels; expected {len(first)}, "
                "the width of the network: train a network as wide as the weights, and start this one from its file"
            )
        self.mean.copy_(state.pop("mean"))
        convolutions.load_state_dict(state, strict=False)
        _say_random_start(init, [name for name in layers if f"{name}.weight" not in state])

    @staticmethod
    def _existing(init: str | Path) -> Path:
        path = shipped_path(init)
        if not path.is_file():
            names = ", ".join(("random", "vgg16", *SHIPPED_WEIGHTS))
            raise InputError(f"init {init}: no such file; expected a safetensors file or one of {names}")
        return path

    def adapt(self, source: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights of another network, by name, converted to the shapes of this one where possible."""
        return source

    def _start_from_network(self, path: Path) -> None:
        own = self.state_dict()
        source = self.adapt(load_state(path))
        fitting = max((_fitting(own, source, part) for part in ("", "segmenter.", "embedding.", "fine.")), key=len)
        if not fitting.keys() - {"mean", "std"}:
            raise InputError(
                f"weights {path}: nothing in it fits {type(self).__name__}; give weights of such a network"
            )
        check_state(fitting, {name: tuple(value.shape) for name, value in fitting.items()}, path)
        self.load_state_dict(fitting, strict=False)
        missing = (name.rpartition(".")[0] for name in own.keys() - fitting.keys())  # "" for a weight outside a layer
        _say_random_start(path, sorted({layer for layer in missing if layer}))


NETWORKS: Registry[type[Network]] = Registry(
    "network",
    {
        "DeepLabLargeFOV": "crispseg.models.deeplab:DeepLabLargeFOV",
        "DeepLabMSc": "crispseg.models.deeplab:DeepLabMSc",
        "EmbeddingNet": "crispseg.models.embedding_net:EmbeddingNet",
        "HED": "crispseg.models.hed:HED",
        "TrunkEmbedding": "crispseg.models.trunk_embedding:TrunkEmbedding",
        "TwoScaleEmbedding": "crispseg.models.two_scale_embedding:TwoScaleEmbedding",
    },
    group="crispseg.networks",
    base="crispseg.models:Network",
)
"""All networks that files may name."""


def embedding_kinds() -> tuple[type[Network], ...]:
    """Return the networks of crispseg that give embeddings."""
    return tuple(kind for kind in NETWORKS.own() if kind.gives == "embedding")


def _fitting(own: Mapping[str, Tensor], source: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return the weights that fit from one part of another network; `part` is the prefix of their names."""
    named = {name.removeprefix(part): value for name, value in source.items() if name.startswith(part)}
    return {name: value for name, value in named.items() if name in own and own[name].shape == value.shape}


def _say_random_start(source: str | Path, layers: list[str]) -> None:
    if layers:
        _log.warning("weights %s: no fitting %s; started at random", source, ", ".join(layers))


def resize_corners(value: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, C, h, w) to (N, C, *size), bilinear from corner to corner, as Caffe's networks upsample.

    After 3×3 poolings of stride 2 with padding 1 a coarse pixel lies on every second pixel, and an image of 2k + 1
    pixels has its first and last on the corners.
    """
    if tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=True)
