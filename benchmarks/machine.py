"""Description of the machine, without anything private: no names of hosts, users or folders."""

import datetime
import platform
import re
import subprocess
from pathlib import Path

import torch

import crispseg
from crispseg import ops
from crispseg.ops.implementations import describe
from crispseg.versions import installed_versions

_FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vnni", "amx_tile", "neon", "asimd", "sve")
_WIDEST = ("avx512f", "avx2", "sve", "asimd")
_PACKAGES = ("torch", "triton", "kornia", "numpy")
_ROOT = Path(__file__).parents[1]
_WRITTEN = ":(exclude)benchmarks/results"


def description(device: str) -> dict[str, str]:
    """Return processor, threads, versions, date and commit as text."""
    flags = _cpu_info("flags", "Features").split()
    facts = {
        "device": _device_name(device),
        "processor": _processor(),
        "flags": " ".join(flag for flag in _FLAGS if flag in flags) or "unknown",
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "crispseg": crispseg.__version__,
    }
    facts |= installed_versions(_PACKAGES)
    facts["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    changed = {"": "no", "unknown": "unknown"}.get(_git("status", "--porcelain", "-uno", "--", ".", _WRITTEN), "yes")
    return facts | {"commit": _git("rev-parse", "--short=10", "HEAD"), "uncommitted changes": changed}


def served_by(device: str) -> dict[str, str]:
    """Return the implementation that serves each operation."""
    return {name: describe(name, torch.device(device).type) for name in ops.__all__}


def slug(device: str) -> str:
    """Return a file name for the kind of machine, such as amd-epyc-avx2-2-threads or nvidia-h200."""
    if torch.device(device).type == "cuda":
        return _slugged(_device_name(device))
    flags = _cpu_info("flags", "Features").split()
    widest = next((flag for flag in _WIDEST if flag in flags), platform.machine())
    return _slugged(f"{_processor()} {widest} {torch.get_num_threads()} threads")


def _slugged(words: str) -> str:
    """Reduce text to lower-case letters, digits and hyphens.

    >>> _slugged("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz")
    'intel-xeon-platinum-8375c'
    """
    plain = re.sub(r"\((r|tm)\)| cpu\b| @ \S+", "", words.lower())
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else _processor()


def _processor() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(*keys: str) -> str:
    """Return the value of the first of these keys in /proc/cpuinfo; empty if there is none."""
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else []:
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""


def _git(*arguments: str) -> str:
    """Return what git says of these sources; unknown if there is no git, or they are no checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return "unknown" if done.returncode else done.stdout.strip()
