"""The contour cue: the boundaries between a pixel and its neighbours (paper sec. 3.3)."""

from typing import ClassVar

from torch import Tensor, nn

from crispseg.checks import value_range
from crispseg.cues.cue import Cue
from crispseg.errors import InputError
from crispseg.ops import local_contour
from crispseg.window import WindowLike


class ContourCue(Cue, name="contour"):
    """Distances by intervening contours: the distance to a neighbour is the strongest boundary on the line to it.

    The paper uses HED and found a hardness of 5, in steps of 5.

    Args:
        detector: Any module from (N, 3, H, W) RGB in [0, 1] to the (N, 1, H, W) probability of a boundary. None if
            boundaries are always given as features, for example from files.

    Example:
        >>> import torch
        >>> from crispseg import Window
        >>> boundary = torch.tensor([[[[0.1, 0.0, 0.9, 0.2]]]])
        >>> ContourCue().distance(boundary, Window(5))[0, 14, 0, 1]
        tensor(0.9000)
    """

    summary: ClassVar[str] = "boundaries that lie between two pixels"
    network_argument: ClassVar[str | None] = "detector"
    network_gives: ClassVar[str] = "boundary"
    needs: ClassVar[tuple[str, ...]] = ("boundaries",)
    default_hardness: ClassVar[float] = 5.0
    default_passes: ClassVar[int] = 1
    channels = 1

    def __init__(self, detector: nn.Module | None = None) -> None:
        super().__init__()
        self.detector = detector

    @property
    def takes_boundaries(self) -> bool:
        """Whether boundary maps must be given, because there is no detector."""
        return self.detector is None

    def forward(self, image: Tensor) -> Tensor:
        """Return the (N, 1, H, W) probability of a boundary for an (N, 3, H, W) image.

        Raises:
            InputError: If there is no detector.
        """
        if self.detector is None:
            raise InputError(
                "this contour cue has no detector; pass the boundaries as features, or make ContourCue(network)"
            )
        boundary: Tensor = self.detector(image)
        return boundary

    def distance(self, features: Tensor, window: WindowLike) -> Tensor:
        """Return `crispseg.ops.local_contour` of the boundaries."""
        return local_contour(features, window)

    def check_features(self, features: Tensor) -> None:
        """Refuse anything but a boundary map.

        Raises:
            InputError: If there is more than one channel, or a value is not between 0 and 1.
        """
        super().check_features(features)
        low, high = value_range(features)
        if not (low >= 0 and high <= 1):
            raise InputError(
                f"features run from {low:.4g} to {high:.4g}; expected probabilities of a boundary "
                "in [0, 1]: divide 8-bit maps by 255"
            )
