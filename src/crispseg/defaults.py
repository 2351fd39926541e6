"""Values that both a function and the help of a command state. They need no PyTorch."""

from typing import Literal

MAX_DISTANCE = 0.0075
"""How far a boundary pixel may lie from its partner in the benchmark of BSDS500, in diagonals of the image."""

THRESHOLDS = 99
"""At how many thresholds that benchmark counts."""

UPLOAD_MB = 50
"""Largest file that the page takes, in megabytes."""

MEGAPIXELS = 16
"""Largest image that the page takes."""

TOTAL_MB = 500
"""How much the page keeps for all visitors, in megabytes."""

EXPORT_TOLERANCE = {"float32": 1e-4, "float16": 2e-2}
"""How far an exported file may be from PyTorch, by the precisions that it may have."""

Operators = Literal["standard", "custom"]
"""The operators of an exported file: "standard" ones, which every runtime has, or crispseg's own."""

EXPORT_OPERATORS: tuple[Operators, ...] = ("standard", "custom")
"""The values of `Operators`; the first is the default."""

CAFFE_NETWORKS = ("deeplab", "embedding", "hed")
"""Networks whose Caffe weights can be converted."""

OBJECTIVES = ("miou", "trimap", "both")
"""The objectives of a search; "both" is the mean of the two."""

CRF_PRESETS = {
    "DeepLab": (5, 50, 10, 3, 3),
    "MSc": (3, 95, 3, 3, 3),
    "COCO": (5, 67, 3, 3, 3),
    "LargeFOV": (4, 121, 5, 3, 3),
    "MSc-LargeFOV": (4, 83, 5, 3, 3),
    "COCO-LargeFOV": (5, 69, 5, 3, 3),
    "MSc-COCO-LargeFOV": (4, 59, 5, 3, 3),
    "segaware": (3, 77, 4, 2, 2),
}
"""CRF parameters tuned on PASCAL VOC, whose images are up to 500 pixels long. The names are those of the DeepLab v1
networks (arXiv 1412.7062); "segaware" holds the values that github.com/aharley/segaware uses for MSc-COCO-LargeFOV."""

CRF_GRID: dict[str, tuple[float, ...]] = {
    "bilateral_weight": (5, 7.5, 10),
    "bilateral_xy": (50, 75, 100),
    "bilateral_rgb": (3, 6.5, 10),
    "spatial_weight": (3,),
    "spatial_xy": (3,),
}
"""Values that the search for a dense CRF tries of each parameter."""

CRF_ROUNDS = 2
"""Finer rounds of that search."""

TUNE_EVERY = 6
"""A table searches parameters on one of so many images, and reports on the others."""

MASKED_PIXELS = 4
"""Pixels whose masks a figure shows."""

FIGURE_PATCH = 41
"""Side of the patches around those pixels where the filter is applied several times."""

SPLIT = "val"
"""The part of a named data set that is read where none is named."""

AbsentClasses = Literal["count", "ignore"]
"""How a predicted class without true pixels enters a mean over classes: "count" counts it as 0, like mmsegmentation,
torchmetrics and the scripts of Cityscapes and PASCAL VOC; "ignore" leaves it out. Both leave out a class that is
neither true nor predicted."""

ABSENT_CLASSES: tuple[AbsentClasses, ...] = ("count", "ignore")
"""The values of `AbsentClasses`; the first is the default."""

ANNOTATION_BAND = 4.0
"""How far the outline of an annotated object may move, in pixels."""

ANNOTATION_CERTAINTY = 0.65
"""The probability from which a pixel of an annotated object changes sides."""

ANNOTATION_EVIDENCE = 0.2
"""How much of that probability must be due to the image."""

ANNOTATION_WINDOW, ANNOTATION_PASSES = "5@2,5", 8
"""The windows for outlines that people drew: they are a few pixels off, and wider windows look past thin parts."""

POLYGON_TOLERANCE = 1.0
"""How coarse polygons of rasters may be, in pixels."""

REVIEWED = 300
"""Masks on the page on which changed annotations are reviewed."""

STEADY_REACH = 3
"""How far something may move from one frame of a video to the next, in pixels."""

STEADY_PAST = 0.85
"""How much the frames before count at most."""
