"""Lines between labels, drawn along the edges of pixels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor


def contour_lines(labels: Tensor) -> np.ndarray:
    """The edges between pixels of two labels, straight runs of them as one line.

    Args:
        labels: (H, W).

    Returns:
        (lines, 2, 2): the x and y of both ends, where a pixel's centre lies on whole numbers.

    Example:
        >>> import torch
        >>> contour_lines(torch.tensor([[0, 1], [0, 1]])).tolist()
        [[[0.5, -0.5], [0.5, 1.5]]]
    """
    values = labels.cpu().numpy()
    upright, lying = _columns(values), _columns(values.T)
    return np.concatenate([upright, lying[..., ::-1]])


def _columns(values: np.ndarray) -> np.ndarray:
    """The lines between each column and the next."""
    differs = (values[:, :-1] != values[:, 1:]).astype(np.int8)
    steps = np.diff(differs, axis=0, prepend=0, append=0)
    column, first = np.nonzero(steps.T == 1)
    _, last = np.nonzero(steps.T == -1)  # in the same order: runs of a column do not overlap
    return np.stack([np.stack([column + 0.5, first - 0.5], 1), np.stack([column + 0.5, last - 0.5], 1)], 1)


def add_contours(axes: Axes, labels: Tensor, width: float) -> None:
    """Draw the lines between labels, black within white, so that they stand out on any colour.

    Args:
        axes: A panel that shows the picture that the labels are of.
        labels: (H, W).
        width: Of the black line, in points.
    """
    lines = contour_lines(labels)
    for colour, extra in (("white", 2), ("black", 1)):
        axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=width * extra, capstyle="projecting"))
