"""Compile every Triton kernel for a GPU, which needs none; prints what was compiled, a line each.

    env -u TRITON_INTERPRET python -m tests.ops.compiled

The interpreter that serves where there is no GPU takes Python that the compiler refuses.
"""

import sys
from typing import Any
from unittest import mock

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from crispseg import Window
from tests.ops.contract import OPERATIONS, Operation
from tests.ops.served import Server, served_by

TARGET = GPUTarget("cuda", 90, 32)
_OPTIONS = ("num_warps", "enable_fp_fusion")
_TYPES = {
    torch.float64: "*fp64",
    torch.float32: "*fp32",
    torch.bfloat16: "*bf16",
    torch.int64: "*i64",
    torch.int32: "*i32",
    torch.int8: "*i8",
    torch.uint8: "*u8",
    torch.bool: "*i1",
}


def compile_instead(kernel: JITFunction[Any], *arguments: Any, grid: Any, warmup: bool, **constants: Any) -> None:
    """In place of a launch; results stay as they are in memory."""
    options = {name: constants.pop(name) for name in _OPTIONS if name in constants}
    given = dict(zip(kernel.arg_names, arguments, strict=False)) | constants
    signature = {name: _type(name, value, constants) for name, value in given.items()}
    fixed = {(kernel.arg_names.index(name),): given[name] for name, kind in signature.items() if kind == "constexpr"}
    aligned = {
        (kernel.arg_names.index(name),): [["tt.divisibility", 16]]
        for name, kind in signature.items()
        if kind.startswith("*")
    }
    source = ASTSource(fn=kernel, signature=signature, constexprs=fixed, attrs=aligned)
    compiled = triton.compile(source, target=TARGET, options=options)
    sys.stdout.write(f"{kernel.__name__}, {len(compiled.asm['cubin'])} bytes\n")


def _type(name: str, value: object, constants: dict[str, Any]) -> str:
    if name in constants or value is None or (isinstance(value, int) and value == 1):  # as a launch specialises
        return "constexpr"
    if isinstance(value, Tensor):
        return _TYPES[value.dtype]
    return "fp32" if isinstance(value, float) else "i32"


def run(op: Operation, options: dict[str, Any], dtype: torch.dtype) -> None:
    """An operation and its gradients, for what they launch."""
    drawn = op.draw(torch.Generator().manual_seed(0), (2, 5, 6, 7), Window(3))
    inputs = [x.to(dtype).requires_grad_() if x.is_floating_point() else x for x in drawn]
    with torch.no_grad():  # also laid as kernels do not read them, which another kernel mends
        op.call(*(_channels_last(x) for x in inputs), Window(3), **options)
    result = op.call(*inputs, Window(3), **options)
    if result.requires_grad:
        result.sum().backward()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def main() -> None:
    """Every operation in float32, with options that differ most."""
    with served_by(Server("triton")), mock.patch.object(JITFunction, "run", compile_instead):
        for op in OPERATIONS:
            for options in op.options[:: max(1, len(op.options) - 1)]:
                run(op, options, torch.float32)


if __name__ == "__main__":
    main()
