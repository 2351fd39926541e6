"""The learned cue: an embedding network (paper sec. 3.1 and 4.1)."""

from typing import ClassVar

from torch import Tensor, nn

from crispseg.cues.cue import EmbeddingCue


class LearnedCue(EmbeddingCue, name="learned"):
    """Distances between the embeddings that a network computes.

    The default hardness and the number of passes were tuned for the weights that ship. With the margins of the loss,
    0.5 and 2, a hardness of 5 gives a pair at the near margin the weight exp(-2.5), and one at the far margin exp(-10).
    The paper uses a hardness of 30 for its own.

    Args:
        network: Any module from (N, 3, H, W) RGB in [0, 1] to (N, D, H, W), such as `crispseg.models.EmbeddingNet`. If
            it has the attributes `dim`, `reach`, `step` and `workspace` (see `Cue`), images larger than memory are
            embedded in parts.
        norm: 1 or 2, the norm that the network was trained with.

    Raises:
        InputError: If `norm` is not 1 or 2.

    Example:
        >>> import torch
        >>> from crispseg import Window
        >>> cue = LearnedCue(nn.Conv2d(3, 8, 3, padding=1))
        >>> cue.distance(cue(torch.rand(1, 3, 12, 16)), Window(5)).shape
        torch.Size([1, 25, 12, 16])
    """

    summary: ClassVar[str] = "learned embeddings"
    network_argument: ClassVar[str | None] = "network"
    needs: ClassVar[tuple[str, ...]] = ("weights",)
    farthest: ClassVar[float] = 4.0
    default_hardness: ClassVar[float] = 1.5
    default_window: ClassVar[str] = "5@64,5@16,5@8,5@4,5@2,5"
    default_passes: ClassVar[int] = 25

    def __init__(self, network: nn.Module, norm: int = 1) -> None:
        super().__init__(norm)
        self.network = network
        self.reach = getattr(network, "reach", None)
        self.step = getattr(network, "step", 1)
        self.workspace = getattr(network, "workspace", 0)
        self.channels = getattr(network, "dim", None)

    def forward(self, image: Tensor) -> Tensor:
        """Return the (N, D, H, W) embedding of an (N, 3, H, W) image."""
        embedding: Tensor = self.network(image)
        return embedding
