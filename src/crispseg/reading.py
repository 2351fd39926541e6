"""Reading files of strangers: whatever a parser raises at one is an input error that names it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from crispseg.errors import InputError, naming, one_line, ran_out_of_memory

_LONGEST = 200
"""Characters of what a parser says: some quote the file."""


@contextmanager
def parsed(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn whatever is raised while a file is read into an input error that names it.

    Parsers raise what they like at a file that is damaged or lies: the dozen kinds that one knows are never all.

    Args:
        path: The file.
        what: What it should be, such as "prediction".
        remedy: What is wrong with it as far as that is known, and what to do.

    Raises:
        InputError: For any exception.

    Example:
        >>> with parsed(Path("a.txt"), "list", "holds no number; write one"):
        ...     int("one")
        Traceback (most recent call last):
        crispseg.errors.InputError: list a.txt: holds no number; write one (ValueError: invalid literal ...)
    """
    try:
        with naming(path):
            yield
    except InputError:
        raise
    except Exception as error:
        if ran_out_of_memory(error):  # a header may claim any number of bytes
            remedy = "damaged, or larger than the memory of this machine; write it again, or smaller"
        said = one_line(error)
        said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
        kind = "" if said.startswith(type(error).__name__) else f"{type(error).__name__}: "
        raise InputError(f"{what} {path}: {remedy} ({kind}{said})") from error


def read_json(path: Path, what: str, remedy: str) -> Any:  # noqa: ANN401 - whatever it holds
    """Return the content of a JSON file.

    Raises:
        InputError: If it is not JSON, or nested too deeply.
    """
    with parsed(path, what, f"cannot be read as JSON; {remedy}"):
        return json.loads(path.read_text(encoding="utf-8"))


def read_safetensors(path: Path, what: str, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of a safetensors file by name, and the text beside them.

    They are copies. What the library opens by a path stays a view of the file: a file that is written anew would change
    tensors that were read long before, and one that is cut off would end the process.

    Raises:
        InputError: If it is no such file, or holds numbers that PyTorch does not know.
    """
    with parsed(path, what, f"not a safetensors file that can be read; {remedy}"):
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return tensors, header.get("__metadata__", {})
