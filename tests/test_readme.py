"""What the README says runs."""

import re
from pathlib import Path

import pytest

from crispseg.cli.main import COMMANDS

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_code_sample_runs() -> None:
    samples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(samples) == 1
    exec(compile(samples[0], "README.md", "exec"), {})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown(name: str) -> None:
    assert re.search(rf"^    crispseg {name}\b", README, re.MULTILINE)


def test_every_link_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("http")]
    assert len(targets) >= 5
    for target in targets:
        assert (Path(__file__).parents[1] / target).exists(), target
