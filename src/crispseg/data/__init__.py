"""Read images, label maps, scores and data sets from disk, checked and as tensors.

Names are imported when they are first used: the command line lists data sets without waiting for PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crispseg.data.boundary import read_boundary
    from crispseg.data.bsds500 import BSDS500, BSDS500Boundaries, read_boundaries
    from crispseg.data.camvid import CamVid
    from crispseg.data.cityscapes import Cityscapes
    from crispseg.data.class_names import read_class_names
    from crispseg.data.classes import CAMVID_CLASSES, CITYSCAPES_CLASSES, VOC_CLASSES, Classes
    from crispseg.data.coarse_truth import CoarseTruth
    from crispseg.data.coco import COCO
    from crispseg.data.datasets import DATASETS, build_dataset
    from crispseg.data.folder import LabelledFolder
    from crispseg.data.image import read_image
    from crispseg.data.labelled_files import LabelledFiles
    from crispseg.data.labelled_predictions import LabelledPredictions
    from crispseg.data.labels import LabelMap, read_labels, write_labels
    from crispseg.data.outlines import WithoutOutlines
    from crispseg.data.prediction import Prediction
    from crispseg.data.prediction_files import read_prediction, write_scores
    from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample
    from crispseg.data.voc2012 import VOC2012

__all__ = [
    "BSDS500",
    "CAMVID_CLASSES",
    "CITYSCAPES_CLASSES",
    "COCO",
    "DATASETS",
    "IGNORE_INDEX",
    "VOC2012",
    "VOC_CLASSES",
    "BSDS500Boundaries",
    "CamVid",
    "Cityscapes",
    "Classes",
    "CoarseTruth",
    "LabelMap",
    "LabelledFiles",
    "LabelledFolder",
    "LabelledImages",
    "LabelledPredictions",
    "Prediction",
    "Sample",
    "WithoutOutlines",
    "build_dataset",
    "read_boundaries",
    "read_boundary",
    "read_class_names",
    "read_image",
    "read_labels",
    "read_prediction",
    "write_labels",
    "write_scores",
]

_HOMES = {
    "coarse_truth": ("CoarseTruth",),
    "boundary": ("read_boundary",),
    "bsds500": ("BSDS500", "BSDS500Boundaries", "read_boundaries"),
    "camvid": ("CamVid",),
    "cityscapes": ("Cityscapes",),
    "class_names": ("read_class_names",),
    "classes": ("CAMVID_CLASSES", "CITYSCAPES_CLASSES", "VOC_CLASSES", "Classes"),
    "coco": ("COCO",),
    "folder": ("LabelledFolder",),
    "image": ("read_image",),
    "labelled_files": ("LabelledFiles",),
    "labelled_predictions": ("LabelledPredictions",),
    "labels": ("LabelMap", "read_labels", "write_labels"),
    "outlines": ("WithoutOutlines",),
    "prediction": ("Prediction",),
    "prediction_files": ("read_prediction", "write_scores"),
    "datasets": ("DATASETS", "build_dataset"),
    "sample": ("IGNORE_INDEX", "LabelledImages", "Sample"),
    "voc2012": ("VOC2012",),
}
"""Names by the module that defines them."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is defined there
    for module, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(f"crispseg.data.{module}"), name)
            return value
    raise AttributeError(f"module 'crispseg.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
