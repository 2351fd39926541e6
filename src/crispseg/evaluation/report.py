"""Accuracy before and after sharpening, as numbers, as JSON and as tables."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from rich.markup import escape
from rich.table import Table

from crispseg.data.class_names import name_of
from crispseg.evaluation.remarks import losing_classes, remarks_on
from crispseg.metrics.accuracy import Accuracy
from crispseg.metrics.gains import Gain, gain
from crispseg.metrics.names import CLDICE

TRIMAP = "trimap_4"
"""The trimap metric that stands for all trimap widths where one number is shown."""

TITLES = {
    "miou": "mIoU",
    "pixel_accuracy": "pixel accuracy",
    **{f"trimap_{width}": f"trimap mIoU, {width} px" for width in (1, 2, 4, 8, 16)},
    "boundary_iou": "Boundary IoU",
    "boundary_f": "boundary F",
}
"""Titles of the metrics in tables."""


@dataclass
class Comparison:
    """Accuracy before and after sharpening."""

    before: Accuracy
    after: Accuracy
    milliseconds: float = 0.0
    """Time of sharpening, summed over the images, without the time of reading and scoring."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    void_band: int = 0
    """Widest band of void that counted as a boundary, in pixels; 0 for none."""
    class_names: Sequence[str] = ()
    """Name of class 0, of class 1, …, as far as they are known; empty for a class without a name."""

    @property
    def images(self) -> int:
        """Number of images counted."""
        return self.before.images

    @cached_property
    def gains(self) -> dict[str, Gain]:
        """Gain of each metric in points; read it only after all images are counted."""
        return {name: gain(self.before, self.after, name) for name in self.before.metrics}

    @cached_property
    def remarks(self) -> list[str]:
        """Warnings about misread labels and undefined metrics; read them only after all images are counted."""
        return remarks_on(self.before, self.class_names)

    @property
    def losing_classes(self) -> dict[int, float]:
        """Change of IoU in points (negative) of every class that loses IoU, by class index."""
        return losing_classes(self.before, self.after)

    def as_json(self) -> str:
        """Return all results as JSON text, with accuracies in percent and null for undefined ones."""
        content = {
            "before": _values(self.before),
            "after": _values(self.after),
            "gain": {
                name: {key: number(value) for key, value in asdict(gained).items()}
                for name, gained in self.gains.items()
            },
            "per_class": {"before": _per_class(self.before), "after": _per_class(self.after)},
            "class_names": [name_of(self.class_names, label) for label in range(self.before.num_classes)],
            "images": self.images,
            "void_band": self.void_band,
            "absent_classes": self.before.absent_classes,
            "mean_over": self.before.mean_over and list(self.before.mean_over),
            "remarks": self.remarks,
            "milliseconds_per_image": number(self.milliseconds / max(self.images, 1)),
            "settings": dict(self.settings),
        }
        return json.dumps(content, indent=2) + "\n"

    def class_table(self) -> Table:
        """Return a table of the IoU of the classes that occur, and the mean, over all pixels and over the trimap."""
        measured = [(accuracy, name) for name in ("miou", TRIMAP) for accuracy in (self.before, self.after)]
        columns = [accuracy.per_class(name).tolist() for accuracy, name in measured]
        rows = list(enumerate(zip(*columns, strict=True)))
        found = [(label, values) for label, values in rows if not all(map(math.isnan, values))]
        nowhere = f"; {len(rows) - len(found)} classes occur nowhere" if len(found) < len(rows) else ""
        title = f"IoU in percent over {self.images} images{described_band(self.void_band)}{nowhere}"
        table = Table(title=title, title_justify="left")
        table.add_column("class")
        for column in ("before", "after", "gain", "trimap before", "after", "gain"):
            table.add_column(column, justify="right")
        for label, values in found:
            left_out = self.before.mean_over is not None and label not in self.before.mean_over
            name = name_of(self.class_names, label)
            table.add_row(escape(f"({name})" if left_out else name), *_cells(values))
        table.add_section()
        table.add_row("mean", *_cells([accuracy.value(name) for accuracy, name in measured]), style="bold")
        return table

    def metric_table(self) -> Table:
        """Return a table of every metric before and after, with its gain and a bootstrap interval over images."""
        title = f"gains with 95 % bootstrap intervals; {described_means(self.before, self.class_names)}"
        table = Table(title=title, title_justify="left")
        table.add_column("metric")
        for column in ("before", "after", "gain", "95 % interval"):
            table.add_column(column, justify="right")
        for name, gained in self.gains.items():
            cells = [shown(self.before.value(name)), shown(self.after.value(name)), shown(gained.value, "+")]
            table.add_row(title_of(name, self.class_names), *cells, _interval(gained))
        return table


def described_band(width: int) -> str:
    """Return the part of a heading that states the void band; empty for no band."""
    return f"; bands of void up to {width} px wide count as boundaries" if width else ""


def described_means(accuracy: Accuracy, class_names: Sequence[str] = ()) -> str:
    """Return the part of a heading that states which classes enter means and how absent ones do."""
    rule = {"count": "count as 0", "ignore": "are left out"}[accuracy.absent_classes]
    text = f"predicted classes without true pixels {rule} in means"
    if accuracy.mean_over is None:
        return text
    names = ", ".join(name_of(class_names, label) for label in accuracy.mean_over)
    return f"{text}, which are over {len(accuracy.mean_over)} of {accuracy.num_classes} classes: {names}"


def title_of(metric: str, class_names: Sequence[str] = ()) -> str:
    """Return the title of a metric in tables.

    Example:
        >>> title_of("miou"), title_of("cldice:2,6", ("sky", "building", "pole"))
        ('mIoU', 'clDice of pole, 6')
    """
    if metric in TITLES:
        return TITLES[metric]
    labels = metric.removeprefix(CLDICE).split(",")
    return f"clDice of {', '.join(name_of(class_names, int(label)) for label in labels)}"


def _interval(gained: Gain) -> str:
    return "-" if math.isnan(gained.low) else f"{gained.low:+.2f} to {gained.high:+.2f}"


def _values(accuracy: Accuracy) -> dict[str, float | None]:
    return {name: number(accuracy.value(name)) for name in accuracy.metrics}


def _per_class(accuracy: Accuracy) -> dict[str, list[float | None]]:
    return {name: [number(value) for value in accuracy.per_class(name).tolist()] for name in accuracy.metrics}


def _cells(values: Sequence[float]) -> list[str]:
    """Return cells of (before, after, trimap before, trimap after), with the gain beside each pair."""
    pairs = (values[:2], values[2:])
    return [cell for old, new in pairs for cell in (shown(old), shown(new), shown(new - old, "+"))]


def shown(value: float, sign: str = "") -> str:
    """Return a number for tables, with two decimals; a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:{sign}.2f}"


def number(value: float) -> float | None:
    """Return a number for JSON, rounded to four decimals; None for NaN."""
    return None if math.isnan(value) else round(value, 4)
