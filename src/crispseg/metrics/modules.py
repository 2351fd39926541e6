"""The metrics as modules of torchmetrics, for training loops, `MetricCollection` and Lightning's `log`."""

from typing import Any

from crispseg.defaults import AbsentClasses
from crispseg.metrics.definitions import (
    BOUNDARY_F_TOLERANCE,
    BOUNDARY_IOU_WIDTH,
    BoundaryFDefinition,
    BoundaryIoUDefinition,
    IoUDefinition,
)
from crispseg.metrics.module_base import Average, SegmentationMetric, check_distance


class MeanIoU(SegmentationMetric):
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
        >>> import torch
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


class TrimapIoU(SegmentationMetric):
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
        >>> import torch
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
        check_distance("width", width)
        super().__init__(
            IoUDefinition(width),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )


class BoundaryIoU(SegmentationMetric):
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
        >>> import torch
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
        check_distance("width", width)
        super().__init__(
            BoundaryIoUDefinition(width),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )


class BoundaryFScore(SegmentationMetric):
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
        >>> import torch
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
        check_distance("tolerance", tolerance)
        super().__init__(
            BoundaryFDefinition(tolerance),
            num_classes,
            ignore_index=ignore_index,
            average=average,
            absent_classes=absent_classes,
            void_band=void_band,
            **kwargs,
        )
