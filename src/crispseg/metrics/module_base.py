"""The base class of the metrics in torchmetrics form."""

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor
from torchmetrics import Metric

from crispseg.defaults import ABSENT_CLASSES, AbsentClasses
from crispseg.errors import InputError
from crispseg.metrics.confusion import check_predicted
from crispseg.metrics.definitions import VOID, MetricDefinition
from crispseg.value_checks import check_choice, check_count, check_natural, check_positive

Average = Literal["macro", "none"]


class MetricOptions(TypedDict, total=False):
    """The options of every metric, followed by those of `torchmetrics.Metric`."""

    ignore_index: int | None
    """True label of pixels without a class, which are left out, and so belong to no mask and make no contour. None, the
    default, if every pixel has a class."""
    average: Average | None
    """"macro" (the default) for the mean over classes, "none" for a value for each class."""
    absent_classes: AbsentClasses
    """How a predicted class without true pixels enters the mean: "count" (the default) counts it as 0, like
    torchmetrics, mmsegmentation and the scripts of Cityscapes and PASCAL VOC; "ignore" leaves it out."""
    void_band: int
    """Widest band of void between two labels that counts as a boundary, in pixels; 0 (the default) for none, 5 for
    PASCAL VOC. It is for metrics of boundaries and shapes, all but `MeanIoU`."""
    compute_on_cpu: bool
    dist_sync_on_step: bool
    process_group: Any
    dist_sync_fn: Callable[..., Any] | None
    distributed_available_fn: Callable[..., Any] | None
    sync_on_compute: bool
    compute_with_cache: bool


class SegmentationMetric(Metric):
    """A metric computed from whole numbers that are counted over all images and summed across processes."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    counts: Tensor
    """(C, k) int64, the counts so far."""

    def __init__(
        self,
        definition: MetricDefinition[Any],
        num_classes: int,
        *,
        ignore_index: int | None = None,
        average: Average | None = "macro",
        absent_classes: AbsentClasses = "count",
        void_band: int = 0,
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        super().__init__(**kwargs)
        check_count("num_classes", num_classes)
        check_choice("average", average, ("macro", "none", None))
        check_choice("absent_classes", absent_classes, ABSENT_CLASSES)
        check_natural("void_band", void_band)
        if void_band and not definition.of_boundaries:
            raise InputError(f"void_band is {void_band}, but the metric looks at no boundaries; leave void_band out")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.average = average
        self.absent_classes: AbsentClasses = absent_classes
        self.void_band = void_band
        self._definition = definition
        nothing = torch.full((1, 1), VOID)
        width = definition.count(nothing, nothing, definition.prepare(nothing, num_classes), num_classes).shape[1]
        self.add_state("counts", torch.zeros(num_classes, width, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            preds: (N, H, W) predicted labels 0 … C - 1, or (N, C, H, W) floating-point scores, of which the largest
                gives the label.
            target: (N, H, W) true labels 0 … C - 1, or `ignore_index`.

        Raises:
            InputError: If the shapes do not fit or a label is not a class.
            TypeError: If the true labels are floating-point numbers.
        """
        if target.is_floating_point():
            raise TypeError(f"target is {target.dtype}; expected an integer dtype: convert it with .long()")
        labels = target.long()
        predicted = self._labels_of(preds, labels)
        void = labels == self.ignore_index if self.ignore_index is not None else torch.zeros_like(labels).bool()
        wrong = labels[~void & ((labels < 0) | (labels >= self.num_classes))]
        if wrong.numel():
            raise InputError(
                f"target holds label {int(wrong[0])}, which is not one of the {self.num_classes} classes; "
                f"pass ignore_index={int(wrong[0])} if its pixels have no class"
            )
        check_predicted(predicted[~void], self.num_classes)
        for said, true in zip(predicted.masked_fill(void, VOID), labels.masked_fill(void, VOID), strict=True):
            prepared = self._definition.prepare(true, self.num_classes, self.void_band)
            self.counts += self._definition.count(said, true, prepared, self.num_classes, self.void_band)

    def _labels_of(self, preds: Tensor, labels: Tensor) -> Tensor:
        scores = preds.is_floating_point()
        shape = (*labels.shape[:1], self.num_classes, *labels.shape[1:]) if scores else tuple(labels.shape)
        if labels.ndim != 3 or preds.shape != shape:
            kind = "scores (N, C, H, W)" if scores else "labels (N, H, W)"
            raise InputError(
                f"preds have shape {tuple(preds.shape)}, target {tuple(labels.shape)}; expected {kind} of "
                f"{self.num_classes} classes and a target (N, H, W)"
            )
        return preds.argmax(1) if scores else preds.long()

    def compute(self) -> Tensor:
        """Return the metric over all images counted, in [0, 1].

        Returns:
            A scalar, or (C,) values with `average="none"`. NaN for a class that is neither true nor predicted, and for
            a mean over no classes.
        """
        counts = self.counts.cpu()  # percentages are computed in float64, which some devices lack
        if self.average == "macro":
            percent = self._definition.mean(counts, self.absent_classes)
        else:
            percent = self._definition.per_class(counts)
        return (percent / 100).float().to(self.counts.device)


def check_distance(name: str, value: float) -> None:
    """Refuse a distance that is neither an int of 1 or more (pixels) nor a float in (0, 1) (share of the diagonal)."""
    if isinstance(value, int):
        check_count(name, value)
        return
    check_positive(name, value)
    if value >= 1:
        raise InputError(f"{name} is {value}; expected an int in pixels, or a float below 1 (a share of the diagonal)")
