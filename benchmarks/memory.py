"""Peak memory of one call above its inputs and outputs.

On CUDA, PyTorch counts it. On a CPU, it is the growth of the resident set of a separate process, since kernels may
allocate without PyTorch. Four measures keep the numbers honest:

- The peak of a process survives `exec`, so `getrusage` would report a parent's peak for its child. The kernel's count
  for one address space, `VmHWM`, does not survive, and it can be reset before the call.
- The allocator keeps freed blocks, and a call that reuses them does not raise the peak. A fixed, low threshold makes
  every tensor a mapping of its own, which is unmapped when it is freed. Forked processes inherit the threshold from the
  fork server.
- `BenchmarkInputs` are written before the call; otherwise their pages would count when the call first reads them.
- A call on a tiny input comes first, so that loading libraries and starting threads do not count.

Outputs are allocated inside the call. All of them are subtracted, even if the peak came before the last one existed, so
the result is the memory that must be free beside inputs and outputs. It is accurate to about a megabyte.
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

from benchmarks.cases import row_named
from benchmarks.contenders import Call, prepared
from benchmarks.inputs import BenchmarkInputs, Problem
from crispseg.process_memory import forget_peak, is_counted, mapped_blocks, peak_bytes, resident_bytes


def peak_above(row: str, contender: str, direction: str, problem: Problem) -> int | None:
    """Measure the peak in bytes above inputs and outputs; return None if it is unknown or memory ran out.

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
    if process.exitcode not in (0, -signal.SIGKILL):  # the system kills processes when memory runs out
        raise RuntimeError(f"the memory of {row}, {direction}, {contender} could not be measured: see the error above")
    return peak


def _report(sender: Connection, row: str, contender: str, direction: str, problem: Problem) -> None:
    peak = _peak(row, contender, direction, problem)
    with contextlib.suppress(BrokenPipeError):  # the parent was interrupted
        sender.send(peak)


def _peak(row_name: str, contender_name: str, direction: str, problem: Problem) -> int | None:
    row = row_named(row_name)
    contender = row.contender(contender_name)
    tiny = replace(problem, size=2 * problem.window_size, image_size=(16, 24))
    try:
        prepared(row, contender, direction, BenchmarkInputs(tiny))()
        call = prepared(row, contender, direction, BenchmarkInputs(problem))
        return _on_gpu(call) if torch.device(problem.device).type == "cuda" else _on_cpu(call)
    except RuntimeError as error:
        if "memory" not in str(error).lower():
            raise
        return None


def _on_cpu(call: Call) -> int:
    with contextlib.suppress(OSError):  # if not allowed, an earlier peak can only make the result larger
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
    """Start processes that ignore Ctrl-C, since their parent ends them."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
