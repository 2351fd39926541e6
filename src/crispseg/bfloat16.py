"""What the processor computes with."""

import logging

import torch

_log = logging.getLogger(__name__)


def has_bfloat16() -> bool:
    """Whether PyTorch convolves in bfloat16 on this processor; elsewhere it does so without vectors."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def warn_without_bfloat16() -> None:
    """Say in the log that bfloat16 will be slow, where it will be."""
    if not has_bfloat16():
        _log.warning("this processor has no bfloat16: convolutions will take tens of times as long as in float32")
