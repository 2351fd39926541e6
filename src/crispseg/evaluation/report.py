"""What a comparison found, as numbers, as JSON and as a table."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from torch import Tensor

from crispseg.evaluation.confusion import ConfusionMatrix


@dataclass
class Accuracy:
    """Confusion matrices over a data set: of all its pixels, and of those in the trimap."""

    overall: ConfusionMatrix
    trimap: ConfusionMatrix

    @classmethod
    def empty(cls, classes: int) -> "Accuracy":
        """Nothing counted yet."""
        return cls(ConfusionMatrix(classes), ConfusionMatrix(classes))

    def add(self, predicted: Tensor, labels: Tensor, band: Tensor) -> None:
        """Count an image: predicted and true labels, and the mask of the trimap, all (H, W)."""
        self.overall.add(predicted, labels)
        self.trimap.add(predicted, labels, band)

    def as_json(self) -> dict[str, Any]:
        """Percentages; None for a class that does not occur."""
        return {
            "miou": _number(self.overall.miou),
            "trimap": _number(self.trimap.miou),
            "per_class": [_number(value) for value in self.overall.iou.tolist()],
            "per_class_trimap": [_number(value) for value in self.trimap.iou.tolist()],
        }


@dataclass
class Comparison:
    """Accuracy before and after sharpening."""

    before: Accuracy
    after: Accuracy
    images: int = 0
    milliseconds: float = 0.0
    """Time of sharpening, summed over the images; reading and scoring are not in it."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def miou_gain(self) -> float:
        """After minus before, in points of mIoU."""
        return self.after.overall.miou - self.before.overall.miou

    @property
    def trimap_gain(self) -> float:
        """After minus before, in points of trimap mIoU."""
        return self.after.trimap.miou - self.before.trimap.miou

    @property
    def losing_classes(self) -> dict[int, float]:
        """Points of IoU lost, for every class that is worse after than before."""
        gains = (self.after.overall.iou - self.before.overall.iou).tolist()
        return {label: gain for label, gain in enumerate(gains) if gain < 0}

    def as_json(self) -> str:
        """Everything, as JSON text; accuracies in percent."""
        content = {
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "images": self.images,
            "milliseconds_per_image": _number(self.milliseconds / max(self.images, 1)),
            "settings": dict(self.settings),
        }
        return json.dumps(content, indent=2) + "\n"

    def table(self) -> Table:
        """IoU of every class and their means, before and after, over all pixels and in the trimap."""
        table = Table(title=f"IoU in percent over {self.images} images", title_justify="left")
        table.add_column("class")
        for column in ("before", "after", "gain", "trimap before", "after", "gain"):
            table.add_column(column, justify="right")
        accuracies = (self.before.overall, self.after.overall, self.before.trimap, self.after.trimap)
        for label, values in enumerate(zip(*(matrix.iou.tolist() for matrix in accuracies), strict=True)):
            table.add_row(str(label), *_cells(values))
        table.add_section()
        table.add_row("mean", *_cells([matrix.miou for matrix in accuracies]), style="bold")
        return table


def _cells(values: Sequence[float]) -> list[str]:
    before, after, trimap_before, trimap_after = values
    shown = (before, after, after - before, trimap_before, trimap_after, trimap_after - trimap_before)
    return ["-" if math.isnan(v) else f"{v:+.2f}" if i % 3 == 2 else f"{v:.2f}" for i, v in enumerate(shown)]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
