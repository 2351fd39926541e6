"""Whether the processor computes in bfloat16."""

import logging

import torch

_log = logging.getLogger(__name__)


def has_bfloat16() -> bool:
    """Return whether PyTorch has fast bfloat16 convolutions on this processor; others compute them without vectors."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def warn_without_bfloat16() -> None:
    """Warn in the log if bfloat16 is slow on this processor."""
    if not has_bfloat16():
        _log.warning("this processor has no bfloat16: convolutions take tens of times as long as in float32")
