"""`crispseg table`."""

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crispseg.cli.data import read_data
from crispseg.cli.interruptions import resumable
from crispseg.cli.printing import print_markdown, print_remarks, progress_bar
from crispseg.cli.stages import files_of_weights
from crispseg.comparison import ROWS, measure_table
from crispseg.comparison.images import tuning_step
from crispseg.comparison.report import as_json, as_latex, as_markdown, lines_of
from crispseg.comparison.result import paths
from crispseg.comparison.rows import TableChoices
from crispseg.comparison.surface import surface
from crispseg.devices import choose_device
from crispseg.evaluation import remarks_on
from crispseg.process_memory import keep_freed
from crispseg.run_settings import with_version
from crispseg.writing import refuse_inputs, write_text


def run(options: Namespace) -> None:
    """Run the command."""
    choices = TableChoices(choose_device(options.device), options.weights)
    keep_freed()
    data = read_data(options, getattr(options, "scores", None))
    names = ("table.md", "table.tex", "table.json", "surface.json")
    rows = [path for row in ROWS for path in paths(options.output / "rows", row.name)]
    refuse_inputs([*(options.output / name for name in names), *rows], [*data.read_from, *files_of_weights(options)])
    with progress_bar() as progress, resumable(*rows):
        table = measure_table(
            data,
            options.output,
            choices,
            rows=options.rows,
            tune_every=options.tune_every,
            tune_images=options.tune_images,
            every=options.every,
            resume=options.resume,
            workers=options.workers,
            absent_classes=options.absent_classes,
            progress=progress,
        )
    lines = lines_of(table)
    text = as_markdown(table, lines)
    write_text(options.output / "table.md", text)
    write_text(options.output / "table.tex", as_latex(lines))
    write_text(options.output / "table.json", as_json(table, lines))
    print_markdown(text)
    print_remarks(remarks_on(lines[0].result.accuracy, table.class_names))
    if options.surface:
        step = tuning_step(len(data), options.tune_every, options.tune_images, options.every)
        path, context = options.output / "surface.json", with_version({**table.context, "every": step})
        if options.resume and _is_measured(path, context):
            return
        with progress_bar() as progress, resumable(*rows):
            points = surface(data, choices, every=step, progress=progress)
        write_text(path, json.dumps({"context": context, "rows": points}, indent=2) + "\n")


def _is_measured(path: Path, context: Mapping[str, Any]) -> bool:
    """Return whether a surface was measured on these data, with these options, whichever device did it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["context"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool({**found, "device": context["device"]} == json.loads(json.dumps(context)))
