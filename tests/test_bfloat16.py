"""bfloat16 is warned of where the processor has none."""

import logging

import pytest
import torch

from crispseg import devices


@pytest.mark.parametrize("has", [True, False])
def test_it_warns_only_where_there_is_none(
    has: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(devices, "has_bfloat16", lambda: has)
    with caplog.at_level(logging.WARNING):
        devices.warn_without_bfloat16()
    assert ("no bfloat16" in caplog.text) is not has


def test_a_processor_without_vectors_of_512_bits_has_none() -> None:
    assert not (torch.backends.cpu.get_cpu_capability() == "AVX2" and devices.has_bfloat16())


def test_a_pytorch_without_onednn_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Apple's processors the question itself failed."""
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert not devices.has_bfloat16()
