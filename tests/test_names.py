"""One name, one thing: no function hides a module of its name, and no two classes share one."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bound(init: Path, package: str) -> Iterator[str]:
    """Names that an `__init__.py` gives to something else than its submodule of that name."""
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != package:
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def hidden(folder: Path) -> list[str]:
    """Modules and folders below a package whose name leads to something else."""
    found = []
    for init in sorted(folder.rglob("__init__.py")):
        submodules = {path.stem for path in init.parent.glob("*.py")}
        submodules |= {path.parent.name for path in init.parent.glob("*/__init__.py")}
        package = ".".join(init.parent.relative_to(folder.parent).parts)
        found += [f"{package}.{name}" for name in sorted(submodules & set(bound(init, package)))]
    return found


def shared(*folders: Path) -> dict[str, list[str]]:
    """Names of several classes, with the files that define them."""
    places = defaultdict(list)
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.name)
    return {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}


def test_no_function_hides_a_module_of_its_name() -> None:
    assert hidden(ROOT / "src" / "crispseg") == []


@pytest.mark.parametrize("by", ["from package.inner.sharpen import sharpen", "def sharpen(): ...", "sharpen = None"])
def test_a_hidden_module_is_seen(tmp_path: Path, by: str) -> None:
    inner = tmp_path / "package" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("from package import inner\n")
    (inner / "__init__.py").write_text(by)
    (inner / "sharpen.py").write_text("def sharpen(): ...\n")
    assert hidden(tmp_path / "package") == ["package.inner.sharpen"]


def test_no_two_classes_share_a_name() -> None:
    assert shared(ROOT / "src", ROOT / "benchmarks") == {}


def test_a_shared_name_is_seen(tmp_path: Path) -> None:
    for name in ("one.py", "other.py"):
        (tmp_path / name).write_text("class Recipe: ...\n")
    assert shared(tmp_path) == {"Recipe": ["one.py", "other.py"]}
