"""Upsampling along the features of an image: what is coarse is spread over the pixels that belong with it."""

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.checks import check_choice, check_hardness, check_map
from crispseg.errors import InputError
from crispseg.ops.interpolation import sources
from crispseg.ops.joint_upsample.reference import upsample_part


def joint_upsample(value: Tensor, features: Tensor, hardness: float | Tensor, *, norm: int = 1) -> Tensor:
    """Bilinear upsampling in which each of the four coarse pixels counts as far as it belongs with the pixel.

    The weights of bilinear upsampling are multiplied with exp(-λ·d) and divided by their sum; d is the distance from
    the pixel to what stands at the centre of the coarse one. It is joint bilateral upsampling (Kopf et al. 2007,
    https://doi.org/10.1145/1276377.1276497) with an embedding for the guide and a tent for the spatial kernel. Plain
    PyTorch on every device, differentiable in everything.

    Args:
        value: (N, C, h, w), floating point, such as probabilities.
        features: (N, D, H, W), floating point, what is compared.
        hardness: λ: near 0 gives bilinear upsampling.
        norm: 1 or 2, of the distance.

    Returns:
        (N, C, H, W), dtype of `value`.

    Raises:
        InputError: If a shape or an option is not as above.
        TypeError: If a tensor is not floating point.

    Example:
        >>> import torch
        >>> features = torch.tensor([[[[0.0, 0.0, 0.0, 9.0]]]])
        >>> joint_upsample(torch.tensor([[[[0.0, 1.0]]]]), features, hardness=1.0).round(decimals=3)
        tensor([[[[0.0000, 0.0040, 0.0320, 1.0000]]]])
    """
    check_map("value", value)
    check_map("features", features)
    check_choice("norm", norm, (1, 2))
    check_hardness(hardness, "features", features)
    if len(value) != len(features):
        raise InputError(f"value has N = {len(value)}, features {len(features)}; expected the same")
    size, coarse = (features.shape[-2], features.shape[-1]), (value.shape[-2], value.shape[-1])
    rows, columns = (sources(0, full, few, full) for full, few in zip(size, coarse, strict=True))
    centres = F.interpolate(features, size=coarse, mode="bilinear", align_corners=False)
    return upsample_part(value, centres, features, rows, columns, hardness, norm)
