"""A missing optional package is an error that says what to install, wherever it is imported."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import crispseg
from crispseg import InputError
from crispseg.data.raster.opening import rasterio_
from crispseg.extras import EXTRAS
from crispseg.inference import DenseCRF

SOURCES = Path(crispseg.__file__).parent


def dense_crf() -> None:
    DenseCRF(4, 20, 3, 1, 1)(torch.full((1, 2, 4, 4), 0.5), torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("package", "use", "extra"),
    [
        ("pydensecrf", dense_crf, "crf"),
        ("pydensecrf.densecrf", dense_crf, "crf"),
        ("rasterio", rasterio_, "raster"),
        ("huggingface_hub", lambda: crispseg.Sharpener.from_pretrained("owner/name"), "hub"),
    ],
)
def test_python_is_told_what_to_install(
    package: str, use: Callable[[], object], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, loaded, None)  # another test may have imported it
    with pytest.raises(InputError, match=rf"{package}.*pip install 'crispseg\[{extra}\]'"):
        use()


@pytest.mark.parametrize(
    ("room", "package", "extra"), [("training", "lightning", "train"), ("figures", "matplotlib", "figures")]
)
def test_so_is_who_imports_a_room_that_needs_one(room: str, package: str, extra: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; import crispseg.{room}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert f"InputError: No module named '{package}" in last
    assert f"pip install 'crispseg[{extra}]'" in last


def imports_in_functions() -> Iterator[tuple[str, str, bool]]:
    """File, module, and whether a `with optional_packages()` is around it."""

    def walk(node: ast.AST, name: str, *, inside: bool, named: bool) -> Iterator[tuple[str, str, bool]]:
        if isinstance(node, ast.Import | ast.ImportFrom) and inside:
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((name, module, named) for module in modules)
        inside = inside or isinstance(node, ast.FunctionDef)
        named = named or (isinstance(node, ast.With) and "optional_packages" in ast.unparse(node.items[0]))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, name, inside=inside, named=named)

    for path in SOURCES.rglob("*.py"):
        yield from walk(ast.parse(path.read_text()), str(path.relative_to(SOURCES)), inside=False, named=False)


def test_every_import_of_an_optional_package_in_a_function_says_what_to_install() -> None:
    optional = [
        (file, module, named) for file, module, named in imports_in_functions() if module.split(".")[0] in EXTRAS
    ]
    assert len(optional) > 10
    assert [(file, module) for file, module, named in optional if not named] == []


def test_every_extra_is_one_of_the_package() -> None:
    project = tomllib.loads((SOURCES.parents[1] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])
