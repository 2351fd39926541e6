"""The network that gives every pixel its embedding (paper sec. 4.1, figure 3)."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import is_recorded
from crispseg.compatibility import is_exporting
from crispseg.errors import InputError
from crispseg.models.narrowing import narrowed
from crispseg.models.network import NETWORKS, Network, embedding_kinds, resize_corners
from crispseg.models.saving import build_network, read_network
from crispseg.models.vgg import VGG_LAYERS, vgg_convolution

EMBEDDING_LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
"""The convolutions behind the embedding."""

_POOL_AFTER = ("conv1_2", "conv2_2")

_COLOURS = 3.0
"""The weight of the colours where learning starts. Colours are in [0, 1]."""

_REACH = 15
"""Two convolutions at each of two resolutions, one at the third, upsampled from the two nearest pixels there."""


class EmbeddingNet(Network):
    """VGG's first five convolutions, each tapped, upsampled, concatenated and mixed by a 1×1 convolution.

    There is a pooling after the second and the fourth convolution, so the taps see at full, half and quarter
    resolution. The network normalises its input itself. Taps are taken after the ReLU; the embedding is linear.

    Args:
        dim: Channels of the embedding.
        width: Channels of the first two layers; the next two have twice as many and the last four times. The paper has
            VGG's 64; half of that takes a quarter of the arithmetic.
        pool: "2x2", with upsampling between pixel centres; or "3x3" with padding 1 and upsampling from corner to
            corner, as the authors' later code has it (https://github.com/aharley/segaware).
        rgb: Mix the normalised image in too, as that code does.
        bias: Add a bias to the embedding, as that code does; it cancels in every distance.
        stride: Pixels of the image along each side of a pixel that the convolutions see. With 2 the image is averaged
            to half its size first, and the embedding is upsampled, which takes a quarter of the time.
        colours: Append the colours of the image, each multiplied by a weight that is learned: edges that the embedding
            is too coarse for are compared at full resolution.
        init: Where the five convolutions start: "random", "vgg16" for torchvision's ImageNet weights (downloaded on
            first use by torchvision), "fast" or "best" for the weights that ship, or a safetensors file with
            `conv1_1.weight` … `conv3_1.bias`, after which the 1×1 convolution starts at random; or a file that
            `crispseg train` wrote, from which every weight that fits is taken; a wider `EmbeddingNet` is reduced to the
            channels that contribute most (see `crispseg.models.narrowing`). The log warns of layers a file lacks.
            VGG's weights are for a width of 64.

    Raises:
        InputError: If `dim` is not from 1 to 4096, `width` is not from 1 to 1024, `pool` is not as above, or the file
            cannot be used.

    Example:
        >>> network = EmbeddingNet(dim=16)
        >>> network(torch.rand(1, 3, 31, 45)).shape
        torch.Size([1, 16, 31, 45])
    """

    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "embedding"
    shape: ClassVar[Mapping[str, Sequence[object]]] = {
        "dim": range(1, 4097),
        "width": range(1, 1025),
        "pool": ("2x2", "3x3"),
        "rgb": (False, True),
        "bias": (False, True),
        "stride": (1, 2, 4),
        "colours": (False, True),
    }

    def __init__(
        self,
        dim: int = 64,
        *,
        width: int = 64,
        pool: Literal["2x2", "3x3"] = "2x2",
        rgb: bool = False,
        bias: bool = False,
        stride: int = 1,
        colours: bool = False,
        init: str | Path = "random",
    ) -> None:
        super().__init__(dim=dim, width=width, pool=pool, rgb=rgb, bias=bias, stride=stride, colours=colours)
        self.channels = {name: VGG_LAYERS[name][1] * width // 64 for name in EMBEDDING_LAYERS}
        for name in EMBEDDING_LAYERS:
            self.add_module(name, vgg_convolution(name, width=width))
        self.fuse = nn.Conv2d(sum(self.channels.values()) + 3 * rgb, dim, 1, bias=bias)
        self.mixed = dim
        self.dim = dim + 3 * colours
        self.pool = pool
        self.rgb = rgb
        self.stride = stride
        self.log_colours = nn.Parameter(torch.full((3,), math.log(_COLOURS))) if colours else None
        self.start(init, self, EMBEDDING_LAYERS)

    @property
    def reach(self) -> int | None:
        """Receptive field radius in pixels; None if an embedding depends on the whole image.

        It does with "3x3", whose upsampling is stretched to the size of the image.
        """
        if self.pool != "2x2":
            return None
        return _REACH if self.stride == 1 else self.stride * (_REACH + 2) - 1

    @property
    def step(self) -> int:
        """Alignment in pixels: a crop has the embeddings of the whole image if it starts at multiples of this."""
        return self.stride * max(_scale(name) for name in EMBEDDING_LAYERS)

    @property
    def workspace(self) -> int:
        """Numbers held for each pixel while an image is embedded: all taps, and their mixed and upsampled maps."""
        taps = sum(math.ceil(count / (self.stride * _scale(name)) ** 2) for name, count in self.channels.items())
        return taps + 5 * self.dim

    def adapt(self, source: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the weights of a wider network, narrowed to the width of this one; others are returned unchanged."""
        first = source.get("conv1_1.weight")
        if first is None or "fuse.weight" not in source or self.rgb or len(first) <= self.channels["conv1_1"]:
            return source
        if len(source["fuse.weight"]) < self.mixed:
            raise InputError(
                f"dim is {self.mixed}; expected at most {len(source['fuse.weight'])}, the dim of the network in `init`"
            )
        return narrowed(source, self.channels, self.mixed)

    def forward(self, image: Tensor) -> Tensor:
        """Embed an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, dim, H, W); (N, dim + 3, H, W) with colours.
        """
        return self._whole(self._mix(self._taps(image)), image)

    def embed_with_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the embedding, and its five layers at their own resolution (full, full, half, half, quarter)."""
        taps = dict(self._taps(image))
        embedding = self._whole(self._mix(taps.items()), image)
        return embedding, {name: taps[name] for name in EMBEDDING_LAYERS}

    def _taps(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the maps to mix, with their names; each can be freed before the next is computed."""
        x = self.normalise(self._reduced(image))
        if self.rgb:
            yield "rgb", x
        for name in EMBEDDING_LAYERS:
            x = F.relu(self.get_submodule(name)(x), inplace=True)
            yield name, x
            if name in _POOL_AFTER:
                x = self._pool(x)

    def _reduced(self, image: Tensor) -> Tensor:
        """Return the image that the convolutions see; the last pixel counts alone where the stride does not divide."""
        if self.stride == 1:
            return image
        bottom, right = (-length % self.stride for length in image.shape[-2:])
        if is_exporting() or bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode="replicate")
        return F.avg_pool2d(image, self.stride)

    def _whole(self, embedding: Tensor, image: Tensor) -> Tensor:
        """Return the embedding at the size of the image, with the colours if they are wanted."""
        size, colours = (image.shape[-2], image.shape[-1]), None
        if self.log_colours is not None:
            colours = image.to(embedding.dtype) * self.log_colours.exp()[:, None, None]
        if self.stride > 1:
            # Planes are brought together twice as fast as pixels with their channels side by side.
            embedding = embedding.contiguous()
            if colours is not None and colours.dtype == embedding.dtype and not is_recorded(embedding, colours):
                return _upsampled_beside(embedding, self.stride, colours)
            embedding = _upsampled(embedding, self.stride, size)
        return embedding if colours is None else torch.cat([embedding, colours], 1)

    def _pool(self, x: Tensor) -> Tensor:
        size, padding = (3, 1) if self.pool == "3x3" else (2, 0)
        if not is_exporting():
            return F.max_pool2d(x, size, stride=2, padding=padding, ceil_mode=True)
        # The shape rule of ceil_mode in PyTorch 2.11 binds the program to sizes of one remainder. Padding does the
        # same: behind a ReLU, the maximum leaves zeros out.
        bottom, right = (_missing(length, size, padding) for length in x.shape[-2:])
        return F.max_pool2d(F.pad(x, (padding, right, padding, bottom)), size, stride=2)

    def _mix(self, taps: Iterable[tuple[str, Tensor]]) -> Tensor:
        """Apply the 1×1 convolution to the concatenated taps.

        A 1×1 convolution and an upsampling commute, so the taps of each resolution are mixed before they are
        upsampled: 64 channels are upsampled instead of 640.
        """
        # Distances sum over the channels: without the division they would start far beyond the margins of the loss.
        channels = [3] * self.rgb + list(self.channels.values())
        weights = torch.split(self.fuse.weight / self.mixed, channels, dim=1)
        mixed: dict[int, Tensor] = {}
        for (name, tap), weight in zip(taps, weights, strict=True):
            scale = _scale(name)
            part = F.conv2d(tap, weight)
            mixed[scale] = mixed[scale].add_(part) if scale in mixed else part
            del tap, part  # memory for the next layer
        height, width = mixed[1].shape[-2:]
        # Sums in place: half of what they take is pages of memory that are new.
        half, quarter = (self._upsample(mixed[scale], scale, (height, width)) for scale in (2, 4))
        embedding = (half + quarter).add_(mixed[1])
        return embedding if self.fuse.bias is None else embedding.add_((self.fuse.bias / self.mixed)[:, None, None])

    def _upsample(self, value: Tensor, scale: int, size: tuple[int, int]) -> Tensor:
        if self.pool == "3x3":
            return resize_corners(value, size)
        return _upsampled(value, scale, size)


