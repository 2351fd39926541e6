"""The loss of a boundary detector."""

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import check_labels, check_map, check_same_grid
from crispseg.precision import at_least_float32


class BoundaryLoss(nn.Module):
    """Class-balanced cross-entropy of boundary logits (Xie & Tu 2015, eq. 2 and 3).

    Few pixels lie on boundaries. In each image a boundary pixel weighs as much as the share of the others, and the
    others as much as the share of the boundary, so that both weigh the same in total. The loss is summed over pixels
    and maps and divided by the number of images.

    Example:
        >>> import torch
        >>> loss = BoundaryLoss()
        >>> labels = torch.tensor([[[1, 0, 0, 0]]])
        >>> round(loss(torch.zeros(1, 6, 1, 4), labels).item(), 4)  # 6 maps · (3/4 + 3 · 1/4) · log 2
        6.2383
    """

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of boundary maps.

        Args:
            logits: (N, M, H, W), M maps that are each compared with the labels, such as `HED.logits` gives.
            labels: (N, H, W), 1 on a boundary and 0 elsewhere; pixels with any other number are left out.

        Returns:
            A scalar, in float32 at least.

        Raises:
            InputError: If shapes do not fit together.
            TypeError: If a dtype is not as above.
        """
        check_map("logits", logits)
        check_labels(labels)
        check_same_grid("logits", logits, "labels", labels)
        wide = logits.to(at_least_float32(logits))
        positive, negative = ((labels == value).to(wide.dtype) for value in (1, 0))
        positives, negatives = (mask.sum((1, 2), keepdim=True) for mask in (positive, negative))
        total = (positives + negatives).clamp(min=1)
        weight = (positive * negatives + negative * positives) / total
        target = positive[:, None].expand_as(wide)
        loss = F.binary_cross_entropy_with_logits(wide, target, weight[:, None], reduction="sum")
        return loss / max(len(logits), 1)
