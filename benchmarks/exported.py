"""Compare an exported sharpener in onnxruntime with PyTorch, in turns: time, peak memory, differences and file size.

python -m benchmarks.exported
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch

from crispseg import Sharpener
from crispseg.defaults import EXPORT_OPERATORS, Operators
from crispseg.export import export_onnx, native_library
from crispseg.process_memory import forget_peak, is_counted, peak_bytes, resident_bytes

Call = Callable[[], np.ndarray]


class Timed(NamedTuple):
    """The result, time and peak memory of one way to run a sharpener."""

    result: np.ndarray
    milliseconds: float
    peak: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    given = {name: getattr(options, name) for name in ("window", "passes") if getattr(options, name) is not None}
    sharpener = Sharpener.from_pretrained(**given)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        sessions = {}
        for operators in options.operators:
            path = Path(folder) / f"{operators}.onnx"
            sessions[f"onnxruntime, {operators} operators"] = session_of(sharpener, path, operators, options.threads)
            print(f"file with {operators} operators: {path.stat().st_size / 1e6:.2f} MB")
        for num_classes in options.num_classes:
            print(f"{options.width}×{options.height}, {num_classes} classes")
            _compare(sharpener, sessions, _inputs(options, num_classes), options.runs)
    return 0


def _compare(
    sharpener: Sharpener,
    sessions: dict[str, onnxruntime.InferenceSession],
    inputs: tuple[torch.Tensor, torch.Tensor],
    runs: int,
) -> None:
    """Print what each way takes, beside PyTorch."""
    given = dict(zip(("image", "scores"), (value.numpy() for value in inputs), strict=True))
    calls: dict[str, Call] = {"PyTorch": lambda: sharpener(*inputs).numpy()}
    for name, session in sessions.items():
        calls[name] = lambda session=session: session.run(None, given)[0]  # type: ignore[misc]
    measured = _measured(calls, runs)
    expected, least, _ = measured["PyTorch"]
    for name, (result, milliseconds, peak) in measured.items():
        difference = np.abs(np.exp(result) - np.exp(expected)).max()
        print(
            f"  {name:<33} {milliseconds:7.0f} ms, {milliseconds / least:5.2f} × PyTorch, peak {peak}, probabilities "
            f"within {difference:.0e}"
        )


def _measured(calls: dict[str, Call], runs: int) -> dict[str, Timed]:
    """Run all in turns, once to warm up; the times are medians."""
    results, peaks = {}, {}
    for name, call in calls.items():
        before = resident_bytes() if is_counted() else 0
        if is_counted():
            forget_peak()
        results[name] = call()
        peaks[name] = f"{(peak_bytes() - before) / 2**20:.0f} MiB" if is_counted() else "not counted here"
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timed(results[name], 1000 * statistics.median(seconds[name]), peaks[name]) for name in calls}


def _inputs(options: argparse.Namespace, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image and scores; those of all classes but the first `options.present` are very small."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, options.height, options.width, generator=generator)
    scores = 5 * torch.randn(1, num_classes, *(-(-side // 8) for side in image.shape[2:]), generator=generator)
    scores[:, options.present :] -= 50
    return image, scores


def session_of(sharpener: Sharpener, path: Path, operators: Operators, threads: int) -> onnxruntime.InferenceSession:
    """Export a sharpener, and return a session that runs it; on 0 threads, on those that onnxruntime takes."""
    export_onnx(sharpener, path, operators=operators)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if operators == "custom":
        options.register_custom_ops_library(str(native_library()))
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exported", description=__doc__)
    shown = "(default: %(default)s)"
    for name, default in (("height", 360), ("width", 480), ("runs", 5)):
        parser.add_argument(f"--{name}", type=int, default=default, help=shown)
    parser.add_argument("--num-classes", type=int, nargs="+", default=[11, 150], help=shown)
    parser.add_argument("--present", type=int, default=150, help=f"of them, how many are in the image {shown}")
    parser.add_argument("--threads", type=int, default=0, help="0 for those that each takes by itself")
    parser.add_argument("--operators", nargs="+", choices=EXPORT_OPERATORS, default=EXPORT_OPERATORS, help=shown)
    parser.add_argument("--window", help="in place of the sharpener's windows, like --passes")
    parser.add_argument("--passes", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
