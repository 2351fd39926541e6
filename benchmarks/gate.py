"""Contract tests that run first, so that operations with wrong results are not timed."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch

ROOT = Path(__file__).parents[1]
_FILES = ("test_contract.py", "test_joint_upsample.py", "test_without_gradient.py")
CONTRACTS = tuple(ROOT / "tests" / "ops" / name for name in _FILES)


def red_operations(
    names: Collection[str], tests: Sequence[Path] = CONTRACTS, *, only: str = "", seconds: float | None = None
) -> set[str]:
    """Run the contract tests of some operations; return the operations that fail or have no tests.

    Args:
        names: The operations.
        tests: The files of the tests.
        only: A further condition on their names, as pytest's `-k` takes it.
        seconds: How long the tests may take.

    Raises:
        TimeoutExpired: If they take longer.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # Interpreted GPU kernels are not timed here, and take minutes.
        interpreted = "" if torch.cuda.is_available() else " and not triton"
        chosen = f"({' or '.join(sorted(names))}){interpreted}" + (f" and ({only})" if only else "")
        command = [sys.executable, "-m", "pytest", *map(str, tests), "-k", chosen, "-q", "-p", "no:cacheprovider"]
        subprocess.run([*command, f"--junitxml={report}"], cwd=ROOT, capture_output=True, check=False, timeout=seconds)
        if not report.exists():
            return set(names)
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    good: set[str] = set()
    bad: set[str] = set()
    for case in cases:
        concerned = _concerned(case, set(names))
        broken = case.find("failure") is not None or case.find("error") is not None
        (bad if broken else good).update(concerned)
    return set(names) - (good - bad)


def _concerned(case: ElementTree.Element, names: set[str]) -> set[str]:
    """Return the operations named in a test's parameters, else in its file's name, else all operations."""
    parameters = re.findall(r"[a-z_]+", case.get("name", "").partition("[")[2])
    file = case.get("classname", "").rpartition("test_")[2]
    return names.intersection(parameters) or names.intersection([file]) or names
