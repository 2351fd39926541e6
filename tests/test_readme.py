"""What the README says runs."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from crispseg.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
LEFT_OUT = "--images a --labels b --predictions c"


def test_the_code_sample_runs() -> None:
    samples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(samples) == 1
    exec(compile(samples[0], "README.md", "exec"), {})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown(name: str) -> None:
    assert re.search(rf"^    crispseg {name}\b", README, re.MULTILINE)


def commands_in(text: str) -> list[str]:
    one_line_each = text.replace("\\\n", " ")
    return re.findall(r"^ {2,4}(crispseg [^#\n]+)", one_line_each, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_that_are_shown_are_understood(name: str) -> None:
    parser = importlib.import_module(f"crispseg.cli.{name}").build_parser()
    texts = (README, RESULTS, parser.format_help())
    shown = [command for text in texts for command in commands_in(text) if command.split()[1] == name]
    assert len(shown) >= 2, "in the README and in the help"
    for command in shown:
        arguments = shlex.split(command.replace("…", LEFT_OUT))[2:]
        if name == "train":
            configs = [argument for argument in arguments if argument.startswith("configs/")]
            assert configs
            assert all((ROOT / config).is_file() for config in configs), command
        else:
            parser.parse_args(arguments)


def test_every_link_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if not target.startswith("http")]
    assert len(targets) >= 5
    for target in targets:
        assert (ROOT / target).exists(), target
