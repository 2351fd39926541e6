"""What every cue is: features of an image, and distances between the features of neighbours."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from crispseg.checks import check_choice, is_finite
from crispseg.errors import InputError
from crispseg.ops import affinity, affinity_weights, local_distance
from crispseg.registry import CUES
from crispseg.window import Window, WindowLike


class Cue(nn.Module, ABC):
    """Tells how far a pixel is from each of its neighbours, by features of the image.

    Features are computed once; distances and weights of any window and hardness follow from them. A cue of your own
    defines `forward`, `distance` and the two defaults. Give it a name, and it can be saved, loaded, searched and chosen
    by that name everywhere; an entry point of the group `crispseg.cues` lets commands find it in your package.

    Args:
        name: Keyword of the class statement: the name to register the class under.

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
    """The name that the class is registered under; None for a class that is not, which cannot be saved."""
    summary: ClassVar[str] = ""
    """What is compared, in a few words, for help, model cards and the page."""
    arguments: ClassVar[Mapping[str, Sequence[Any] | type]] = {}
    """The arguments that make the cue again, each an attribute of the same name: the values that a file may give it, or
    their type."""
    network_argument: ClassVar[str | None] = None
    """The argument that is a network, whose weights are saved; None where there is none."""
    farthest: ClassVar[float] = 1.0
    """A distance that is seldom exceeded, where plots of distances end."""
    network_gives: ClassVar[str] = "embedding"
    """What the network gives, as it says in its own attribute `gives`."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What must be given beside images: "weights" of the network, or "boundaries", a map for each image."""
    default_hardness: ClassVar[float]
    """λ where none is given."""
    default_passes: ClassVar[int]
    """Passes of the filter where their number is not given."""
    channels: int | None = None
    """D, where it is the same for every cue of the kind or known of this one."""
    reach: int | None = None
    """How many pixels away the image has a say in the features of a pixel; None where all of it has."""
    step: int = 1
    """A part of an image has the features of the whole one where it starts at multiples of this, besides the reach."""
    workspace: int = 0
    """Numbers held for each pixel while features are computed."""

    def __init_subclass__(cls, *, name: str | None = None, **others: Any) -> None:  # noqa: ANN401 - Python's
        super().__init_subclass__(**others)
        cls.name = name
        if name is not None:
            CUES.register(name, cls)

    @property
    def takes_boundaries(self) -> bool:
        """Return whether features must be given with every image, as boundary maps are."""
        return "boundaries" in self.needs

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the features of an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, D, H, W).
        """

    @abstractmethod
    def distance(self, features: Tensor, window: Window) -> Tensor:
        """Return how far every pixel is from each of its neighbours.

        Args:
            features: (N, D, H, W), as `forward` gives them.
            window: The neighbours. crispseg always gives a `Window`; the cues that ship take its size or text as well.

        Returns:
            (N, K, H, W) distances, 0 from a pixel to itself and infinite outside the image.
        """

    def weights(self, features: Tensor, window: WindowLike, hardness: float | Tensor) -> Tensor:
        """Return the (N, K, H, W) weights exp(-λ·d) of (N, D, H, W) features (eq. 3)."""
        return affinity(self.distance(features, Window.of(window)), hardness)

    def check_features(self, features: Tensor) -> None:
        """Refuse values that this cue cannot have given, where features come from elsewhere.

        Raises:
            InputError: If there are more or fewer channels than this cue has, or a value is NaN or infinite.
        """
        if self.channels not in (None, features.shape[1]):
            raise InputError(
                f"features have {features.shape[1]} channels; expected {self.channels}, as {type(self).__name__} gives"
            )
        if not is_finite(features):
            raise InputError("features hold NaN or infinity; expected finite numbers")


class EmbeddingCue(Cue):
    """A cue whose features are an embedding, compared by a norm.

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

    def weights(self, features: Tensor, window: WindowLike, hardness: float | Tensor) -> Tensor:
        """Return `crispseg.ops.affinity_weights` of the embedding, which computes no distances in between."""
        return affinity_weights(features, window, hardness, norm=self.norm)

    def extra_repr(self) -> str:
        """Return the norm, for `repr`."""
        return f"norm={self.norm}"


def check_cue(cue: object) -> None:
    """Refuse what is no cue.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(cue, Cue):
        hint = "LearnedCue(network) makes one of a network" if isinstance(cue, nn.Module) else "see crispseg.cues"
        raise TypeError(f"cue is {type(cue).__name__}; expected a crispseg.cues.Cue: {hint}")
