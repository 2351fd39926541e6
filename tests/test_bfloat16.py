"""bfloat16 is warned of where the processor has none."""

import logging

import pytest
import torch

from crispseg import bfloat16


@pytest.mark.parametrize("has", [True, False])
def test_it_warns_only_where_there_is_none(
    has: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bfloat16, "has_bfloat16", lambda: has)
    with caplog.at_level(logging.WARNING):
        bfloat16.warn_without_bfloat16()
    assert ("no bfloat16" in caplog.text) is not has


def test_a_processor_without_vectors_of_512_bits_has_none() -> None:
    assert not (torch.backends.cpu.get_cpu_capability() == "AVX2" and bfloat16.has_bfloat16())
