"""`crispseg evaluate`."""

import math
from argparse import Namespace

from crispseg.cli.data import read_data, read_kept
from crispseg.cli.interruptions import check_report_file, resumable_by_file
from crispseg.cli.printing import print_remarks, print_tables, progress_bar
from crispseg.cli.stages import build_stages, describe_stages, files_of_weights, scores_of_files
from crispseg.evaluation import describe_losses, evaluate
from crispseg.evaluation.report import TRIMAP
from crispseg.jobs.resuming import settings_of
from crispseg.process_memory import keep_freed
from crispseg.writing import write_text


def run(options: Namespace) -> None:
    """Run the command."""
    keep_freed()
    stages = build_stages(options)
    data = read_data(options, scores_of_files(options, stages.sharpener))
    if options.json is not None:
        check_report_file(options.json, options.resume, [*data.read_from, *files_of_weights(options)])
    thin = data.classes_named("thin", options.thin) if options.thin else ()
    noted = {"counted by": "evaluate", "thin": list(thin), **settings_of(stages.sharpener, stages.crf)}
    with progress_bar() as progress, resumable_by_file(options.resume):
        comparison = evaluate(
            data,
            stages.sharpener,
            crf=stages.crf,
            settings=describe_stages(options, stages),
            absent_classes=options.absent_classes,
            thin=thin,
            every=options.every,
            skip_every=options.skip_every,
            kept=read_kept(options, data, noted),
            progress=progress,
        )
    if options.json is not None:
        write_text(options.json, comparison.as_json())
    print_tables(comparison.class_table(), comparison.metric_table())
    values = {title: comparison.gains[name].value for title, name in (("mIoU", "miou"), ("trimap", TRIMAP))}
    known = [f"{title} {value:+.2f}" for title, value in values.items() if not math.isnan(value)]
    print(", ".join([*known, f"{comparison.milliseconds / comparison.images:.0f} ms per image"]))
    losses = describe_losses(comparison.before, comparison.after, comparison.class_names)
    print(f"classes that lose IoU: {losses}")
    print_remarks(comparison.remarks)
