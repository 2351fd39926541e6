"""The wheel of `make wheel` serves an environment without compiler and sources; its metadata fits an index."""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import crispseg

ROOT = Path(__file__).parents[1]
DEPENDENCIES = {"numpy", "pillow", "rich", "safetensors", "torch"}

# Compiles the kernels, unless `make wheel` has done so. Wheels for other systems are built and tried by their workflow.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="repairs a wheel for Linux")]


@pytest.fixture(scope="module")
def dist() -> Path:
    import fcntl  # noqa: PLC0415 - Windows has none

    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / ".wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the processes that run tests side by side builds
        made = subprocess.run(
            ["make", "wheel", f"PYTHON={sys.executable}"], cwd=ROOT, check=False, capture_output=True, text=True
        )
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    return ROOT / "dist"


@pytest.fixture(scope="module")
def metadata(dist: Path) -> Message:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"crispseg-{crispseg.__version__}.dist-info/METADATA").decode())


class Environment:
    """A new environment with the wheel, which sees the other packages of this one and has nothing else on its path."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder)
        self.bin = folder / "bin"
        (site,) = folder.glob("lib/python*/site-packages")
        self.package = site / "crispseg"
        specs = [find_spec(name) for name in ("numpy", "PIL", "rich", "safetensors", "torch")]
        others = {Path(str(spec.origin)).parents[1] for spec in specs if spec is not None}
        (site / "others.pth").write_text("\n".join(sorted(map(str, others))))
        install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
        subprocess.run([sys.executable, "-m", "pip", "--python", str(self.bin / "python"), *install], check=True)

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(self.bin), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        command = [str(self.bin / "crispseg"), *arguments]
        return subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True)

    def files(self) -> set[Path]:
        return set(self.package.rglob("*"))


def test_kernels_are_built_into_the_wheel_and_serve_where_there_is_no_compiler(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*manylinux*.whl")
    environment = Environment(tmp_path / "fresh", wheel)
    before = environment.files()
    assert not any(shutil.which(name, path=str(environment.bin)) for name in ("c++", "g++", "clang++", "gcc", "cc"))
    assert environment.run(tmp_path, "--version").stdout == f"crispseg {crispseg.__version__}\n"
    info = environment.run(tmp_path, "info").stdout
    assert str(environment.package) in info
    assert info.count("C++ kernels") >= 9
    assert "reference" not in info

    halves = np.zeros((48, 64), dtype=np.uint8)
    halves[:, 30:] = 1
    Image.fromarray(halves * 200).convert("RGB").save(tmp_path / "photo.png")
    Image.fromarray(np.roll(halves, 3, 1)).save(tmp_path / "labels.png")
    command = ("sharpen", "photo.png", "--predictions", "labels.png", "--output", "out")
    sharpened = environment.run(tmp_path, *command)
    assert (sharpened.returncode, sharpened.stderr) == (0, "")
    with Image.open(tmp_path / "out" / "photo.png") as crisp:
        by_kernels = np.asarray(crisp)
    assert (by_kernels == halves).mean() > (np.roll(halves, 3, 1) == halves).mean()
    assert environment.files() == before, "a read-only installation serves, too"

    (kernels,) = environment.package.glob("_C*.so")
    kernels.write_bytes(b"of another machine")
    again = environment.run(tmp_path, *command[:-1], "again")
    assert again.returncode == 0
    (line,) = again.stderr.splitlines()
    assert line.startswith("crispseg: warning: ")
    assert "cannot be loaded on this machine" in line
    assert "install GCC or Clang" in line
    with Image.open(tmp_path / "again" / "photo.png") as crisp:
        np.testing.assert_array_equal(np.asarray(crisp), by_kernels)


def test_the_wheel_needs_little_and_says_what_an_index_shows(metadata: Message) -> None:
    needs = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert {need.partition(">=")[0].strip() for need in needs} == DEPENDENCIES
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(metadata.get_all("Classifier", []))
    text = str(metadata.get_payload())
    assert "    pip install crispseg " in text
    assert "pip install 'crispseg[data]'" in text
    assert "pip install ." not in text
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert links
    assert all(link.startswith("https://") for link in links), "files that only the sources have"


def test_the_source_distribution_has_what_builds_and_tests_it(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files", "src", "csrc"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) <= names
    assert {"CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "tests/test_wheel.py", "Makefile"} <= names
    assert not [
        name for name in names if name.startswith((".venv", "build/", "dist/", ".git/")) or name.endswith(".so")
    ]
