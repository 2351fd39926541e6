"""Run-length encodings of COCO, as pycocotools has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crispseg.data.run_lengths import read_runs
from crispseg.errors import InputError, one_line
from crispseg.extras import optional_packages
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen


def decode(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the (h, w) bool mask of an encoding, whose counts are compressed (bytes or text) or numbers.

    Raises:
        InputError: If it is none.
    """
    try:
        height, width = map(int, rle["size"])
        lengths = read_runs(rle["counts"], height * width)
        return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T
    except Exception as error:
        raise InputError(
            f"a run-length encoding of size {rle.get('size')} cannot be read ({one_line(error)}); expected size "
            "[height, width] and counts that sum to their product"
        ) from error


def encode(mask: NDArray[np.generic], like: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoding of an (h, w) mask, with counts of the kind that another encoding has.

    Raises:
        InputError: If pycocotools (extra `data`) is missing.
    """
    with optional_packages():
        from pycocotools import mask as coco  # noqa: PLC0415
    size, counts = list(mask.shape), like["counts"]
    if not isinstance(counts, str | bytes):
        columns = np.concatenate(
            [[0], mask.astype(np.int8).T.ravel()]
        )  # runs go down the columns, and begin with zeros
        runs = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(columns)), [mask.size]]))
        return {**like, "size": size, "counts": runs.tolist()}
    made = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return {**like, "size": size, "counts": made.decode() if isinstance(counts, str) else made}


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
