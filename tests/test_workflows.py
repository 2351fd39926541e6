"""The files of the code host can be read, and name targets and files that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def runs(node: Any) -> list[str]:
    """Return the commands of all steps."""
    if isinstance(node, dict):
        return (
            [node["run"]]
            if isinstance(node.get("run"), str)
            else [run for value in node.values() for run in runs(value)]
        )
    return [run for value in node for run in runs(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_can_be_read(path: Path) -> None:
    assert yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_its_steps_name_targets_and_scripts_that_exist(path: Path) -> None:
    commands, makefile = "\n".join(runs(yaml.safe_load(path.read_text()))), (ROOT / "Makefile").read_text()
    assert commands
    for target in re.findall(r"\bmake ([a-z-]+)", commands):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for script in re.findall(r"^\.\w+/\w+", commands, re.MULTILINE):
        assert (ROOT / script).exists()


def test_the_oldest_pytorch_is_read_from_the_project() -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    (pattern,) = re.findall(r"sed -nE 's/([^/]*)/", workflow)
    first, *_ = re.findall(pattern, (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert first == ("torch", "2.4"), "what crispseg needs by itself; extras may need a newer one"
