"""Peak memory of one call above its inputs and outputs.

On CUDA PyTorch counts it. On a CPU it is the resident set of a process of its own that counts, since kernels need not
allocate through PyTorch. Four things make that honest:

- The peak of a process outlives `exec`: `getrusage` would give a child the peak of the parent that started it. The
  kernel's own count for one address space, `VmHWM`, does not, and it can be set back before the call.
- The allocator keeps freed blocks, and a call that takes one of them raises no peak. A fixed, low threshold makes every
  tensor a mapping of its own, which goes back when it is freed; forked processes inherit it from the fork server.
- BenchmarkInputs are written before the call, or their pages would count when the call first reads them.
- A call on a tiny input comes first: libraries and threads are not what is measured.

Outputs are allocated inside the call and subtracted, all of them, even if the peak came before the last was there: what
is left is what has to be free beside inputs and outputs. The count is good to about a megabyte.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection

import torch
from torch import Tensor

from benchmarks.cases import Call, prepared, row_named
from benchmarks.inputs import BenchmarkInputs, Problem
from crispseg.process_memory import forget_peak, is_counted, mapped_blocks, peak_bytes, resident_bytes


def peak_above(row: str, contender: str, direction: str, problem: Problem) -> int | None:
    """Bytes above inputs and outputs; None where they cannot be measured, or the memory was too small for them.

    Raises:
        RuntimeError: If the call failed for another reason.
    """
    if torch.device(problem.device).type == "cuda":
        return _peak(row, contender, direction, problem)
    if not is_counted():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.memory", "sympy"])  # PyTorch's first gradient imports the latter
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, row, contender, direction, problem), daemon=True)
    with mapped_blocks(), _ignored_interrupts():
        forkserver.ensure_running()
    process.start()
    sender.close()
    try:
        peak: int | None = receiver.recv()
    except EOFError:
        peak = None
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):  # what the system ends when memory is short
        raise RuntimeError(f"the memory of {row}, {direction}, {contender} could not be measured: see the error above")
    return peak


def _report(sender: Connection, row: str, contender: str, direction: str, problem: Problem) -> None:
    peak = _peak(row, contender, direction, problem)
    with contextlib.suppress(BrokenPipeError):  # the parent was interrupted
        sender.send(peak)


def _peak(row_name: str, contender_name: str, direction: str, problem: Problem) -> int | None:
    row = row_named(row_name)
    contender = row.contender(contender_name)
    tiny = replace(problem, size=2 * problem.window_size)
    try:
        prepared(row, contender, direction, BenchmarkInputs(tiny))()
        call = prepared(row, contender, direction, BenchmarkInputs(problem))
        return _on_gpu(call) if torch.device(problem.device).type == "cuda" else _on_cpu(call)
    except RuntimeError as error:
        if "memory" not in str(error).lower():
            raise
        return None


def _on_cpu(call: Call) -> int:
    with contextlib.suppress(OSError):  # where it is not allowed, an earlier peak can only make the result larger
        forget_peak()
    before = resident_bytes()
    outputs = call()
    return peak_bytes() - before - _size(outputs)


def _on_gpu(call: Call) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    outputs = call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before - _size(outputs)


def _size(outputs: tuple[Tensor, ...]) -> int:
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in outputs}
    return sum(storages.values())


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """A process started now has no interest in Ctrl-C, since its parent ends it."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
