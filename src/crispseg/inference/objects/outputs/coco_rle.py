"""Run-length encodings of COCO, as pycocotools has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crispseg.data import run_lengths
from crispseg.data.run_lengths import Mask
from crispseg.errors import InputError, one_line
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen


def decode(rle: Mapping[str, Any]) -> Mask:
    """Return the (h, w) bool mask of an encoding, whose counts are compressed (bytes or text) or numbers.

    Raises:
        InputError: If it is none.
    """
    try:
        height, width = map(int, rle["size"])
        return run_lengths.decode(rle["counts"], height, width)
    except Exception as error:
        raise InputError(
            f"a run-length encoding of size {rle.get('size')} cannot be read ({one_line(error)}); expected size "
            "[height, width] and counts that sum to their product"
        ) from error


def encode(mask: Mask, like: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoding of an (h, w) mask, with counts of the kind that another encoding has.

    Raises:
        InputError: If they are compressed, and pycocotools (extra `data`) is missing.
    """
    counts: object = run_lengths.runs_in_columns(mask)
    if isinstance(like["counts"], str | bytes):
        text = run_lengths.encode(mask)
        counts = text if isinstance(like["counts"], str) else text.encode()
    return {**like, "size": list(mask.shape), "counts": counts}


def _is_rle(value: object) -> bool:
    return isinstance(value, Mapping) and {"size", "counts"} <= set(value)


def _sharpened(objects: Any, image: object, sharpen: Sharpen) -> object:  # noqa: ANN401 - one or several
    several: Sequence[Mapping[str, Any]] = [objects] if _is_rle(objects) else objects
    crisp = np.asarray(sharpen(image, [decode(rle) for rle in several], soft=False))
    made = [encode(mask, rle) for mask, rle in zip(crisp, several, strict=True)]
    return made[0] if _is_rle(objects) else made


KIND = OutputKind(
    "run-length encodings of COCO",
    lambda objects: _is_rle(objects) or (isinstance(objects, list) and all(map(_is_rle, objects))),
    _sharpened,
)
