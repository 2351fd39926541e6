"""The metrics as modules of torchmetrics, for training loops, `MetricCollection` and Lightning's `log`."""

from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from crispseg.checks import check_choice, check_count, check_natural, check_positive
from crispseg.errors import InputError
from crispseg.metrics.confusion import check_predicted
from crispseg.metrics.definitions import (
    ABSENT_CLASSES,
    BOUNDARY_F_TOLERANCE,
    BOUNDARY_IOU_WIDTH,
    VOID,
    AbsentClasses,
    BoundaryFDefinition,
    BoundaryIoUDefinition,
    IoUDefinition,
    MetricDefinition,
)

Average = Literal["macro", "none"]


class _SegmentationMetric(Metric):
    """A metric that is computed of whole numbers counted over all images seen, summed across processes."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    counts: Tensor
    """(C, k) int64, what was counted so far."""

    def __init__(
        self,
        definition: MetricDefinition[Any],
        num_classes: int,
        *,
        ignore_index: int | None,
        average: Average | None,
        absent_classes: AbsentClasses,
        void_band: int = 0,
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        super().__init__(**kwargs)
        check_count("num_classes", num_classes)
        check_choice("average", average, ("macro", "none", None))
        check_choice("absent_classes", absent_classes, ABSENT_CLASSES)
        check_natural("void_band", void_band)
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
            preds: (N, H, W) predicted labels 0 … C - 1, or (N, C, H, W) floating-point scores, whose largest counts.
            target: (N, H, W) true labels 0 … C - 1, or `ignore_index`.

        Raises:
            InputError: If the shapes do not fit or a label is not a class.
            TypeError: If the true labels are floating-point numbers.
        """
        if target.is_floating_point():
            raise TypeError(f"target is {target.dtype}; expected whole numbers: convert it with .long()")
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
        """Return the metric over everything counted, in [0, 1].

        Returns:
            A number, or with `average="none"` (C,) numbers. NaN for a class that is neither true nor predicted, and for
            a mean over no class.
        """
        counts = self.counts.cpu()  # percentages are taken in float64, which not every device has
        if self.average == "macro":
            percent = self._definition.mean(counts, self.absent_classes)
        else:
            percent = self._definition.per_class(counts)
        return (percent / 100).float().to(self.counts.device)


