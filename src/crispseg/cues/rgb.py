"""The photometric cue: plain colours (paper sec. 5, the RGB baseline)."""

from typing import ClassVar

from torch import Tensor

from crispseg.cues.cue import EmbeddingCue


class RGBCue(EmbeddingCue, name="rgb"):
    """Distances between colours with channels in [0, 1]: black and white are 3 apart by norm 1, √3 by norm 2.

    The paper does not specify norm, scale or hardness. By default colours are compared by norm 1, like the learned
    embeddings. The default hardness was found on CamVid val (docs/decisions/0016-cues.md).

    Args:
        norm: 1 or 2.

    Raises:
        InputError: If `norm` is not 1 or 2.

    Example:
        >>> import torch
        >>> from crispseg import Window
        >>> image = torch.tensor([0.0, 0.25, 1.0]).expand(1, 3, 1, 3)
        >>> RGBCue().distance(image, Window(3))[0, 5, 0]
        tensor([0.7500, 2.2500,    inf])
    """

    summary: ClassVar[str] = "colours; nothing is learned"
    default_hardness: ClassVar[float] = 5.0
    default_window: ClassVar[str] = "5@16,5@8,5@4,5@2,5"
    default_passes: ClassVar[int] = 1
    channels = 3
    reach = 0

    def __init__(self, norm: int = 1) -> None:
        super().__init__(norm)

    def forward(self, image: Tensor) -> Tensor:
        """Return the image itself."""
        return image
