"""The base class of cues, which compute features of an image and distances between the features of neighbours."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crispseg.checks import check_map, check_same_grid, check_score_weight, is_finite
from crispseg.errors import InputError
from crispseg.nn import LocalFilter
from crispseg.ops import affinity, affinity_filter, affinity_weights, local_distance
from crispseg.registry import CUES
from crispseg.value_checks import check_choice
from crispseg.window import Level, Window, WindowLike


class Cue(nn.Module, ABC):
    """The base class of cues, which measure how far a pixel is from each of its neighbours by features of the image.

    Features are computed once; distances and weights for any window and hardness follow from them. A cue of your own
    defines `forward`, `distance` and the two defaults. If you give it a name, it can be saved, loaded, tuned and chosen
    by that name everywhere. Declare an entry point in the group `crispseg.cues`, so that commands find it in your
    package.

    Example:
        >>> class Brightness(EmbeddingCue, name="brightness"):
        ...     default_hardness, default_passes = 40.0, 1
        ...     summary = "brightness; nothing is learned"
        ...     def __init__(self, norm: int = 1) -> None:
        ...         super().__init__(norm)
        ...     def forward(self, image):
        ...         return image.mean(1, keepdim=True)
        >>> from crispseg import Sharpener
        >>> str(Sharpener(Brightness()).config.cue)
        'brightness:norm=1'
    """

    name: ClassVar[str | None] = None
    """The registered name of the class; None for a class that is not registered, which cannot be saved."""
    summary: ClassVar[str] = ""
    """A few words on what is compared, for help, model cards and the page."""
    arguments: ClassVar[Mapping[str, Sequence[Any] | type]] = {}
    """The arguments to make the cue again, which are attributes of the same names, with their allowed values or their
    type."""
    network_argument: ClassVar[str | None] = None
    """The name of the argument that is a network, whose weights are saved; None if there is none."""
    farthest: ClassVar[float] = 1.0
    """A distance that is rarely exceeded, at which plots of distances end."""
    network_gives: ClassVar[str] = "embedding"
    """The kind of output that the network must have, as in its own attribute `gives`."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Inputs needed in addition to images: "weights" of the network, or "boundaries", a map for each image."""
    default_hardness: ClassVar[float]
    """λ if none is given."""
    default_window: ClassVar[str] = "9"
    """The window or windows of the filter if none is given."""
    default_passes: ClassVar[int]
    """The number of passes of a filter with one window if none is given."""
    channels: int | None = None
    """D, the number of channels of the features; None if it is not known."""
    reach: int | None = None
    """The distance in pixels within which the image affects the features of a pixel; None for the whole image."""
    step: int = 1
    """The alignment of parts: a part that starts at a multiple of this gets the same features as in the whole image, up
    to its margin of `reach`."""
    workspace: int = 0
    """Numbers held for each pixel while features are computed."""

    def __init_subclass__(cls, *, name: str | None = None, **others: Any) -> None:  # noqa: ANN401 - Python's
        super().__init_subclass__(**others)
        cls.name = name
        if name is not None:
            CUES.define(name, cls)

    @property
    def image_dtype(self) -> torch.dtype:
        """The dtype to give images in: that of the network, or float32."""
        return next((p.dtype for p in self.parameters()), torch.float32)

    @property
    def takes_boundaries(self) -> bool:
        """Whether features must be given with every image, in the form of boundary maps."""
        return "boundaries" in self.needs

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the features of an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, D, H, W) features.
        """

    @abstractmethod
    def distance(self, features: Tensor, window: Window) -> Tensor:
        """Return the distances of every pixel to each of its neighbours.

        Args:
            features: (N, D, H, W) features, as `forward` returns them.
            window: The neighbours. crispseg always passes a `Window`; the cues that ship also take its size or text.

        Returns:
            (N, K, H, W) distances, 0 from a pixel to itself and infinite outside the image.
        """

    def weights(
        self,
        features: Tensor,
        window: WindowLike,
        hardness: float | Tensor,
        scores: Tensor | None = None,
        score_weight: float | Tensor = 0.0,
    ) -> Tensor:
        """Return the weights exp(-λ·d) of features (eq. 3), or exp(-λ·(d + μ·Σ|p_i - p_j|)) with scores p.

        Args:
            features: (N, D, H, W) features, as `forward` returns them.
            window: The neighbours.
            hardness: λ, above 0.
            scores: (N, C, H, W) probabilities. A neighbour with other probabilities is farther. None for none.
            score_weight: μ, 0 or above, which may be learned.

        Returns:
            (N, K, H, W) weights.
        """
        window = Window.of(window)
        distance = self.distance(features, window)
        check_score_weight(score_weight, "features", features)
        if scores is not None:
            check_map("scores", scores)
            check_same_grid("scores", scores, "features", features)
            # Scaled before, not after: a distance outside the image is infinite, and 0 times infinity is not a number.
            distance = distance + local_distance(scores * score_weight, window)
        return affinity(distance, hardness).to(features.dtype)

    def filtered(
        self,
        values: Tensor,
        features: Tensor,
        level: Level,
        hardness: float | Tensor,
        *,
        scores: Tensor | None = None,
        score_weight: float | Tensor = 0.0,
    ) -> Tensor:
        """Return values filtered with a window, for its number of passes, by the weights of features.

        Args:
            values: (N, C, H, W), such as probabilities.
            features: (N, D, H, W) features, as `forward` returns them.
            level: The window and its number of passes.
            hardness: As in `weights`, like the arguments below.
            scores: (N, S, H, W) probabilities.
            score_weight: μ.

        Returns:
            (N, C, H, W), dtype of `values`.
        """
        weights = self.weights(features, level.window, hardness, scores=scores, score_weight=score_weight)
        filtered: Tensor = LocalFilter(level.window, passes=level.passes)(values, weights)
        return filtered

    def check_features(self, features: Tensor) -> None:
        """Refuse features from elsewhere that this cue cannot have computed.

        Raises:
            InputError: If the number of channels differs from this cue's, or a value is NaN or infinite.
        """
        if self.channels not in (None, features.shape[1]):
            raise InputError(
                f"features have {features.shape[1]} channels; expected {self.channels} for {type(self).__name__}"
            )
        if not is_finite(features):
            raise InputError("features hold NaN or infinity; expected finite numbers")


class EmbeddingCue(Cue):
    """The base class of cues whose features are an embedding, compared by a norm.

    Args:
        norm: 1 or 2; see `crispseg.ops.local_distance`.

    Raises:
        InputError: If `norm` is not 1 or 2.
    """

    arguments: ClassVar[Mapping[str, Sequence[Any] | type]] = {"norm": (1, 2)}

    def __init__(self, norm: int) -> None:
        super().__init__()
        check_choice("norm", norm, (1, 2))
        self.norm = norm

    def distance(self, features: Tensor, window: WindowLike) -> Tensor:
        """Return `crispseg.ops.local_distance` of the embedding."""
        return local_distance(features, window, norm=self.norm)

    def weights(
        self,
        features: Tensor,
        window: WindowLike,
        hardness: float | Tensor,
        scores: Tensor | None = None,
        score_weight: float | Tensor = 0.0,
    ) -> Tensor:
        """Return `crispseg.ops.affinity_weights` of embedding and scores, which does not store the distances.

        Scores are further channels of the embedding, so the norm of the cue measures both together.
        """
        return affinity_weights(features, window, hardness, norm=self.norm, scores=scores, score_weight=score_weight)

    def filtered(
        self,
        values: Tensor,
        features: Tensor,
        level: Level,
        hardness: float | Tensor,
        *,
        scores: Tensor | None = None,
        score_weight: float | Tensor = 0.0,
    ) -> Tensor:
        """Return `crispseg.ops.affinity_filter`, which stores no weights, unless a cue has weights of its own."""
        if type(self).weights is not EmbeddingCue.weights:
            return super().filtered(values, features, level, hardness, scores=scores, score_weight=score_weight)
        return affinity_filter(
            values,
            features,
            level.window,
            hardness,
            passes=level.passes,
            norm=self.norm,
            scores=scores,
            score_weight=score_weight,
        )

    def extra_repr(self) -> str:
        """Return the norm, for `repr`."""
        return f"norm={self.norm}"


def check_cue(cue: object) -> None:
    """Refuse anything but a cue.

    Raises:
        TypeError: If it is not a cue.
    """
    if not isinstance(cue, Cue):
        hint = "wrap a network in LearnedCue(network)" if isinstance(cue, nn.Module) else "see crispseg.cues"
        if isinstance(cue, str):
            hint = f"Sharpener.from_pretrained({cue!r}) takes weights, and Sharpener.from_pretrained(cue={cue!r}) a cue"
        raise TypeError(f"cue is {type(cue).__name__}; expected a crispseg.cues.Cue: {hint}")
