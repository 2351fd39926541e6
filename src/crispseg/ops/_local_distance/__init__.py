"""Distances between every pixel's embedding and those of its neighbours (im2dist in the paper, sec. 4.2)."""

import torch
from torch import Tensor

from crispseg.checks import check_map
from crispseg.ops._local_distance import registration as registration
from crispseg.value_checks import check_choice, check_count
from crispseg.window import Window, WindowLike


def local_distance(embedding: Tensor, window: WindowLike, *, norm: int = 1, stride: int = 1) -> Tensor:
    """Return the distance of every centre to each of its K neighbours.

    The distance to a neighbour outside the image is infinite: its `affinity` is 0. Distances are not divided by the
    number of channels. Differentiable once; the gradient of a distance of 0 is 0.

    Args:
        embedding: (N, D, H, W), floating point. Half precisions accumulate in float32.
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        norm: 1 for the sum of absolute differences, 2 for the Euclidean norm.
        stride: Step between centres.

    Returns:
        (N, K, ceil(H / stride), ceil(W / stride)), dtype of `embedding`, channels in the order of `window.offsets`.

    Raises:
        InputError: If the shape, `norm` or `stride` is not as above.
        TypeError: If `embedding` is not floating point.

    Example:
        >>> import torch
        >>> embedding = torch.tensor([[[[0.0, 1.0, 3.0]]]])
        >>> local_distance(embedding, Window(3))[0, 3:6, 0]
        tensor([[inf, 1., 2.],
                [0., 0., 0.],
                [1., 2., inf]])
    """
    check_map("embedding", embedding)
    check_choice("norm", norm, (1, 2))
    check_count("stride", stride)
    window = Window.of(window)
    distance: Tensor = torch.ops.crispseg.local_distance(embedding, window.size, window.dilation, norm, stride)
    return distance
