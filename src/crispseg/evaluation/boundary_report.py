"""Results of the boundary benchmark on a data set: ODS, OIS, AP, and the precision–recall curve behind them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table

from crispseg.defaults import THRESHOLDS
from crispseg.metrics.boundaries import BoundaryCounts, harmonic_mean, threshold_values


@dataclass(frozen=True)
class BoundaryScore:
    """An F measure with its precision, recall and threshold."""

    f: float
    precision: float
    recall: float
    threshold: float | None = None
    """None if every image has its own threshold."""


@dataclass
class BoundaryReport:
    """Results of the boundary benchmark over a data set."""

    thresholds: int = THRESHOLDS
    images: dict[str, BoundaryCounts] = field(default_factory=dict)
    """Counts of each image, by its name; filled while images are counted."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> BoundaryCounts:
        """Counts summed over the images."""
        return sum(self.images.values(), start=BoundaryCounts.none(self.thresholds))

    @property
    def ods(self) -> BoundaryScore:
        """Optimal data set scale: the best F at one threshold for all images.

        Like the benchmark, this interpolates precision and recall between thresholds.
        """
        counts, values = self.counts, threshold_values(self.thresholds)
        fine = np.linspace(values[0], values[-1], 100 * (self.thresholds - 1) + 1)
        precision, recall = np.interp(fine, values, counts.precision), np.interp(fine, values, counts.recall)
        best = int(np.argmax(harmonic_mean(precision, recall)))
        return _score(precision[best], recall[best], float(fine[best]))

    @property
    def ois(self) -> BoundaryScore:
        """Optimal image scale: the F of the counts of every image at its own best threshold, summed over the images."""
        best = (counts.at(int(np.argmax(counts.f))) for counts in self.images.values())
        pooled = sum(best, start=BoundaryCounts.none(1))
        return _score(pooled.precision[0], pooled.recall[0])

    @property
    def ap(self) -> float:
        """Average precision: the area under precision over recall.

        As in the benchmark, precision is 0 at recalls that no threshold reaches. AP is therefore 0 for a prediction
        that is the same at all thresholds.
        """
        counts = self.counts
        order = np.lexsort((-counts.precision, counts.recall))  # by recall; at equal recall, highest precision first
        recall, first = np.unique(counts.recall[order], return_index=True)
        if len(recall) < 2:
            return 0.0
        precision = counts.precision[order][first]
        return float(np.interp(np.arange(101) / 100, recall, precision, left=0, right=0).sum() / 100)

    def as_json(self) -> str:
        """Return all results as JSON text, with shares from 0 to 1."""
        counts = self.counts
        columns = {
            "threshold": threshold_values(self.thresholds),
            "precision": counts.precision,
            "recall": counts.recall,
            "f": counts.f,
        }
        content = {
            "ods": vars(self.ods),
            "ois": vars(self.ois),
            "ap": self.ap,
            "images": len(self.images),
            "curve": {name: values.tolist() for name, values in columns.items()},
            "settings": dict(self.settings),
        }
        return json.dumps(content, indent=2) + "\n"

    def table(self) -> Table:
        """Return a table of F, precision and recall at ODS and OIS, and of AP."""
        table = Table(title=f"Boundaries of {len(self.images)} images", title_justify="left")
        table.add_column("")
        for column in ("F", "precision", "recall", "threshold"):
            table.add_column(column, justify="right")
        for name, score in (("ODS", self.ods), ("OIS", self.ois)):
            threshold = "per image" if score.threshold is None else f"{score.threshold:.2f}"
            table.add_row(name, f"{score.f:.3f}", f"{score.precision:.3f}", f"{score.recall:.3f}", threshold)
        table.add_row("AP", f"{self.ap:.3f}", "", "", "all")
        return table


def _score(precision: float, recall: float, threshold: float | None = None) -> BoundaryScore:
    f = harmonic_mean(np.array(precision), np.array(recall))
    return BoundaryScore(f=float(f), precision=float(precision), recall=float(recall), threshold=threshold)
