"""A convolution whose stride belongs to the call."""

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn


class StridedConv2d(nn.Conv2d):
    """A convolution that may be given its stride with each call, so that several threads may use it at once.

    Its arguments and weights are those of `nn.Conv2d`; its padding is by zeros.
    """

    def forward(self, input: Tensor, *, stride: int | None = None) -> Tensor:
        """Convolve an input.

        Args:
            input: (N, C, H, W).
            stride: Step between output positions; None for that of the convolution.

        Returns:
            (N, out_channels, H', W').
        """
        step = self.stride if stride is None else stride
        return F.conv2d(input, self.weight, self.bias, step, self.padding, self.dilation, self.groups)