class MeanIoU(_SegmentationMetric):
    """Mean intersection over union (Jaccard index) of the classes, over all pixels of all images.

    The pixels of all images are counted together; it is no mean over images.

    Args:
        num_classes: Number of classes C.
        ignore_index: True label of pixels without a class, which are left out; None where every pixel has one.
        average: "macro" for the mean over classes, "none" for a value of each class.
        absent_classes: How a class enters the mean that is predicted and has no true pixels: "count" takes it as 0, as
            torchmetrics, mmsegmentation and the scripts of Cityscapes and PASCAL VOC do; "ignore" leaves it out.
        kwargs: Options of `torchmetrics.Metric`.

    Raises:
        InputError: If an option is none of those.

    Example:
        >>> from crispseg.metrics import MeanIoU
        >>> metric = MeanIoU(num_classes=2, ignore_index=255)
        >>> metric.update(torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 0, 255]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def __init__(
        self,
        num_classes: int,
        *,
        ignore_index: int | None = None,
        average: Average | None = "macro",
        absent_classes: AbsentClasses = "count",
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        super().__init__(
            IoUDefinition(),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            **kwargs,
        )


class TrimapIoU(_SegmentationMetric):
    """Mean intersection over union of the pixels near true boundaries (Kohli et al. 2009).

    `crispseg.metrics.trimap` defines which pixels these are.

    Args:
        num_classes: Number of classes C.
        width: How near: an int in pixels to each side, or a float, a share of the diagonal of the image.
        ignore_index: True label of pixels without a class, which are left out; None where every pixel has one.
        average: "macro" for the mean over classes, "none" for a value of each class.
        absent_classes: How a class enters the mean that is predicted and has no true pixels: "count" takes it as 0,
            "ignore" leaves it out.
        void_band: Widest band of void between two labels that stands for a boundary, in pixels: 5 for PASCAL VOC.
        kwargs: Options of `torchmetrics.Metric`.

    Raises:
        InputError: If an option is none of those.

    Example:
        >>> from crispseg.metrics import TrimapIoU
        >>> metric = TrimapIoU(num_classes=2, width=1, average="none")
        >>> metric.update(torch.tensor([[[1, 0, 0, 0, 1, 1]]]), torch.tensor([[[0, 0, 0, 1, 1, 1]]]))
        >>> metric.compute()
        tensor([0.6667, 0.5000])
    """

    def __init__(
        self,
        num_classes: int,
        width: float = 4,
        *,
        ignore_index: int | None = None,
        average: Average | None = "macro",
        absent_classes: AbsentClasses = "count",
        void_band: int = 0,
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        _check_distance("width", width)
        super().__init__(
            IoUDefinition(width),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )


class BoundaryIoU(_SegmentationMetric):
    """Mean Boundary IoU of the classes (Cheng et al. 2021, https://arxiv.org/abs/2103.16562).

    The intersection over union of those pixels of the predicted and the true mask of a class that lie within `width` of
    the contour of their own mask, counted over all images. Of one binary mask it is the published measure: a mask less
    its erosion by a square, with the border of the image as a part of the contour, as in the authors' code.

    Args:
        num_classes: Number of classes C; 2 for binary masks, whose value is that of class 1 with `average="none"`.
        width: How near: an int in pixels, or a float, a share of the diagonal of the image.
        ignore_index: True label of pixels without a class, which are in no mask and make no contour; None where every
            pixel has one.
        average: "macro" for the mean over classes, "none" for a value of each class.
        absent_classes: How a class enters the mean that is predicted and has no true pixels: "count" takes it as 0,
            "ignore" leaves it out.
        void_band: Widest band of void between two labels that stands for a boundary, in pixels: 5 for PASCAL VOC.
        kwargs: Options of `torchmetrics.Metric`.

    Raises:
        InputError: If an option is none of those.

    Example:
        >>> from crispseg.metrics import BoundaryIoU
        >>> target = torch.zeros(1, 20, 20, dtype=torch.long)
        >>> target[:, 5:15, 5:15] = 1
        >>> metric = BoundaryIoU(num_classes=2, average="none")
        >>> metric.update(target.roll(1, 2), target)
        >>> metric.compute()[1]
        tensor(0.3333)
    """

    def __init__(
        self,
        num_classes: int,
        width: float = BOUNDARY_IOU_WIDTH,
        *,
        ignore_index: int | None = None,
        average: Average | None = "macro",
        absent_classes: AbsentClasses = "count",
        void_band: int = 0,
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        _check_distance("width", width)
        super().__init__(
            BoundaryIoUDefinition(width),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )


class BoundaryFScore(_SegmentationMetric):
    """Mean boundary F-score of the classes (Csurka et al. 2013, Perazzi et al. 2016).

    The harmonic mean of two shares: of predicted contour pixels near a true one of their class, and of true ones near a
    predicted one, counted over all images. The border of the image is no contour.

    Args:
        num_classes: Number of classes C.
        tolerance: How near, as the radius of a disc: an int in pixels, or a float, a share of the diagonal.
        ignore_index: True label of pixels without a class, beside which there is no contour; None where every pixel has
            one.
        average: "macro" for the mean over classes, "none" for a value of each class.
        absent_classes: How a class enters the mean that is predicted and has no true contour: "count" takes it as 0,
            "ignore" leaves it out.
        void_band: Widest band of void between two labels that stands for a boundary, in pixels: 5 for PASCAL VOC.
        kwargs: Options of `torchmetrics.Metric`.

    Raises:
        InputError: If an option is none of those.

    Example:
        >>> from crispseg.metrics import BoundaryFScore
        >>> target = torch.zeros(1, 20, 20, dtype=torch.long)
        >>> target[:, 5:15, 5:15] = 1
        >>> metric = BoundaryFScore(num_classes=2, tolerance=1)
        >>> metric.update(target.roll(1, 2), target)
        >>> metric.compute()
        tensor(1.)
    """

    def __init__(
        self,
        num_classes: int,
        tolerance: float = BOUNDARY_F_TOLERANCE,
        *,
        ignore_index: int | None = None,
        average: Average | None = "macro",
        absent_classes: AbsentClasses = "count",
        void_band: int = 0,
        **kwargs: Any,  # noqa: ANN401 - torchmetrics'
    ) -> None:
        _check_distance("tolerance", tolerance)
        super().__init__(
            BoundaryFDefinition(tolerance),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )


def _check_distance(name: str, value: float) -> None:
    """Refuse a distance that is neither a number of pixels, 1 or more, nor a share of the diagonal below 1."""
    if isinstance(value, int):
        check_count(name, value)
        return
    check_positive(name, value)
    if value >= 1:
        raise InputError(f"{name} is {value}; expected an int of pixels, or a share of the diagonal below 1")
