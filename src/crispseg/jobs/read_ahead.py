"""Reading files in processes of their own, a few ahead of the one who needs them."""

import io
import multiprocessing
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from crispseg.checks import check_natural
from crispseg.errors import InputError
from crispseg.jobs.outcome import attempt

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(items: Sequence[T], read: Callable[[T], R], workers: int) -> Generator[R | InputError]:
    """Read items in order, in worker processes that are ahead by one item each.

    A worker that has read an item keeps it until it is asked for: there are never more than `workers + 1` in memory. A
    worker that dies costs the item that it was reading, and is replaced. When the iterator is closed, all have ended.

    Args:
        items: What to read.
        read: Reads one; a function of a module, and so are its items, so that they can be sent.
        workers: Number of processes; 0 reads in this one.

    Yields:
        What `read` returned, or the InputError that it raised.

    Raises:
        InputError: If `workers` is negative, or a worker does not start.
        RuntimeError: If `read` raised anything else.
    """
    check_natural("workers", workers)
    if not workers:
        yield from (attempt(read, item) for item in items)
        return
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(_Reader(read))) for _ in range(min(workers, len(items)))]
        # One more than it can keep: it goes on as soon as it is rid of what it has.
        ahead = 2 * len(readers)
        for index, item in enumerate(items[:ahead]):
            readers[index % len(readers)].ask(item)
        for index in range(len(items)):
            reader = readers[index % len(readers)]
            result = reader.answer()
            if index + ahead < len(items):
                reader.ask(items[index + ahead])
            yield result


class _Fault(NamedTuple):
    """An error that is ours, as the worker saw it."""

    traceback: str


class _Reader(Generic[T, R]):
    """A worker process and our end of the pipe to it."""

    def __init__(self, read: Callable[[T], R]) -> None:
        self._read = read
        self._ready = False
        self._asked: deque[T] = deque()
        self._start()

    def ask(self, item: T) -> None:
        """Let it read an item when it has been rid of those before."""
        self._asked.append(item)
        with suppress(OSError):  # it has died: `answer` finds out
            self._pipe.send(item)

    def answer(self) -> R | InputError:
        """What became of the first item that was asked for."""
        try:
            if not self._ready:
                self._ready = bool(self._pipe.recv_bytes())
            result = pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            return self._replace()
        self._asked.popleft()
        if isinstance(result, _Fault):
            raise RuntimeError(f"in a worker process:\n{result.traceback}")
        answer: R | InputError = result
        return answer

    def close(self) -> None:
        """End the process. It only reads, so that nothing is lost."""
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def _start(self) -> None:
        # A process of its own, not a copy of this one, whose threads would be missing in it.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._read), daemon=True)
        self._ready = False
        with _interrupts_ignored():
            self._process.start()
        theirs.close()

    def _replace(self) -> InputError:
        """Start anew with what is left to read; the error is that of the item that was lost."""
        self._process.join()
        code = self._process.exitcode or 0
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if not self._ready:
            raise InputError(
                f"a worker process ended before it began ({ended}); a script that starts some needs "
                "`if __name__ == '__main__':`, or take 0 workers"
            )
        self._asked.popleft()
        left, self._asked = self._asked, deque()
        self._pipe.close()
        self._start()
        for item in left:
            self.ask(item)
        return InputError(f"the process that read it ended with {ended}: it is damaged, or memory ran out")


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let a process that is started now not hear of Ctrl-C, which is for us: we end it."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, read: Callable[[Any], Any]) -> None:
    """What a worker process does: read what it is asked for until nobody asks."""
    torch.set_num_threads(1)  # the cores are the filter's
    with suppress(EOFError, OSError):  # who asked has gone
        pipe.send_bytes(b"ready")
        while True:
            item = pipe.recv()
            try:
                result = attempt(read, item)
            except Exception:
                result = _Fault(traceback.format_exc())
            pipe.send_bytes(_by_value(result))


def _by_value(result: object) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(result)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Sends tensors as their bytes. PyTorch would put them into shared memory, of which containers have little."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as pickle says
        if not isinstance(value, Tensor):
            return NotImplemented
        # In the order of memory, so that the copy has the strides of the original and gives the same bits.
        order = sorted(range(value.ndim), key=value.stride, reverse=True)
        return _tensor, (value.permute(order).numpy(), [order.index(dim) for dim in range(value.ndim)])


def _tensor(array: np.ndarray, order: list[int]) -> Tensor:
    return torch.from_numpy(array).permute(order)
