"""Names of classes in the tags of a label raster."""

import re
from collections.abc import Mapping

from crispseg.data.raster.opening import RasterDataset

_TAG = re.compile(r"CLASS_(\d{1,5})")


def class_names_of(dataset: RasterDataset) -> dict[int, str]:
    """Return the names of labels, as far as the tags CLASS_0, CLASS_1 and so on of the first band give them."""
    found = ((_TAG.fullmatch(tag), name) for tag, name in dataset.tags(1).items())
    return {int(match[1]): name for match, name in found if match}


def tags_of(names: Mapping[int, str]) -> dict[str, str]:
    """Return the tags that give labels these names."""
    return {f"CLASS_{label}": name for label, name in names.items()}
