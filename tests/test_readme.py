"""The commands and the code of the README run."""

import importlib
import re

import pytest

from crispseg.cli.main import COMMANDS
from tests.commands import ROOT, assert_understood, commands_in

README = (ROOT / "README.md").read_text()
RESULTS = sorted((ROOT / "docs" / "results").glob("*.md"))


def test_the_code_sample_runs() -> None:
    samples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(samples) == 1
    exec(compile(samples[0], "README.md", "exec"), {})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown(name: str) -> None:
    assert re.search(rf"^    crispseg {name}\b|`(crispseg )?{name}`", README, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_that_are_shown_are_understood(name: str) -> None:
    parser = importlib.import_module(f"crispseg.cli.parsers.{name}").build_parser()
    texts = (README, *(page.read_text() for page in RESULTS), parser.format_help())
    shown = [command for text in texts for command in commands_in(text) if command.split()[1] == name]
    assert shown, "in the README, the results or the help"
    for command in shown:
        assert_understood(command)


def test_every_link_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("http")]
    assert len(targets) >= 5
    for target in targets:
        assert (ROOT / target.partition("#")[0]).exists(), target
