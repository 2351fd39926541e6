"""Read files ahead in worker processes."""

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

from crispseg.errors import InputError
from crispseg.jobs.outcome import attempt
from crispseg.value_checks import check_natural

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(items: Sequence[T], read: Callable[[T], R], workers: int) -> Generator[R | InputError]:
    """Read items in order, in worker processes that read one item ahead each.

    A worker keeps an item until it is asked for, so at most `workers + 1` items are in memory. If a worker dies, only
    the item that it was reading is lost, and the worker is replaced. Closing the iterator ends all workers.

    Args:
        items: The items to read.
        read: A function that reads one item. It and the items must be picklable.
        workers: The number of processes; 0 reads in this process.

    Yields:
        The results of `read`, or the InputError that it raised.

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
        # Each worker has one more item in its queue, so that it continues as soon as it has sent its result.
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
    """An unexpected error in a worker, which is a bug."""

    traceback: str


class _Reader(Generic[T, R]):
    """A worker process and this process's end of the pipe to it."""

    def __init__(self, read: Callable[[T], R]) -> None:
        self._read = read
        self._ready = False
        self._asked: deque[T] = deque()
        self._start()

    def ask(self, item: T) -> None:
        """Ask the worker to read an item after those before it."""
        self._asked.append(item)
        with suppress(OSError):  # the worker has died, which `answer` will notice
            self._pipe.send(item)

    def answer(self) -> R | InputError:
        """Return the result of the first item that is still unanswered."""
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
        """End the process; it only reads, so nothing is lost."""
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def _start(self) -> None:
        # The process is spawned, since a forked copy of this one would lack its threads.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._read), daemon=True)
        self._ready = False
        with _interrupts_ignored():
            self._process.start()
        theirs.close()

    def _replace(self) -> InputError:
        """Restart the worker with the remaining items, and return the error of the item that was lost."""
        self._process.join()
        code = self._process.exitcode or 0
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if not self._ready:
            raise InputError(
                f"a worker process ended before it started to work ({ended}); put the code of your script under `if "
                "__name__ == '__main__':`, or use 0 workers"
            )
        self._asked.popleft()
        left, self._asked = self._asked, deque()
        self._pipe.close()
        self._start()
        for item in left:
            self.ask(item)
        return InputError(
            f"the process that read it ended with {ended}; check whether the file is damaged, or free some memory"
        )


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Make processes started in this context ignore Ctrl-C; this process handles it and ends them."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can set signal handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, read: Callable[[Any], Any]) -> None:
    """Read requested items until the pipe is closed; this runs in the worker process."""
    torch.set_num_threads(1)  # leave the cores to the filter
    with suppress(EOFError, OSError):  # the parent process has closed the pipe or ended
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
    """A pickler that copies tensors as bytes; PyTorch would use shared memory, which is scarce in containers."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - as pickle says
        if not isinstance(value, Tensor):
            return NotImplemented
        # The dimensions are ordered as in memory, so that the copy has the original strides and gives the same bits.
        order = sorted(range(value.ndim), key=value.stride, reverse=True)
        return _tensor, (value.permute(order).numpy(), [order.index(dim) for dim in range(value.ndim)])


def _tensor(array: np.ndarray, order: list[int]) -> Tensor:
    return torch.from_numpy(array).permute(order)
