"""The options of a sharpener survive whatever is done to the module."""

from pathlib import Path

import pytest
import torch

from crispseg import Sharpener


@pytest.mark.parametrize("weights", ["fast", "best"])
def test_none_stands_for_the_default(weights: str) -> None:
    usual = Sharpener.from_pretrained(weights)
    other = usual.with_options(window=9, passes=2, hardness=3.0)
    assert other.with_options(window=None, passes=None, hardness=None).config == usual.config
    assert other.with_options(passes=None).passes == usual.cue.default_passes


def test_the_cue_is_no_option() -> None:
    with pytest.raises(TypeError, match=r"with_options takes no cue; expected Sharpener\(cue, "):
        Sharpener.from_pretrained().with_options(cue="rgb")  # type: ignore[call-arg]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("learned", [True, False])
def test_the_hardness_keeps_its_digits_in_any_precision(dtype: torch.dtype, learned: bool, tmp_path: Path) -> None:
    made = Sharpener(Sharpener.from_pretrained().cue, hardness=7.3, learn_hardness=learned)
    exact, before = made.hardness.item(), made.config.hardness
    if learned:
        made.hardness.backward()
    own = {id(value) for value in made.parameters(recurse=False)}
    made.to(dtype)
    assert made.cue.image_dtype == dtype
    assert made.hardness.item() == pytest.approx(exact, rel=1e-7)
    assert made.config.hardness == before
    assert {id(value) for value in made.parameters(recurse=False)} == own  # an optimizer may hold them
    assert all(value.grad.dtype == value.dtype for value in made.parameters(recurse=False) if value.grad is not None)
    if dtype != torch.float64:
        made.save_pretrained(tmp_path / "saved")
        assert Sharpener.from_pretrained(tmp_path / "saved").config.hardness == before
