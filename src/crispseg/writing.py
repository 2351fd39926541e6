"""Writing files atomically, with the same bytes for the same content."""

import errno
import json
import os
import re
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crispseg.errors import InputError, OutputError

_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""The names of dtypes in safetensors files."""

_LEFT_OVER = re.compile(r"\.(.+)\.\d+\.part\.\w+(-journal)?")
"""The pattern of temporary file names, with that of a GeoPackage's journal; the group is the stem of the target."""


Identity = tuple[int, int]
"""The device and inode of a file or folder, which are the same for all its names."""


def identity(path: Path) -> Identity:
    """Return the identity of the file that a path leads to, following links.

    Raises:
        OSError: If the file does not exist or cannot be accessed.
    """
    status = path.stat()
    return status.st_dev, status.st_ino


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Refuse to overwrite an input file, by its own name or through a link."""
    there = {}
    for target in targets:
        with suppress(OSError):  # the target does not exist yet
            there[identity(target)] = target
    for read in inputs if there else ():
        with suppress(OSError):  # reading the input will report the error
            if read is not None and (same := there.get(identity(read))) is not None:
                raise InputError(f"output {same}: is also an input and would be overwritten; choose another place")


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be created or written to; nothing is written.

    Raises:
        OutputError: If it cannot.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _no_folder(folder, error) from error


def make_folder(folder: Path) -> None:
    """Create a folder to write into.

    Raises:
        OutputError: If it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _no_folder(folder, error) from error


def _no_folder(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"output folder {folder}: cannot be written to ({error.strerror or error}); choose another")


def check_writable(path: Path) -> None:
    """Refuse to replace anything but a regular file.

    Raises:
        InputError: If the path is a folder or a device.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file; give the name of a file to write")


def check_output_file(path: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse an output file that cannot be written, before the work starts; nothing is written.

    Args:
        path: The output file.
        inputs: The files that are read to make it.

    Raises:
        InputError: If its folder cannot be created or written to, the path is not a regular file, or it is one of the
            inputs.
    """
    check_folder(path.absolute().parent)
    check_writable(path)
    refuse_inputs([path], inputs)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` at the end, or remove it if the writing fails.

    A link is followed: the file that it points to is replaced. A missing folder is created.

    Raises:
        OutputError: If the file cannot be written.
        InputError: If the path is not a regular file, or the name is too long.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> with written_whole(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    target = path.resolve()
    check_writable(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        _remove(temporary)


def remove_left_over(folder: Path, stems: Container[str]) -> None:
    """Remove the temporary files left by a process that was killed while writing.

    Args:
        folder: The folder that holds them.
        stems: The stems of the target files; temporary files of other targets stay.
    """
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        match = _LEFT_OVER.fullmatch(path.name)
        if match and match[1] in stems:
            _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):  # such as a disk that became read-only; the first error was reported already
        path.unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> InputError:
    reason = error.strerror or str(error)
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{path}: cannot be written ({reason}); give it a shorter name")
    full = any(words in reason.lower() for words in ("space left", "quota", "too large"))
    advice = "make room on the disk" if full else "check its permissions"
    return OutputError(f"{path}: cannot be written ({reason}); {advice}, or choose another folder")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        InputError: If it cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file.

    Raises:
        OutputError: If it cannot be written.
    """
    appended(path, f"{line}\n".encode())


def appended(path: Path, content: bytes) -> int:
    """Append to a file, and return where it ends then.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        with path.open("ab") as file:
            file.write(content)
            return file.tell()
    except OSError as error:
        raise _not_written(path, error) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically.

    The same tensors and metadata produce the same bytes. The library's own writer does not guarantee that: its order of
    the metadata is random.

    Args:
        path: The file to write.
        tensors: Tensors by name, on any device and of any layout.
        metadata: Free text by name.

    Raises:
        OutputError: If the file cannot be written.
        TypeError: If safetensors has no such dtype.

    Example:
        >>> from safetensors.torch import load_file
        >>> path = getfixture("tmp_path") / "a.safetensors"
        >>> write_tensors(path, {"scores": torch.arange(3.0)}, {"kind": "logits"})
        >>> load_file(path)["scores"]
        tensor([0., 1., 2.])
    """
    # The widest dtypes come first, as in the library, so that each tensor starts at a multiple of its own width.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header = _header(ordered, metadata)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _, tensor in ordered:
            if tensor.numel():
                flat = tensor.detach().cpu().contiguous().reshape(-1)
                file.write(flat.view(torch.uint8).numpy().data)


def _header(ordered: list[tuple[str, Tensor]], metadata: Mapping[str, str] | None) -> bytes:
    """Return the header, padded with spaces to a multiple of 8 bytes (github.com/huggingface/safetensors#format)."""
    content: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name, tensor in ordered:
        if tensor.dtype not in _NAMES:
            raise TypeError(f"{name} is {tensor.dtype}; expected one of {', '.join(map(str, _NAMES))}")
        start, end = end, end + tensor.numel() * tensor.element_size()
        content[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)
