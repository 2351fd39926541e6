"""The notebooks run from the first cell to the last, and are kept without what came out."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import crispseg
from tests.commands import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def names(path: Path) -> str:
    return path.stem


def test_both_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["affinities", "sharpen"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel, which works in the folder of the notebook, imports what the tests import.
    monkeypatch.setenv("PYTHONPATH", str(Path(crispseg.__file__).parents[1]))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, startup_timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert pictures, "what it draws is shown"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
