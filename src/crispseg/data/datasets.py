"""The data sets that have a name: the one list of them. Importing it imports none of them."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crispseg.errors import InputError
from crispseg.registry import Registry

if TYPE_CHECKING:
    from crispseg.data.sample import LabelledImages

FOLDER = "folder"
"""The data set that is any folder of images and any folder of label maps."""

DATASETS: "Registry[type[LabelledImages]]" = Registry(
    "data set",
    {
        FOLDER: "crispseg.data.folder:LabelledFolder",
        "bsds500": "crispseg.data.bsds500:BSDS500",
        "bsds500-boundaries": "crispseg.data.bsds500:BSDS500Boundaries",
        "camvid": "crispseg.data.camvid:CamVid",
        "cityscapes": "crispseg.data.cityscapes:Cityscapes",
        "coco": "crispseg.data.coco:COCO",
        "voc2012": "crispseg.data.voc2012:VOC2012",
    },
)
"""All data sets. A new one needs a line here and nothing else."""


def parameters_of(name: str) -> dict[str, bool]:
    """Return the arguments that a data set takes, each with whether it needs them.

    Raises:
        InputError: If no data set has that name.
    """
    parameters = inspect.signature(DATASETS.named(name)).parameters.values()
    return {parameter.name: parameter.default is parameter.empty for parameter in parameters}


def build_dataset(name: str, arguments: Mapping[str, Any]) -> "LabelledImages":
    """Return a data set, made by its name.

    Args:
        name: One of `DATASETS`.
        arguments: Those of its class; "true" and "false" stand for truth values.

    Raises:
        InputError: If no data set has that name, it does not take one of the arguments, it lacks one that it needs, or
            it refuses what it was given.

    Example:
        >>> build_dataset("camvid", {"folder": "camvid"})
        Traceback (most recent call last):
        crispseg.errors.InputError: data set camvid does not take 'folder'; expected some of root, split
    """
    parameters = parameters_of(name)
    for argument in arguments:
        if argument not in parameters:
            raise InputError(f"data set {name} does not take {argument!r}; expected some of {', '.join(parameters)}")
    if missing := [argument for argument, needed in parameters.items() if needed and argument not in arguments]:
        raise InputError(f"data set {name} needs {' and '.join(missing)}")
    words = {"true": True, "false": False}
    converted = {key: words.get(value, value) if isinstance(value, str) else value for key, value in arguments.items()}
    return DATASETS.named(name)(**converted)
