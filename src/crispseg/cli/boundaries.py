"""`crispseg boundaries`."""

from argparse import Namespace

from crispseg.cli.data import read_suffixes
from crispseg.cli.printing import print_tables, progress_bar
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.bsds500 import TRUTH_SUFFIXES
from crispseg.data.matching import find_files, match_files
from crispseg.evaluation import evaluate_boundaries
from crispseg.writing import check_output_file, write_text


def run(options: Namespace) -> None:
    """Run the command."""
    suffixes = read_suffixes(options)
    truths = find_files(options.truth, TRUTH_SUFFIXES, "ground truth", suffixes.label)
    maps = match_files(truths, options.predictions, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
    if options.json is not None:
        check_output_file(options.json, [*truths.values(), *maps])
    with progress_bar() as progress:
        report = evaluate_boundaries(
            maps,
            list(truths.values()),
            names=list(truths),
            thresholds=options.thresholds,
            max_distance=options.max_distance,
            thinned=options.thinned,
            processes=options.processes,
            progress=progress,
        )
    if options.json is not None:
        write_text(options.json, report.as_json())
    print_tables(report.table())
