"""`crispseg boundaries`."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crispseg.cli.data import read_suffixes
from crispseg.cli.interruptions import check_report_file, resumable_by_file
from crispseg.cli.printing import print_tables, progress_bar
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.bsds500 import TRUTH_SUFFIXES
from crispseg.data.matching import find_files, match_files
from crispseg.evaluation import evaluate_boundaries
from crispseg.evaluation.kept_counts import KeptCounts, sha256_of
from crispseg.writing import check_output_file, write_text


def run(options: Namespace) -> None:
    """Run the command."""
    suffixes = read_suffixes(options)
    truths = find_files(options.truth, TRUTH_SUFFIXES, "ground truth", suffixes.label)
    maps = match_files(truths, options.predictions, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
    if options.json is not None:
        check_report_file(options.json, options.resume, [*truths.values(), *maps])
    if options.resume is not None:
        check_output_file(options.resume, [*truths.values(), *maps])
    with progress_bar() as progress, resumable_by_file(options.resume):
        kept = None if options.resume is None else KeptCounts(options.resume, _settings(options, truths, maps))
        report = evaluate_boundaries(
            maps,
            list(truths.values()),
            names=list(truths),
            thresholds=options.thresholds,
            max_distance=options.max_distance,
            thinned=options.thinned,
            workers=options.workers,
            kept=kept,
            progress=progress,
        )
    if options.json is not None:
        write_text(options.json, report.as_json())
    print_tables(report.table())


def _settings(options: Namespace, truths: Mapping[str, Path], maps: Sequence[Path]) -> dict[str, Any]:
    """Return what the counts depend on."""
    settings = {name: getattr(options, name) for name in ("thresholds", "max_distance", "thinned")}
    digests = {"sha256 of boundary maps": sha256_of(maps), "sha256 of truth": sha256_of(truths.values())}
    return {"counted by": "boundaries", "names": list(truths), **settings, **digests}
