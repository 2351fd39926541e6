"""The table as JSON, Markdown and LaTeX."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from crispseg.comparison.costs import Cost
from crispseg.comparison.result import Result
from crispseg.comparison.rows import DENSE_CRF
from crispseg.comparison.table import Table
from crispseg.data.class_names import name_of
from crispseg.evaluation import describe_losses, describe_worst, remarks_on
from crispseg.evaluation.report import described_band, described_means, number, shown
from crispseg.metrics import Gain, gain
from crispseg.versions import installed_versions

COLUMNS = {"miou": "mIoU", "trimap_4": "trimap", "boundary_iou": "Boundary IoU", "boundary_f": "boundary F"}
"""Metrics in the table and their titles; the JSON has all metrics."""

_PACKAGES = ("crispseg", "torch", "kornia", "opencv-contrib-python-headless", "pydensecrf2", "rankseg")


@dataclass(frozen=True)
class ReportLine:
    """A row of the table, with gains and cost."""

    result: Result
    gains: Mapping[str, Gain]
    """Gain of every metric over the baseline."""
    cost: Cost


def lines_of(table: Table) -> list[ReportLine]:
    """Return the rows with their costs and their gains over the first row, the baseline."""
    baseline = table.results[0].accuracy

    def gains(result: Result) -> dict[str, Gain]:
        return {name: gain(baseline, result.accuracy, name) for name in baseline.metrics}

    return [ReportLine(result, gains(result), table.costs[result.name]) for result in table.results]


def as_json(table: Table, lines: Sequence[ReportLine]) -> str:
    """Return all results as JSON text."""
    content = {
        "data": dict(table.context),
        "absent_classes": lines[0].result.accuracy.absent_classes,
        "mean_over": table.context["mean_over"],
        "reported_images": lines[0].result.accuracy.images,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": installed_versions(_PACKAGES),
        "class_names": [name_of(table.class_names, label) for label in range(lines[0].result.accuracy.num_classes)],
        "rows": [_row(line, lines[0], table.class_names) for line in lines],
        "remarks": remarks_on(lines[0].result.accuracy, table.class_names),
        "left_out": dict(table.left_out),
    }
    return json.dumps(content, indent=2) + "\n"


def as_markdown(table: Table, lines: Sequence[ReportLine]) -> str:
    """Return the table in Markdown, with a description of the measurement and the setting found for each row."""
    baseline = lines[0].result.accuracy
    images = baseline.images
    tuned, device = table.context["tuned_images"], table.context["device"]
    crf = next((line.cost.milliseconds for line in lines if line.result.name == DENSE_CRF), None)
    header = ["", *(f"{title} | gain" for title in COLUMNS.values()), "worst class", "ms", "peak MB"]
    header += [] if crf is None else [f"of the {DENSE_CRF}'s time"]
    parts = [
        f"Measured on {images} images{described_band(table.context['void_band'])}. Parameters were tuned on {tuned} "
        f"other images for the mean of mIoU and trimap mIoU (4 px). "
        f"{_capital(described_means(baseline, table.class_names))}. The search leaves out classes without true pixels. "
        "Gains are points over the baseline, with 95 % bootstrap intervals over images. The worst class is the one "
        "whose IoU changes for the worst. Times are medians over a few images, measured in "
        f"turns on {device} with {torch.get_num_threads()} threads. Peak MB is the memory above that in use before. "
        "Neither includes the networks that computed scores and boundary maps.",
        "",
        "| " + " | ".join(header) + " |",
        "|---" * (len(header) + len(COLUMNS)) + "|",
        *(f"| {' | '.join(_cells(line, lines[0], table.class_names, crf))} |" for line in lines),
        "",
        "| | setting found | best at the end of the values tried | classes that lose IoU |",
        "|---|---|---|---|",
        *(f"| {' | '.join(_found(line, lines[0], table.class_names))} |" for line in lines),
        *("", *(f"Left out: {name}: {why}." for name, why in table.left_out.items())),
        *(f"Note: {remark}." for remark in remarks_on(baseline, table.class_names)),
    ]
    return "\n".join(parts) + "\n"


def as_latex(lines: Sequence[ReportLine]) -> str:
    """Return the table in LaTeX (booktabs), with the best of each column in bold, except for the oracle."""
    competing = [line for line in lines if line.result.group != "bound"]
    best = {name: max(line.result.accuracy.value(name) for line in competing) for name in COLUMNS}
    body = []
    for previous, line in zip([None, *lines], lines, strict=False):
        if previous is not None and previous.result.group != line.result.group:
            body.append(r"\midrule")
        values = []
        for name in COLUMNS:
            value = line.result.accuracy.value(name)
            bold = line in competing and round(value, 2) == round(best[name], 2)
            values.append(rf"\textbf{{{value:.2f}}}" if bold else shown(value))
            values.append("" if line is lines[0] else f"${shown(line.gains[name].value, '+')}$")
        cells = [_escape(line.result.name), *values, f"{line.cost.milliseconds:.0f}", _memory(line)]
        body.append(" & ".join(cells) + r" \\")
    columns = "".join("rl" for _ in COLUMNS)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{columns}rr}}",
            r"\toprule",
            " & ".join(["", *(rf"\multicolumn{{2}}{{c}}{{{title}}}" for title in COLUMNS.values()), "ms", "MB"])
            + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _row(line: ReportLine, baseline: ReportLine, class_names: Sequence[str]) -> dict[str, Any]:
    result = line.result
    return {
        "name": result.name,
        "group": result.group,
        "settings": dict(result.setting),
        "edges": list(result.edges),
        "metrics": {
            name: {"value": number(result.accuracy.value(name)), **_gained(gained)}
            for name, gained in line.gains.items()
        },
        "worst_class": describe_worst(baseline.result.accuracy, result.accuracy, class_names),
        "per_class": {"miou": [number(value) for value in result.accuracy.per_class("miou").tolist()]},
        "milliseconds": number(line.cost.milliseconds),
        "peak_mb": None if line.cost.peak_mb is None else number(line.cost.peak_mb),
        "search": list(result.search),
    }


def _gained(gained: Gain) -> dict[str, float | None]:
    values = asdict(gained)
    return {"gain": number(values.pop("value")), **{key: number(value) for key, value in values.items()}}


def _capital(text: str) -> str:
    """Return a text with its first letter as a capital; `str.capitalize` would make all others small."""
    return text[:1].upper() + text[1:]


def _cells(line: ReportLine, baseline: ReportLine, class_names: Sequence[str], crf: float | None) -> list[str]:
    cells = [line.result.name]
    for name in COLUMNS:
        gained = line.gains[name]
        cells.append(shown(line.result.accuracy.value(name)))
        interval = "" if math.isnan(gained.low) else f" ({gained.low:+.2f} to {gained.high:+.2f})"
        cells.append("" if line.result.group == "baseline" else shown(gained.value, "+") + interval)
    worst = describe_worst(baseline.result.accuracy, line.result.accuracy, class_names).replace("|", r"\|")
    cells += ["" if line is baseline else worst, f"{line.cost.milliseconds:.0f}", _memory(line)]
    return cells if crf is None else [*cells, f"{100 * line.cost.milliseconds / crf:.0f} %"]


def _found(line: ReportLine, baseline: ReportLine, class_names: Sequence[str]) -> list[str]:
    result = line.result
    losses = "" if line is baseline else describe_losses(baseline.result.accuracy, result.accuracy, class_names)
    return [result.name, _setting(line), ", ".join(result.edges), losses.replace("|", r"\|")]


def _memory(line: ReportLine) -> str:
    return "-" if line.cost.peak_mb is None else f"{line.cost.peak_mb:.0f}"


def _setting(line: ReportLine) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in line.result.setting.items())


def _escape(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_")
