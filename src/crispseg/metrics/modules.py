"""The metrics in torchmetrics form, for training loops, `MetricCollection` and Lightning's `log`."""

from collections.abc import Sequence
from typing import Unpack

from crispseg.metrics.centreline import ClDiceDefinition
from crispseg.metrics.confusion import check_classes
from crispseg.metrics.definitions import (
    BOUNDARY_F_TOLERANCE,
    BOUNDARY_IOU_WIDTH,
    BoundaryFDefinition,
    BoundaryIoUDefinition,
    IoUDefinition,
)
from crispseg.metrics.module_base import MetricOptions, SegmentationMetric, check_distance


class MeanIoU(SegmentationMetric):
    """Mean intersection over union (Jaccard index) of the classes, over all pixels of all images.

    The pixels of all images are counted together; the result is not a mean over images.

    Args:
        num_classes: Number of classes C.

    The other options are those of `crispseg.metrics.module_base.MetricOptions`.

    Raises:
        InputError: If an option has an invalid value.

    Example:
        >>> import torch
        >>> from crispseg.metrics import MeanIoU
        >>> metric = MeanIoU(num_classes=2, ignore_index=255)
        >>> metric.update(torch.tensor([[[0, 1, 1, 0]]]), torch.tensor([[[0, 1, 0, 255]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def __init__(self, num_classes: int, **options: Unpack[MetricOptions]) -> None:
        super().__init__(IoUDefinition(), num_classes, **options)


class TrimapIoU(SegmentationMetric):
    """Mean intersection over union of the pixels near true boundaries (Kohli et al. 2009).

    `crispseg.metrics.trimap` defines these pixels.

    Args:
        num_classes: Number of classes C.
        width: Distance to each side: an int in pixels, or a float as a share of the image's diagonal.

    The other options are those of `crispseg.metrics.module_base.MetricOptions`.

    Raises:
        InputError: If an option has an invalid value.

    Example:
        >>> import torch
        >>> from crispseg.metrics import TrimapIoU
        >>> metric = TrimapIoU(num_classes=2, width=1, average="none")
        >>> metric.update(torch.tensor([[[1, 0, 0, 0, 1, 1]]]), torch.tensor([[[0, 0, 0, 1, 1, 1]]]))
        >>> metric.compute()
        tensor([0.6667, 0.5000])
    """

    def __init__(self, num_classes: int, width: float = 4, **options: Unpack[MetricOptions]) -> None:
        check_distance("width", width)
        super().__init__(IoUDefinition(width), num_classes, **options)


class BoundaryIoU(SegmentationMetric):
    """Mean Boundary IoU of the classes (Cheng et al. 2021, https://arxiv.org/abs/2103.16562).

    For each class, it is the intersection over union of those pixels of the predicted and the true mask that lie within
    `width` of the contour of their own mask, counted over all images. For one binary mask this is the published
    measure: as in the authors' code, the pixels near the contour are the mask minus its erosion by a square, and the
    border of the image is part of the contour.

    Args:
        num_classes: Number of classes C; 2 for binary masks, whose value is the one of class 1 with `average="none"`.
        width: Distance from the contour: an int in pixels, or a float as a share of the image's diagonal.

    The other options are those of `crispseg.metrics.module_base.MetricOptions`.

    Raises:
        InputError: If an option has an invalid value.

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

    def __init__(self, num_classes: int, width: float = BOUNDARY_IOU_WIDTH, **options: Unpack[MetricOptions]) -> None:
        check_distance("width", width)
        super().__init__(BoundaryIoUDefinition(width), num_classes, **options)


class BoundaryFScore(SegmentationMetric):
    """Mean boundary F-score of the classes (Csurka et al. 2013, Perazzi et al. 2016).

    It is the harmonic mean of the share of predicted contour pixels near a true one of their class and the share of
    true contour pixels near a predicted one, counted over all images. The border of the image is not a contour.

    Args:
        num_classes: Number of classes C.
        tolerance: Largest distance between matching contours (Euclidean): an int in pixels, or a float as a share of
            the image's diagonal.

    The other options are those of `crispseg.metrics.module_base.MetricOptions`.

    Raises:
        InputError: If an option has an invalid value.

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
        self, num_classes: int, tolerance: float = BOUNDARY_F_TOLERANCE, **options: Unpack[MetricOptions]
    ) -> None:
        check_distance("tolerance", tolerance)
        super().__init__(BoundaryFDefinition(tolerance), num_classes, **options)


class ClDice(SegmentationMetric):
    """Mean centreline Dice of thin classes (Shit et al. 2021, https://arxiv.org/abs/2003.07311).

    For each class, it is the harmonic mean of the share of the predicted centreline that lies in the true mask and the
    share of the true centreline that lies in the predicted mask, counted over all images.

    Args:
        num_classes: Number of classes C.
        classes: The classes to measure, which should be thin; None for all. Others take no part and have the value NaN.

    The other options are those of `crispseg.metrics.module_base.MetricOptions`.

    Raises:
        InputError: If an option has an invalid value.

    Example:
        >>> import torch
        >>> from crispseg.metrics import ClDice
        >>> target = torch.zeros(1, 9, 12, dtype=torch.long)
        >>> target[:, 3:6, 1:11] = 1
        >>> preds = target.clone()
        >>> preds[:, 3:6, 6:11] = 0
        >>> metric = ClDice(num_classes=2, classes=[1])
        >>> metric.update(preds, target)
        >>> metric.compute()
        tensor(0.6667)
    """

    def __init__(
        self, num_classes: int, classes: Sequence[int] | None = None, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__(
            ClDiceDefinition(None if classes is None else check_classes("classes", classes, num_classes)),
            num_classes,
            **options,
        )
