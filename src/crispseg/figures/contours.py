"""Lines between labels, drawn along the edges of pixels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor


def contour_lines(labels: Tensor) -> np.ndarray:
    """Return the edges between pixels with different labels, with straight runs joined into one line.

    Args:
        labels: (H, W) labels.

    Returns:
        (lines, 2, 2): x and y of both ends; the centres of pixels have integer coordinates.

    Example:
        >>> import torch
        >>> contour_lines(torch.tensor([[0, 1], [0, 1]])).tolist()
        [[[0.5, -0.5], [0.5, 1.5]]]
    """
    values = labels.cpu().numpy()
    upright, lying = _columns(values), _columns(values.T)
    return np.concatenate([upright, lying[..., ::-1]])


def _columns(values: np.ndarray) -> np.ndarray:
    """Return the lines between each column and the next."""
    differs = (values[:, :-1] != values[:, 1:]).astype(np.int8)
    steps = np.diff(differs, axis=0, prepend=0, append=0)
    column, first = np.nonzero(steps.T == 1)
    _, last = np.nonzero(steps.T == -1)  # in the same order, since runs in a column do not overlap
    return np.stack([np.stack([column + 0.5, first - 0.5], 1), np.stack([column + 0.5, last - 0.5], 1)], 1)


def add_contours(axes: Axes, labels: Tensor, width: float) -> None:
    """Draw the lines between labels in black with a white outline, so that they stand out on any colour.

    Args:
        axes: A panel with the picture of the labels.
        labels: (H, W) labels.
        width: Width of the black line, in points.
    """
    lines = contour_lines(labels)
    for colour, extra in (("white", 2), ("black", 1)):
        axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=width * extra, capstyle="projecting"))
