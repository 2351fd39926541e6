"""Numbers of a module, such as its hardness, that half precision does not round."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class ExactNumbers(nn.Module):
    """The base class of modules whose own parameters and buffers are options: they stay at float32 or wider.

    Those of the modules within are converted as in any module.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Apply what `.to` and its like do to tensors."""
        exact = {name: value.detach() for name, value in self._numbers().items()}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in self._numbers().items():
            if value.dtype not in (torch.float16, torch.bfloat16):
                continue
            number = exact[name].to(value.device)
            if isinstance(value, nn.Parameter):  # it stays the same one, since an optimizer may hold it
                value.data = number
                value.grad = None if value.grad is None else value.grad.to(number)
            else:
                setattr(self, name, number)
        return self

    def _numbers(self) -> dict[str, Tensor]:
        return dict((*self.named_parameters(recurse=False), *self.named_buffers(recurse=False)))
