"""Convolutions that look only at what belongs to their centre (paper sec. 3.2; Harley et al. 2017)."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crispseg.checks import check_map
from crispseg.errors import InputError
from crispseg.nn.affinity import Affinity
from crispseg.nn.strided_conv import StridedConv2d
from crispseg.window import Window


class _Running(threading.local):
    """The embedding in use in this thread. Modules do not hold it, so that several threads may use one network."""

    embedding: Tensor | None = None
    """That of the innermost `SegmentationAware`."""


_running = _Running()


class SegmentationAwareConv2d(nn.Conv2d):
    """A convolution whose taps are weighted by the affinity of their pixel to the centre.

    Takes the place of an `nn.Conv2d` with an odd square kernel and "same" padding: its weights have the same names and
    shapes, and where all embeddings are equal it gives the same result.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the window, odd.
        stride: Step between centres.
        dilation: Step between taps.
        groups: Channel groups.
        bias: Whether a bias is added.
        hardness: λ, or where learning starts; the authors start at 0.05.
        learned: Whether the hardness is a parameter.
        normalize: Scale the weights of a window to a mean of 1 over its taps inside the image, so that a pixel among
            strangers keeps the size of its response. Without it, taps on other objects are merely taken away.
        norm: 1 or 2, the norm of the distance.

    Raises:
        InputError: If the kernel is even or an option of the affinity is not as above.

    Example:
        >>> convolution = SegmentationAwareConv2d(4, 6, 3)
        >>> convolution(torch.rand(1, 4, 10, 12), torch.rand(1, 64, 10, 12)).shape
        torch.Size([1, 6, 10, 12])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        hardness: float = 0.05,
        learned: bool = True,
        normalize: bool = False,
        norm: int = 1,
    ) -> None:
        window = Window(kernel_size, dilation)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, window.radius, dilation=dilation, groups=groups, bias=bias
        )
        self.window = window
        self.affinity = Affinity(window, hardness, learned=learned, norm=norm)
        self.normalize = normalize

    def forward(self, input: Tensor, embedding: Tensor | None = None, *, stride: int | None = None) -> Tensor:
        """Convolve an input, weighing its taps by an embedding.

        Args:
            input: (N, C, H, W).
            embedding: (N, D, h, w) of the same images, resized bilinearly to the size of `input`. None for that of the
                `SegmentationAware` that is running.
            stride: Step between output positions; None for that of the convolution.

        Returns:
            (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

        Raises:
            InputError: If there is no embedding.
        """
        embedding = _running.embedding if embedding is None else embedding
        if embedding is None:
            raise InputError(
                "no embedding; give one to forward, or run the network inside `SegmentationAware`: in the same thread, "
                "and as a whole inside a checkpoint, not a part of it"
            )
        check_map("input", input)
        check_map("embedding", embedding)
        step = self.stride[0] if stride is None else stride
        weights = self.weights(embedding, (input.shape[-2], input.shape[-1]), step).to(input.dtype)
        padded = F.pad(input, (self.window.radius,) * 4)
        result: Tensor | None = None
        for k in range(self.window.count):
            # Kept for the gradient, weighted taps would be K maps of all channels; made again they are one at a time.
            tap: Tensor = checkpoint(
                self._tap, padded, weights, self.weight, k, step, use_reentrant=False, preserve_rng_state=False
            )
            result = tap if result is None else result + tap
        assert result is not None
        return result if self.bias is None else result + self.bias.to(result.dtype)[:, None, None]

    def weights(self, embedding: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """Return the (N, K, H', W') weights of the taps of every centre, for an input of the given size."""
        if embedding.shape[-2:] != size:
            embedding = F.interpolate(embedding, size, mode="bilinear", align_corners=False)
        weights: Tensor = self.affinity(embedding)
        if self.normalize:
            weights = weights * (_taps_inside(self.window, weights) / weights.sum(1, keepdim=True))
        return weights[:, :, ::stride, ::stride]

    def _tap(self, padded: Tensor, weights: Tensor, kernel: Tensor, k: int, stride: int) -> Tensor:
        row, column = divmod(k, self.kernel_size[1])
        top, left = row * self.dilation[0], column * self.dilation[1]
        height, width = weights.shape[-2:]
        rows = slice(top, top + (height - 1) * stride + 1, stride)
        columns = slice(left, left + (width - 1) * stride + 1, stride)
        seen = padded[:, :, rows, columns] * weights[:, k : k + 1]
        return F.conv2d(seen, kernel[:, :, row, column, None, None], groups=self.groups)


def _taps_inside(window: Window, like: Tensor) -> Tensor:
    """Return for each pixel how many taps of its window are inside the image: (H, W)."""

    def along(extent: int) -> Tensor:
        steps = torch.arange(-(window.size // 2), window.size // 2 + 1, device=like.device) * window.dilation
        places = torch.arange(extent, device=like.device)[:, None] + steps
        return ((places >= 0) & (places < extent)).sum(1).to(like.dtype)

    return along(like.shape[-2])[:, None] * along(like.shape[-1])


class SegmentationAware(nn.Module):
    """A network whose segmentation-aware convolutions are given an embedding of its input.

    A call changes no module, so several threads may use one network at the same time.

    Args:
        network: Holds `SegmentationAwareConv2d`s, at any resolution.
        embedding: Any module from the network's input to an (N, D, h, w) embedding.
    """

    def __init__(self, network: nn.Module, embedding: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.embedding = embedding

    @property
    def align_corners(self) -> bool:
        """Whether the first and the last of the network's scores lie on the corners of the image."""
        return bool(getattr(self.network, "align_corners", False))

    @property
    def num_classes(self) -> int | None:
        """The number of classes of the network, if it has a `num_classes`."""
        return getattr(self.network, "num_classes", None)

    def forward(self, image: Tensor) -> object:
        """Return what the network gives for an image, such as its scores."""
        outer, embedding = _running.embedding, self.embedding(image)
        try:
            _running.embedding = embedding
            return self.network(image)
        finally:
            _running.embedding = outer


def segmentation_aware(
    network: nn.Module,
    embedding: nn.Module,
    *,
    hardness: float = 0.05,
    learned: bool = True,
    normalize: bool = False,
    norm: int = 1,
    choose: Callable[[str], bool] = lambda name: True,
) -> SegmentationAware:
    """Make the convolutions of an existing network segmentation-aware, keeping their weights.

    Every `nn.Conv2d` with an odd square kernel above 1, one stride, one dilation and "same" zero padding is replaced in
    place by one that shares its parameters; others stay.

    Args:
        network: Any network; it is changed.
        embedding: Any module from the network's input to an embedding.
        hardness: Where every convolution's own λ starts.
        learned: Whether it is a parameter.
        normalize: See `SegmentationAwareConv2d`.
        norm: 1 or 2, the norm of the distance.
        choose: Given the name of a convolution, whether to replace it.

    Returns:
        The network, with the embedding beside it.

    Raises:
        InputError: If no convolution can be replaced.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
        >>> segmentation_aware(network, nn.Identity())(torch.rand(1, 3, 9, 9)).shape
        torch.Size([1, 2, 9, 9])
    """
    chosen = {
        name: module
        for name, module in network.named_modules(remove_duplicate=False)
        if name and type(module) in (nn.Conv2d, StridedConv2d) and _can_be_aware(module) and choose(name)
    }
    if not chosen:
        raise InputError(
            'no convolution to replace; expected at least one chosen nn.Conv2d with an odd square kernel and "same" '
            "zero padding, inside the network"
        )
    made: dict[nn.Conv2d, SegmentationAwareConv2d] = {}  # a convolution that is used in two places stays one
    for name, plain in chosen.items():
        if plain in made:
            _replace(network, name, made[plain])
            continue
        aware = made[plain] = SegmentationAwareConv2d(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size[0],
            plain.stride[0],
            dilation=plain.dilation[0],
            groups=plain.groups,
            bias=plain.bias is not None,
            hardness=hardness,
            learned=learned,
            normalize=normalize,
            norm=norm,
        )
        aware.affinity.to(plain.weight.device)
        aware.weight, aware.bias = plain.weight, plain.bias
        aware.train(plain.training)
        _replace(network, name, aware)
    return SegmentationAware(network, embedding)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)


def _can_be_aware(convolution: nn.Conv2d) -> bool:
    (size, width), (stride, across) = convolution.kernel_size, convolution.stride
    (dilation, other), padding = convolution.dilation, convolution.padding
    same = dilation * (size // 2)
    padded = padding == "same" or tuple(padding) == (same, same)
    square = size == width and stride == across and dilation == other
    return square and size % 2 == 1 and size > 1 and padded and convolution.padding_mode == "zeros"
