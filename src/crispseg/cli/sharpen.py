"""`crispseg sharpen`."""

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from crispseg.cli.data import read_suffixes
from crispseg.cli.interruptions import resumable
from crispseg.cli.printing import progress_bar
from crispseg.cli.stages import build_stages, describe_stages, files_of_weights, scores_of_files
from crispseg.data.intensity import parse_range
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
from crispseg.jobs import Failed, Outcome, Outputs, RayCluster, Skipped, ThisMachine, Written, sharpen_files
from crispseg.jobs.resuming import SETTINGS_FILE
from crispseg.process_memory import keep_freed


def run(options: Namespace) -> int:
    """Run the command."""
    runner = _runner(options)
    stages = build_stages(options)
    if stages.sharpener is None and options.memory is not None:
        raise InputError("--memory does not go with --cue none, which filters nothing; leave one of them out")
    steady = _steady(options, stages.sharpener)
    if options.memory is None:
        keep_freed()
    with progress_bar("images") as progress, resumable(options.output / SETTINGS_FILE), _counted() as counts:

        def note(outcome: Outcome) -> None:
            counts[type(outcome)] += 1
            _report(outcome)

        sharpen_files(
            options.images,
            options.predictions,
            Outputs(options.output, pictures=not options.no_pictures, scores=options.save_scores),
            stages.sharpener,
            boundaries=options.boundaries,
            steady=steady,
            crf=stages.crf,
            memory=options.memory,
            scores=scores_of_files(options, stages.sharpener),
            grid=getattr(options, "grid", None),
            value_range=parse_range(options.range),
            suffixes=read_suffixes(options),
            resume=options.resume,
            strict=options.strict,
            settings=describe_stages(options, stages),
            read=files_of_weights(options),
            runner=runner,
            on_outcome=note,
            progress=progress,
        )
    return 1 if counts[Failed] else 0


def _runner(options: Namespace) -> ThisMachine | RayCluster:
    if options.ray is None:
        return ThisMachine(options.workers)
    return RayCluster(options.ray, actors=options.workers, device=options.device)


def _steady(options: Namespace, sharpener: Sharpener | None) -> SteadySharpener | None:
    given = {"reach": options.steady_reach, "past": options.steady_past}
    given = {name: value for name, value in given.items() if value is not None}
    if not options.steady:
        if given:
            raise InputError(f"--steady-{next(iter(given))} is given without --steady; add --steady, or leave it out")
        return None
    if sharpener is None:
        raise InputError("--steady does not go with --cue none, which compares no pixels; leave one of them out")
    return SteadySharpener(sharpener, **given)


def _report(outcome: Outcome) -> None:
    if isinstance(outcome, Failed):
        print(f"crispseg sharpen: passed over: {outcome.reason}", file=sys.stderr)
    if isinstance(outcome, Written):
        line = f"{100 * outcome.changed:.1f} % of the pixels changed, {1000 * outcome.seconds:.0f} ms"
        print(f"{outcome.labels}  {line}")


@contextmanager
def _counted() -> Iterator[Counter[type]]:
    """Count outcomes by their kind, and say at the end, whichever it is, how many there were."""
    counts: Counter[type] = Counter()
    start = time.perf_counter()
    try:
        yield counts
    finally:
        if counts:
            rate = counts[Written] / (time.perf_counter() - start)
            kinds = {"sharpened": Written, "skipped": Skipped, "failed": Failed}
            said = ", ".join(f"{counts[kind]} {name}" for name, kind in kinds.items())
            print(f"{said}; {rate:.1f} images/s")
