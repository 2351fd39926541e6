"""The network that gives every pixel its embedding (paper sec. 4.1, figure 3)."""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from safetensors.torch import save_file
from torch import Tensor, nn

from crispseg.checks import check_count, check_map
from crispseg.errors import InputError
from crispseg.models.state import check_state, load_state
from crispseg.models.vgg import VGG_LAYERS, VGG_MEAN, VGG_STD, vgg_state
from crispseg.writing import written_whole

_POOL_AFTER = ("conv1_2", "conv2_2")


class EmbeddingNet(nn.Module):
    """VGG's first five convolutions, each tapped, upsampled, concatenated and mixed by a 1×1 convolution.

    There is a 2×2 pooling after the second and the fourth convolution, so the taps see at full, half and quarter
    resolution. The network normalises its input itself. Taps are taken after the ReLU; the embedding is linear.

    Args:
        dim: Channels of the embedding.
        init: Where the five convolutions start: "random", "vgg16" for torchvision's ImageNet weights (downloaded on
            first use by torchvision), or a safetensors file with `conv1_1.weight` … `conv3_1.bias`. The 1×1
            convolution always starts at random.

    Raises:
        InputError: If `dim` is below 1, or the file lacks a layer or holds one of another shape.

    Example:
        >>> network = EmbeddingNet(dim=16)
        >>> network(torch.rand(1, 3, 31, 45)).shape
        torch.Size([1, 16, 31, 45])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int = 64, *, init: str | Path = "random") -> None:
        super().__init__()
        check_count("dim", dim)
        for name, (inputs, outputs) in VGG_LAYERS.items():
            self.add_module(name, _convolution(inputs, outputs))
        # No bias: it would cancel in every distance.
        self.fuse = nn.Conv2d(sum(outputs for _, outputs in VGG_LAYERS.values()), dim, 1, bias=False)
        self.register_buffer("mean", torch.tensor(VGG_MEAN))
        self.register_buffer("std", torch.tensor(VGG_STD))
        self.dim = dim
        if init != "random":
            self.load_state_dict(vgg_state(init), strict=False)

    def forward(self, image: Tensor) -> Tensor:
        """Embed an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, dim, H, W).
        """
        embedding, _ = self.embed_with_taps(image)
        return embedding

    def embed_with_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The embedding, and the five layers behind it at their own resolution (full, full, half, half, quarter)."""
        check_map("image", image)
        taps: dict[str, Tensor] = {}
        x = (image - self.mean[:, None, None]) / self.std[:, None, None]
        # Convolutions are a third faster with the channels of a pixel side by side, and the distances want them so.
        x = x.contiguous(memory_format=torch.channels_last)
        for name in VGG_LAYERS:
            x = F.relu(self.get_submodule(name)(x))
            taps[name] = x
            if name in _POOL_AFTER:
                x = F.max_pool2d(x, 2, ceil_mode=True)
        return self._mix(taps), taps

    def _mix(self, taps: dict[str, Tensor]) -> Tensor:
        """1×1 convolution over the concatenated taps.

        A 1×1 convolution and an upsampling commute, so the taps of each resolution are mixed before they are
        upsampled: 64 channels travel instead of 640.
        """
        height, width = taps["conv1_1"].shape[-2:]
        mixed: dict[int, Tensor] = {}
        weights = torch.split(self.fuse.weight, [tap.shape[1] for tap in taps.values()], dim=1)
        for (name, tap), weight in zip(taps.items(), weights, strict=True):
            scale = 2 ** _pools_before(name)
            part = F.conv2d(tap, weight)
            mixed[scale] = mixed[scale] + part if scale in mixed else part
        embedding = mixed[1]
        for scale in (2, 4):
            upsampled = F.interpolate(mixed[scale], scale_factor=scale, mode="bilinear", align_corners=False)
            embedding = embedding + upsampled[..., :height, :width]
        # Distances sum over the channels: without the division they would start far beyond the margins of the loss.
        return embedding / self.dim


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _pools_before(name: str) -> int:
    return int(name.removeprefix("conv")[0]) - 1


def save_embedding_net(network: EmbeddingNet, path: Path, **metadata: str) -> None:
    """Write the weights as safetensors, whole or not at all, with free text beside them.

    Raises:
        InputError: If the file cannot be written.
    """
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    with written_whole(path) as temporary:
        save_file(state, temporary, metadata={**metadata, "dim": str(network.dim)})


def load_embedding_net(path: Path) -> EmbeddingNet:
    """Read a network that `save_embedding_net` wrote.

    Raises:
        InputError: If the file is missing, is not safetensors, or does not hold an `EmbeddingNet`.
    """
    state = load_state(path, "embedding weights")
    fuse = state.get("fuse.weight")
    network = EmbeddingNet(dim=fuse.shape[0] if fuse is not None and fuse.ndim and len(fuse) else 64)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    check_state(state, shapes, path)
    unknown = sorted(state.keys() - shapes.keys())
    if unknown:
        raise InputError(f"weights {path}: {unknown[0]} is not of an EmbeddingNet: give weights made for this network")
    network.load_state_dict(state)
    return network
