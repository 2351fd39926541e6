"""Pixel-adaptive mask refinement (Araslanov & Roth 2020, https://arxiv.org/abs/2005.08104, sec. 3.4), on our filter."""

import torch
from torch import Tensor

from crispseg.comparison.method import CPU, Example, Method, Setting
from crispseg.ops import local_distance, local_filter
from crispseg.window import Window

DILATIONS = (1, 2, 4, 8, 12, 24)
_PASSES = (1, 3, 10, 20)
_SMALLEST = 1e-4


class PAMR(Method):
    """Averages over eight neighbours at each of six distances, weighted by a softmax of colour differences.

    Differences are divided by the local standard deviation of their channel times a width; the affinity is their
    negative mean over channels. Neither the pixel itself nor anything outside the image enters an average.
    """

    def __init__(self, device: torch.device = CPU) -> None:
        super().__init__(
            {"width": (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4), "passes": _PASSES}, {"width": 0.1, "passes": 10}, device
        )

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the refined probabilities."""
        weights = pamr_weights(example.rgb_on(self.device), setting["width"])
        scores = example.probabilities_on(self.device)
        for _ in range(int(setting["passes"])):
            scores = _average(scores, weights)
        return scores.cpu()


def pamr_weights(image: Tensor, width: float) -> list[Tensor]:
    """Return (N, 9, H, W) weights of an (N, 3, H, W) image for each of `DILATIONS`; they sum to 1 for each pixel."""
    windows = [Window(3, dilation) for dilation in DILATIONS]
    differences = [
        torch.stack([local_distance(channel, window) for channel in image[:, :, None].unbind(1)]) for window in windows
    ]  # (3, N, 9, H, W) each, 0 at the centre, infinite outside
    valid = [difference[0].isfinite() & _beside(difference[0]) for difference in differences]
    deviation = _deviation(image, valid)
    affinities = [
        (-difference / (width * deviation)).mean(0).masked_fill(~where, -torch.inf)
        for difference, where in zip(differences, valid, strict=True)
    ]
    return list(torch.cat(affinities, 1).softmax(1).nan_to_num(0).chunk(len(DILATIONS), 1))


def _beside(values: Tensor) -> Tensor:
    """Return (9, 1, 1) bool: every neighbour except the pixel itself."""
    return (torch.arange(9, device=values.device) != 4)[:, None, None]


def _deviation(image: Tensor, valid: list[Tensor]) -> Tensor:
    """Return the (3, N, 1, H, W) standard deviation of each channel over the neighbours of a pixel."""
    counts = sum(where.sum(1, keepdim=True) for where in valid)
    uniform = [where / counts for where in valid]
    mean, square = _average(image, uniform), _average(image.square(), uniform)
    deviation = (square - mean.square()).clamp(min=0).sqrt() + _SMALLEST
    return deviation.transpose(0, 1).unsqueeze(2)


def _average(scores: Tensor, weights: list[Tensor]) -> Tensor:
    parts = (
        local_filter(scores, weight, Window(3, dilation), normalize=False)
        for weight, dilation in zip(weights, DILATIONS, strict=True)
    )
    return torch.stack(list(parts)).sum(0)
