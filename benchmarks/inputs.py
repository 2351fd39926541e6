"""The input of all contenders: its size and its tensors."""

from dataclasses import dataclass
from math import prod

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg import Window
from crispseg.ops._layout import empty_pairs

IGNORED = 255
COARSER = 8
"""Ratio of the image's size to the size of coarse scores; 8 is common for segmentation networks."""
_BLOCK = 32
_NCHW = ", NCHW"
_LABELS = 3
FEW, MANY, PRESENT = 11, 150, 20
"""Classes of the scores of a whole image: few, or many of which so many are present."""
_ABSENT = -13.0
"""The mean logit of classes that are not in the image; those of the others vary around 0."""


def scores_of(num_classes: int) -> str:
    """Return the name of the coarse scores of an image's classes."""
    return f"coarse scores of {num_classes} classes"


_CLASSES = {scores_of(FEW): (FEW, FEW), scores_of(MANY): (MANY, PRESENT)}


@dataclass(frozen=True)
class Problem:
    """The size of an input; the default is the size of the headline results."""

    size: int = 321
    window_size: int = 9
    channels: int = 64
    num_classes: int = 21
    batch: int = 1
    device: str = "cpu"
    image_size: tuple[int, int] = (360, 480)
    """Height and width of the image of a whole sharpener."""

    @property
    def window(self) -> Window:
        """Window of neighbours."""
        return Window(self.window_size)

    def __str__(self) -> str:
        return (
            f"float32, batch {self.batch}, {self.size}×{self.size}, {self.window_size}×{self.window_size} window, "
            f"{self.channels}-d embedding, {self.num_classes} score channels; images of "
            f"{self.image_size[1]}×{self.image_size[0]}"
        )

    def shape(self, name: str) -> tuple[int, int, int, int]:
        """Return the shape of one of the floating-point inputs."""
        size = -(-self.size // COARSER) if name == "coarse scores" else self.size
        depth = {
            "coarse scores": self.num_classes,
            "embedding": self.channels,
            "embedding, NCHW": self.channels,
            "scores": self.num_classes,
            "weights": self.window.count,
            "weights, NCHW": self.window.count,
            "distance": self.window.count,
            "boundary": 1,
            "guide": 3,
        }
        return self.batch, depth[name], size, size

    def nbytes(self, name: str) -> int:
        """Return the number of bytes of one of the floating-point inputs."""
        return 4 * prod(self.shape(name))


class BenchmarkInputs:
    """Tensors of a problem by name, drawn on first access and then shared.

    They are filled in place, since a larger temporary could hide memory that a call needs.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._drawn: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        """Return a tensor by name.

        Names that end in ", NCHW" give the same values in PyTorch's default layout. Otherwise the embedding is
        channels-last, and weights have the layout of `affinity_weights` on the device.
        """
        if name not in self._drawn:
            self._drawn[name] = self._draw(name)
        return self._drawn[name]

    def _draw(self, name: str) -> Tensor:
        if name == "labels":
            return _blocks(self.problem)
        if name == "image":
            return smooth_image(self.problem.image_size).to(self.problem.device)
        if name in _CLASSES:
            return class_scores(*_CLASSES[name], self.problem.image_size).to(self.problem.device)
        if name.endswith(_NCHW):
            return self[name.removesuffix(_NCHW)].contiguous()
        batch, *shape = self.problem.shape(name)
        if name == "weights":
            values = empty_pairs(torch.empty((batch, 0, 0, 0), device=self.problem.device), *shape)
        else:
            layout = torch.channels_last if name == "embedding" else torch.contiguous_format
            values = torch.empty((batch, *shape), device=self.problem.device, memory_format=layout)
        # Two random pixels are about 1 apart, between the margins 0.5 and 2, so that every pair has a loss and none can
        # be skipped, and weights stay far from underflow.
        highest = 3 / self.problem.channels if name == "embedding" else 1.0
        rng = torch.Generator(self.problem.device).manual_seed(len(name))
        values.uniform_(0, highest, generator=rng)
        return _without_outside(values, self.problem.window) if name == "weights" else values


def _without_outside(weights: Tensor, window: Window) -> Tensor:
    """Set the weights of neighbours outside the image to 0, as `affinity` does."""
    height, width = weights.shape[-2:]
    for k, (down, right) in enumerate(window.offsets):
        weights[:, k, : max(0, -down)] = 0
        weights[:, k, max(0, height - max(0, down)) :] = 0
        weights[:, k, :, : max(0, -right)] = 0
        weights[:, k, :, max(0, width - max(0, right)) :] = 0
    return weights


def _blocks(problem: Problem) -> Tensor:
    """Draw wavy blocks of one label each, so that most pairs agree as in real label maps, with some ignored pixels."""
    axis = torch.arange(problem.size)
    rows = (axis[:, None] + 8 * torch.sin(axis / 17)) // _BLOCK + 1
    columns = (axis + 8 * torch.sin(axis[:, None] / 23)) // _BLOCK + 1
    across = problem.size // _BLOCK + 3
    label_of_block = torch.randint(0, _LABELS, (across * across,), generator=torch.Generator().manual_seed(0))
    labels = label_of_block[(rows * across + columns).long()]
    labels[::37, ::41] = IGNORED
    return labels.repeat(problem.batch, 1, 1).to(problem.device)


def smooth_image(size: tuple[int, int]) -> Tensor:
    """Return a (1, 3, *size) image of smooth noise in [0, 1]."""
    noise = torch.rand(1, 3, *(-(-side // 8) for side in size), generator=torch.Generator().manual_seed(0))
    return F.interpolate(noise, size=size, mode="bilinear")


def class_scores(num_classes: int, present: int, size: tuple[int, int], coarser: int = COARSER) -> Tensor:
    """Return logits for an image: smooth regions of the classes that are present, the others unlikely everywhere."""
    generator = torch.Generator().manual_seed(num_classes)
    rows, columns = (-(-side // coarser) for side in size)
    scores = _ABSENT + torch.randn(1, num_classes, rows, columns, generator=generator)
    regions = 4 * torch.randn(1, present, 8, 10, generator=generator)
    scores[:, :present] = F.interpolate(regions, size=(rows, columns), mode="bilinear")
    return scores
