"""Reading untrusted files: every exception of a parser becomes an input error that names the file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crispseg.errors import InputError, naming, one_line, ran_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST = 200
"""The longest message of a parser that is quoted, in characters; some parsers quote the file."""


@contextmanager
def parsed(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn any exception raised while a file is read into an input error that names the file.

    Parsers raise many kinds of exceptions for damaged or hostile files, so no list of them would be complete.

    Args:
        path: The file.
        what: The expected kind of file, such as "prediction".
        remedy: The likely fault of the file and how to fix it.

    Raises:
        InputError: For any exception.

    Example:
        >>> with parsed(Path("a.txt"), "list", "holds no number; write one"):
        ...     int("one")
        Traceback (most recent call last):
        crispseg.errors.InputError: list a.txt: holds no number; write one (ValueError: invalid literal ...)
    """
    with understood(f"{what} {path}", remedy), naming(path):
        yield


@contextmanager
def understood(what: str, remedy: str) -> Iterator[None]:
    """Turn any exception raised while something is read into an input error: what it was, and the remedy.

    Raises:
        InputError: For any exception.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if ran_out_of_memory(error):  # a header may claim any number of bytes
            remedy = "damaged, or larger than this machine's memory; write it again, or write a smaller file"
        raise InputError(f"{what}: {remedy} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, without its path or its content."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    said = one_line(error)
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
    return said if said.startswith(type(error).__name__) else f"{type(error).__name__}: {said}"


def read_text(path: Path, what: str, remedy: str) -> str:
    """Return the content of a UTF-8 text file, without a byte order mark.

    Raises:
        InputError: If it cannot be read as text.
    """
    with parsed(path, what, remedy):
        return path.read_text(encoding="utf-8-sig")


def read_json(path: Path, what: str, remedy: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the content of a JSON file.

    Raises:
        InputError: If it is not JSON, or nested too deeply.
    """
    with parsed(path, what, f"cannot be read as JSON; {remedy}"):
        return json.loads(path.read_text(encoding="utf-8-sig"))


def read_safetensors(path: Path, what: str, remedy: str) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Read a safetensors file: its tensors and its metadata, both by name.

    The tensors are copies. If the library opened the path itself, they would be views of the file: rewriting the file
    would change tensors read earlier, and truncating it would crash the process.

    Raises:
        InputError: If it is not a safetensors file, or has a dtype that PyTorch does not know.
    """
    import safetensors.torch  # noqa: PLC0415 - `--help` reads texts without waiting for PyTorch

    with parsed(path, what, f"not a safetensors file that can be read; {remedy}"):
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return tensors, header.get("__metadata__", {})
