"""A cue made of cues: their embeddings side by side, each times its weight."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crispseg.checks import has_values
from crispseg.cues.cue import Cue, EmbeddingCue, check_cue
from crispseg.errors import InputError
from crispseg.value_checks import check_positive

_LARGEST_LOG = 60.0


class JoinedCue(EmbeddingCue):
    """Weighted sums of the distances of other cues: their features are concatenated, each times its weight.

    With norm 1 distances add, d = Σ ν·d_k; with norm 2 their squares add, d² = Σ (ν·d_k)². The default hardness and
    number of passes are those of the first part. Features are float32 or wider, even if a network computes in half
    precision.

    Args:
        parts: Two or more cues that compare embeddings, all by the same norm.
        weights: ν of each part, above 0; 1 for each by default.
        learn_weights: Whether the weights are parameters, kept as logarithms.

    Raises:
        InputError: If a part does not compare an embedding by a norm, the norms differ, or a weight is not above 0.
        TypeError: If a part is not a cue.

    Example:
        >>> from crispseg.cues import RGBCue, SoftSegmentationCue
        >>> cue = JoinedCue([RGBCue(norm=2), SoftSegmentationCue()], weights=[0.5, 1])
        >>> cue(torch.rand(1, 3, 24, 32)).shape
        torch.Size([1, 11, 24, 32])
    """

    arguments: ClassVar[Mapping[str, Sequence[Any] | type]] = {}

    def __init__(
        self,
        parts: Sequence[EmbeddingCue],
        weights: Sequence[float] | None = None,
        *,
        learn_weights: bool = False,
    ) -> None:
        weights = [1.0] * len(parts) if weights is None else [float(weight) for weight in weights]
        _check(parts, weights)
        super().__init__(parts[0].norm)
        self.parts = nn.ModuleList(parts)
        self._weights = tuple(weights)
        self.log_weights = nn.Parameter(torch.tensor(weights).log()) if learn_weights else None
        self._take_over(parts)

    def _take_over(self, parts: Sequence[EmbeddingCue]) -> None:
        """Set the attributes of this cue, which are those of a class for other cues, by the parts."""
        names = [part.name or type(part).__qualname__ for part in parts]
        self.name = "+".join(names)  # type: ignore[misc]
        self.summary = joined_summary([part.summary or name for part, name in zip(parts, names, strict=True)])  # type: ignore[misc]
        self.needs = tuple(dict.fromkeys(need for part in parts for need in part.needs))  # type: ignore[misc]
        self.default_hardness = parts[0].default_hardness  # type: ignore[misc]
        self.default_window = parts[0].default_window  # type: ignore[misc]
        self.default_passes = parts[0].default_passes  # type: ignore[misc]
        far = torch.tensor([weight * part.farthest for weight, part in zip(self._weights, parts, strict=True)])
        self.farthest = float(far.norm(p=self.norm))  # type: ignore[misc]
        channels, reaches = [part.channels for part in parts], [part.reach for part in parts]
        self.channels = None if None in channels else sum(channels)  # type: ignore[arg-type]
        self.reach = None if None in reaches else max(reaches)  # type: ignore[type-var]
        self.step = math.lcm(*(part.step for part in parts))
        # While a part is computed, the features of those before it are held.
        self.workspace = max(part.workspace for part in parts) + (self.channels or 0)

    @property
    def weights_of_parts(self) -> Tensor | tuple[float, ...]:
        """ν of each part: numbers, or a tensor of positive values if they are learned."""
        if self.log_weights is None:
            return self._weights
        # Bounded, so that an optimiser gone astray meets no weight of 0 or infinity.
        return self.log_weights.float().clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()

    @property
    def image_dtype(self) -> torch.dtype:
        """The widest dtype that a part takes images in, and at least float32."""
        widest = torch.float32
        for part in self._cues:
            widest = torch.promote_types(widest, part.image_dtype)
        return widest

    @property
    def _cues(self) -> list[Cue]:
        return list(self.parts)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor:
        """Return the (N, D, H, W) features of an (N, 3, H, W) image: those of the parts, each times its weight."""
        features = []
        for part in self._cues:
            # A part without parameters takes the image as it is; a network takes it in its own dtype.
            own = next((p.dtype for p in part.parameters()), image.dtype)
            features.append(part(image.to(own)))
        wide = self.image_dtype
        for each in features:
            wide = torch.promote_types(wide, each.dtype)
        return _concatenated([each.to(wide) for each in features], self.weights_of_parts)

    def extra_repr(self) -> str:
        """Return norm and weights, for `repr`."""
        weights = ", ".join(f"{float(weight):.4g}" for weight in self.weights_of_parts)
        return f"{super().extra_repr()}, weights=({weights})"


def joined_summary(summaries: Sequence[str]) -> str:
    """Return the summary of a cue made of cues with these summaries.

    Example:
        >>> joined_summary(["learned embeddings", "colours; nothing is learned"])
        'learned embeddings and colours'
    """
    return " and ".join(summary.partition(";")[0] for summary in summaries)


def check_part(name: str, kind: type[Cue]) -> None:
    """Refuse a class of cues that does not compare embeddings by their norm, and so cannot be a part."""
    own = not issubclass(kind, EmbeddingCue) or any(
        getattr(kind, method) is not getattr(EmbeddingCue, method) for method in ("distance", "weights")
    )
    if own or "boundaries" in kind.needs or issubclass(kind, JoinedCue):
        compared = "several cues already" if issubclass(kind, JoinedCue) else kind.summary or "by a distance of its own"
        raise InputError(
            f"cue {name!r} compares {compared}; expected cues that compare embeddings, such as 'learned+rgb'"
        )


def _check(parts: Sequence[EmbeddingCue], weights: Sequence[float]) -> None:
    for part in parts:
        check_cue(part)
        check_part(part.name or type(part).__qualname__, type(part))
    if len(parts) < 2 or len(parts) != len(weights):
        raise InputError(
            f"there are {len(parts)} parts and {len(weights)} weights; expected at least two, as many as weights"
        )
    for part, weight in zip(parts, weights, strict=True):
        check_positive(f"weight of cue {part.name or type(part).__qualname__!r}", weight)
    norms = [part.norm for part in parts]
    if len(set(norms)) > 1:
        raise InputError(
            f"the parts have the norms {', '.join(map(str, norms))}; expected the same norm for all, since distances "
            "add with norm 1 and their squares with norm 2: give it, as in 'learned:norm=2+rgb:norm=2'"
        )


def _concatenated(features: Sequence[Tensor], weights: Tensor | tuple[float, ...]) -> Tensor:
    """Return features side by side, each times its weight, in the memory layout of the one with the most channels."""
    widest = max(features, key=lambda each: each.shape[1])
    layout = torch.contiguous_format
    if not widest.is_contiguous() and widest.is_contiguous(memory_format=torch.channels_last):
        layout = torch.channels_last
    recorded = torch.is_grad_enabled() and any(
        each.requires_grad for each in (*features, *weights) if torch.is_tensor(each)
    )
    if recorded or not has_values():
        scaled = [each * weight for each, weight in zip(features, weights, strict=True)]
        return torch.cat([each.contiguous(memory_format=layout) for each in scaled], 1)
    channels = [each.shape[1] for each in features]
    shape = len(widest), sum(channels), *widest.shape[2:]
    joined = torch.empty(shape, dtype=widest.dtype, device=widest.device, memory_format=layout)
    # Concatenation of scaled copies would write the features twice.
    for each, weight, place in zip(features, weights, torch.split(joined, channels, 1), strict=True):
        torch.mul(each, weight, out=place)
    return joined