def _upsampled(value: Tensor, scale: int, size: tuple[int, int]) -> Tensor:
    """Return a map upsampled by a factor, and cut off at a size."""
    upsampled = F.interpolate(value, scale_factor=scale, mode="bilinear", align_corners=False)
    if is_exporting():  # a view would bind the program to sizes that leave as much to cut off
        return torch.narrow_copy(torch.narrow_copy(upsampled, 2, 0, size[0]), 3, 0, size[1])
    return upsampled[..., : size[0], : size[1]]


def _upsampled_beside(value: Tensor, scale: int, other: Tensor) -> Tensor:
    """Return a map, upsampled by a factor to the size of another, and the other; neither is copied to join them."""
    channels, size = value.shape[1], other.shape[-2:]
    result = other.new_empty((other.shape[0], channels + other.shape[1], *size))
    for one, to in zip(torch.split(value, 1), torch.split(result[:, :channels], 1), strict=True):
        torch.ops.aten.upsample_bilinear2d.out(one, size, False, float(scale), float(scale), out=to)  # noqa: FBT003
    result[:, channels:] = other
    return result


def _scale(name: str) -> int:
    """Return the stride of a tap in pixels of the image."""
    return 1 if name == "rgb" else 2 ** (int(name.removeprefix("conv")[0]) - 1)


def _missing(length: int, size: int, padding: int) -> int:
    """Return the padding at the end with which pooling windows of stride 2 cover every pixel."""
    return 2 * ((length + 2 * padding - size + 1) // 2) + size - length - padding


def load_embedding_net(path: Path, *, prefix: str = "") -> Network:
    """Read an embedding network that `save_network` wrote: one of crispseg, or of an entry point (see `Network`).

    Args:
        path: The file.
        prefix: The prefix of its weights in a file of several networks.

    Raises:
        InputError: If the file is missing, is not safetensors, or does not hold such a network.
    """
    state, metadata = read_network(path, prefix)
    if "network" not in metadata:  # written when there was one network, whose one argument shows in its weights
        fuse = state.get("fuse.weight")
        dim = fuse.shape[0] if fuse is not None and fuse.ndim and len(fuse) else 64
        metadata |= {"network": EmbeddingNet.__name__, "arguments": json.dumps({"dim": dim})}
    kind = NETWORKS.find(metadata["network"])
    known = kind is not None and kind.gives == "embedding"
    return build_network(state, metadata, path, *((kind,) if known and kind is not None else embedding_kinds()))
