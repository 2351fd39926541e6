"""The paper's full network: scores filtered by affinities from an embedding (figure 3)."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from torch import Tensor, nn

from crispseg.checks import check_map
from crispseg.errors import InputError, naming
from crispseg.models.deeplab import DeepLabLargeFOV, DeepLabMSc
from crispseg.models.network import Network, embedding_kinds
from crispseg.models.saving import build_network, save_weights
from crispseg.models.segmenter import scores_of, upsample_scores
from crispseg.models.state import check_state, load_metadata, load_state
from crispseg.nn import Affinity, LocalFilter
from crispseg.reading import parsed
from crispseg.value_checks import check_allowed, check_choice
from crispseg.window import Windows

_PARTS = ("segmenter", "embedding")
_LARGEST = 255
"""The largest size and dilation of a window that a file may give."""
_LEARNED = ("log_hardness", "log_score_weight")
_OPTIONS: dict[str, Sequence[object]] = {
    "norm": (1, 2),
    "learned": (False, True),
    "normalize": (False, True),
    "filtered": ("logits", "probabilities"),
}
"""The options that a file may give beside its two networks, with their allowed values."""


class CrispNet(nn.Module):
    """A segmentation network beside an embedding network, and the filter that joins them; all of it learns.

    Args:
        segmenter: Any module from (N, 3, H, W) images in [0, 1] to (N, C, h, w) scores, or to a mapping with them at
            "out". Its scores are upsampled to the image.
        embedding: Any module from the same images to an (N, D, H, W) embedding.
        affinity: Turns the embedding into weights; its hardness is fixed or learned.
        filter: Applies them, over the same windows.
        filtered: What is filtered: the "logits", as in the paper, or their "probabilities", whose logarithm is then the
            result.

    Raises:
        InputError: If the windows of `affinity` and `filter` differ or are larger than 255, or `filtered` is not as
            above.

    Example:
        >>> import torch
        >>> from crispseg.models import EmbeddingNet
        >>> parts = EmbeddingNet(dim=8), Affinity(9, 5.0, learned=True), LocalFilter(9, passes=7)
        >>> network = CrispNet(nn.Conv2d(3, 21, 8, stride=8), *parts)
        >>> network(torch.rand(1, 3, 32, 40)).shape
        torch.Size([1, 21, 32, 40])
    """

    def __init__(
        self,
        segmenter: nn.Module,
        embedding: nn.Module,
        affinity: Affinity,
        filter: LocalFilter,
        *,
        filtered: Literal["logits", "probabilities"] = "logits",
    ) -> None:
        super().__init__()
        check_choice("filtered", filtered, ("logits", "probabilities"))
        if affinity.window != filter.window:
            raise InputError(f"affinity has window {affinity.window}, filter {filter.window}; expected the same window")
        _check_windows(filter.window)
        self.segmenter = segmenter
        self.embedding = embedding
        self.affinity = affinity
        self.filter = filter
        self.filtered = filtered

    @property
    def num_classes(self) -> int | None:
        """The number of classes C; None where the segmentation network does not give it."""
        return getattr(self.segmenter, "num_classes", None)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that make the network, without its weights, as JSON holds them."""
        return {
            "segmenter": _describe(self.segmenter),
            "embedding": _describe(self.embedding),
            "window": str(self.filter.window),
            "norm": self.affinity.norm,
            "learned": self.affinity.learned,
            "passes": self.filter.passes,
            "normalize": self.filter.normalize,
            "filtered": self.filtered,
        }

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen segmenter or embedding stays in evaluation mode."""
        super().train(mode)
        for part in (self.segmenter, self.embedding):
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Return the (N, C, H, W) filtered logits of (N, 3, H, W) images."""
        scores, _ = self.score_with_embedding(image)
        return scores

    def score_with_embedding(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the filtered logits, and the embedding used to filter them."""
        check_map("image", image)
        scores = scores_of(self.segmenter, image)
        scores = upsample_scores(self.segmenter, scores, (image.shape[-2], image.shape[-1]))
        embedding = self.embedding(image)
        probabilities = scores.softmax(1)
        weights = partial(self.affinity, embedding, scores=probabilities)
        if self.filtered == "logits":
            return self.filter(scores, weights), embedding
        return self.filter(probabilities, weights).clamp(min=1e-12).log(), embedding


def save_crisp_net(network: CrispNet, path: Path, **metadata: str) -> None:
    """Write the weights as safetensors, whole or not at all, with the metadata that `load_crisp_net` needs.

    Raises:
        InputError: If the file cannot be written.
    """
    save_weights(network, path, **metadata, network=CrispNet.__name__, arguments=json.dumps(network.arguments))


def load_crisp_net(path: Path) -> CrispNet:
    """Read a network that `save_crisp_net` wrote, in evaluation mode.

    Raises:
        InputError: If the file is missing, is not safetensors, or does not hold a `CrispNet` of networks of crispseg.
    """
    state, metadata = load_state(path), load_metadata(path)
    if metadata.get("network") != CrispNet.__name__:
        raise InputError(f"weights {path}: do not hold a CrispNet; expected one that `crispseg train` wrote")
    with parsed(path, "weights", "damaged; expected a file that `crispseg train` wrote"):
        made = _read_arguments(metadata.get("arguments", "{}"))
    states = {part: _part(state, part) for part in ("segmenter", "embedding", "affinity")}
    if sum(map(len, states.values())) != len(state):
        raise InputError(
            f"weights {path}: hold more than the parts of a CrispNet; expected a file that `crispseg train` wrote"
        )
    segmenter = build_network(states["segmenter"], made["segmenter"], path, DeepLabLargeFOV, DeepLabMSc)
    embedding = build_network(states["embedding"], made["embedding"], path, *embedding_kinds())
    weighs_scores = "log_score_weight" in states["affinity"]
    check_state(state, {f"affinity.{name}": () for name in _LEARNED[: 1 + weighs_scores]}, path)
    window, passes = made["window"], made["passes"]
    with naming(path):
        hardness, *rest = (float(states["affinity"][name].exp()) for name in sorted(states["affinity"]))
        affinity = Affinity(
            window, hardness, learned=made["learned"], norm=made["norm"], score_weight=rest[0] if rest else 0.0
        )
        filter = LocalFilter(window, passes=passes, normalize=made["normalize"])
    return CrispNet(segmenter, embedding, affinity, filter, filtered=made["filtered"]).eval()


def _check_windows(windows: Windows) -> None:
    for window in windows:
        for name in ("size", "dilation"):
            if getattr(window, name) > _LARGEST:
                raise InputError(f"window {name} is {getattr(window, name)}; expected at most {_LARGEST}")


def _part(state: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return the weights of a part, by their names within it."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _read_arguments(arguments: str) -> dict[str, Any]:
    """Return the arguments of a `CrispNet` from a file, and refuse any that `save_crisp_net` does not write.

    Raises:
        ValueError: If it is something else.
    """
    made = json.loads(arguments)
    if not isinstance(made, dict) or made.keys() != {*_PARTS, "window", "passes", *_OPTIONS}:
        found = sorted(made) if isinstance(made, dict) else type(made).__name__
        raise InputError(f"holds {found}; expected {', '.join((*_PARTS, 'window', 'passes', *_OPTIONS))}")
    for part in _PARTS:
        described = made[part]
        known = isinstance(described, dict) and described.keys() == {"network", "arguments"}
        if not known or not all(isinstance(value, str) for value in described.values()):
            raise InputError(f"{part} is {described!r}; expected the name and the arguments of a network")
    made["window"] = Windows.of(made["window"])
    _check_windows(made["window"])
    if isinstance(made["passes"], list):
        made["passes"] = tuple(made["passes"])
    for name, allowed in _OPTIONS.items():
        check_allowed(name, made[name], allowed)
    return made


def _describe(part: nn.Module) -> dict[str, str]:
    """Describe a part as `save_network` does. For a network of another package, only its name is known."""
    arguments = json.dumps(part.arguments) if isinstance(part, Network) else "{}"
    return {"network": type(part).__name__, "arguments": arguments}
