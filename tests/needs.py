"""Needs of tests beside PyTorch, derived from their files, so that nobody has to keep a list of tests.

A file that imports a large package, directly or through our modules, needs it for all its tests. A single test needs a
package if the test, or a helper or fixture of its file, imports it or runs a command that does. Tests that start
processes are marked too.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "browser": ("playwright",),
    "gradio": ("gradio", "starlette"),
    "lightning": ("lightning", "jsonargparse"),
    "matplotlib": ("matplotlib",),
    "notebook": ("nbclient",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "ray": ("ray",),
    "torchmetrics": ("torchmetrics",),
    "transformers": ("segmentation_models_pytorch", "transformers"),
    "triton": ("triton",),
}
"""Marks, with the packages of each."""
_PROCESSES = {"subprocess", "multiprocessing", "concurrent.futures"}
_OURS = {"crispseg": ROOT / "src" / "crispseg", "tests": ROOT / "tests", "benchmarks": ROOT / "benchmarks"}
_COMMANDS = frozenset(path.stem for path in (ROOT / "src" / "crispseg" / "cli").glob("[!_]*.py"))


@cache
def needs_of_file(path: Path) -> frozenset[str]:
    """Return the marks of every test in a file: its own marks, and those for its imports and its `conftest.py`'s."""
    given = next((ast.unparse(node) for node in _tree(path).body if _is_pytestmark(node)), "")
    return frozenset(mark for mark in ("not_traced", "slow") if mark in given) | _marks(
        frozenset().union(*(_imports(_top_level(_tree(file))) for file in _with_conftest(path)))
    )


def needs_of_test(path: Path, name: str, parameters: str = "") -> frozenset[str]:
    """Return the marks of one test function, beyond those of its file; its parameters may name commands and modules."""
    modules = frozenset(re.findall(r"crispseg(?:\.\w+)+", parameters))
    return _marks(modules) | _needs(path, frozenset({name}), _COMMANDS.intersection(re.findall("[a-z]+", parameters)))


def needs_of_example(path: Path, sources: Iterable[str]) -> frozenset[str]:
    """Return the marks of the examples of a docstring, beyond those of the file of our code that it stands in."""
    trees = [ast.parse(source) for source in sources]
    names = frozenset(name for tree in trees for name in _names(tree))
    return _marks(_imports(node for tree in trees for node in ast.walk(tree))) | _needs(path, names, frozenset())


@cache
def _needs(path: Path, names: frozenset[str], words: frozenset[str]) -> frozenset[str]:
    """Return the marks of what these names of a file use there."""
    definitions = _definitions(path)
    seen, modules, todo = set(names), set[str](), [*names, *_autouse(path)]
    seen |= set(todo)
    while todo:
        name = todo.pop()
        if name in definitions:
            used, imported = _uses(path, name)
            modules |= imported
            todo += used - seen
            seen |= used
    if "main" in seen:  # the command line imports a command when it is called
        words = (words | seen) - {"main"}
        modules |= {f"crispseg.cli.{word}" for word in words if _file(f"crispseg.cli.{word}")}
    starts = {name for name, module in _aliases(path).items() if module in _PROCESSES}
    return _marks(frozenset(modules)) | ({"processes"} if seen & starts or modules & _PROCESSES else set())


@cache
def _uses(path: Path, name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a definition uses, and the modules that it imports."""
    node = _definitions(path)[name]
    return frozenset(_names(node)), _imports(ast.walk(node))


@cache
def _autouse(path: Path) -> frozenset[str]:
    return frozenset(name for name, node in _definitions(path).items() if _is_autouse(node))


@cache
def _marks(modules: frozenset[str]) -> frozenset[str]:
    """Return the marks of the packages that importing these modules imports."""
    packages = {module.partition(".")[0] for module in _reached(modules)}
    return frozenset(mark for mark, names in PACKAGES.items() if packages.intersection(names))


def _with_conftest(path: Path) -> list[Path]:
    beside = path.with_name("conftest.py")
    return [beside, path] if beside != path and beside.is_file() else [path]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported."""
    for node in ast.iter_child_nodes(tree):
        only_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not only_types and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
            yield from _top_level(node)


def _imports(nodes: Iterable[ast.AST]) -> frozenset[str]:
    found = set[str]()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def _direct(module: str) -> frozenset[str]:
    parent, _, name = module.rpartition(".")
    parents, path = {parent} - {""}, _file(module)
    return _on_access(parent, name) | parents if path is None else _imports(_top_level(_tree(path))) | parents


def _on_access(package: str, name: str) -> frozenset[str]:
    """Return the module of a name that a package imports on first access: it tells type checkers of it."""
    path = _file(package)
    hidden = (node for node in _tree(path).body if isinstance(node, ast.If)) if path else ()
    found = set()
    for node in (inner for block in hidden for inner in block.body):
        if isinstance(node, ast.ImportFrom) and node.module and name in {alias.name for alias in node.names}:
            found.add(node.module)
    return frozenset(found)


def _reached(modules: frozenset[str]) -> set[str]:
    """Return these modules and all modules that importing them imports."""
    seen, todo = set(modules), list(modules)
    while todo:
        module = todo.pop()
        if module.partition(".")[0] in _OURS:
            todo += (new := _direct(module) - seen)
            seen |= new
    return seen


@cache
def _file(module: str) -> Path | None:
    package, *rest = module.split(".")
    if package not in _OURS:
        return None
    place = _OURS[package].joinpath(*rest)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def _definitions(path: Path) -> dict[str, ast.AST]:
    """Return the functions, classes and constants of a file and of the conftest.py beside it, by name."""
    found = dict[str, ast.AST]()
    for node in (node for file in _with_conftest(path) for node in _tree(file).body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {
                name.id: node for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
    return found


@cache
def _aliases(path: Path) -> dict[str, str]:
    """Return the names that a file imports, with the modules or objects behind them."""
    found = dict[str, str]()
    for node in _top_level(_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: node.module for alias in node.names}
    return found


def _names(root: ast.AST) -> Iterator[str]:
    """Yield names, arguments (possible fixtures), and first words of strings (possible fixtures or commands)."""
    for node in ast.walk(root):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (word for word in node.value.split()[:1] if word.isidentifier())


def _is_pytestmark(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def _is_autouse(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any("autouse" in ast.unparse(each) for each in node.decorator_list)
