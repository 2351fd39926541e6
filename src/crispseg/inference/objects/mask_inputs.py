"""Read masks of objects as people have them: arrays, tensors and pictures, of the whole image or of boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.data.kinds import check_kind
from crispseg.errors import InputError
from crispseg.inference.array_inputs import as_array, as_tensor
from crispseg.precision import widest
from crispseg.scores import MULTILABEL, Scores

MaskScores = Literal["multilabel", "multilabel_probabilities"]
"""The kinds of scores that a floating-point mask may hold: logits, or probabilities from 0 to 1."""


@dataclass(frozen=True)
class GivenMasks:
    """Masks of objects, as the filter takes them."""

    maps: Sequence[Tensor]
    """N maps (h, w), floating point on the CPU: logits or probabilities; a bool mask is 0 and 1."""
    kind: MaskScores
    """The kind of scores in the maps."""
    is_hard: bool
    """Whether they were given as bool, or as integers that stand for it."""
    as_given: Literal["tensor", "array"]
    """The form of the result."""
    dtype: torch.dtype
    """The dtype of soft results."""
    device: torch.device
    """Where a tensor lay."""
    has_channel: bool
    """Whether they were given as (N, 1, h, w)."""

    def probabilities(self, cells: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return one of the maps as probabilities, float32 or wider."""
        wide = cells.to(dtype)  # before the sigmoid, which rounds to 1 in half precision
        return (wide.sigmoid() if self.kind == "multilabel" else wide).clamp(0, 1)

    def result_dtype(self, device: torch.device, *, soft: bool) -> torch.dtype:
        """Return the dtype of results: float32 would round the probabilities of logits above 17 to 1."""
        if not soft:
            return torch.bool
        return widest(device) if self.kind == "multilabel" else torch.float32

    def like(self, crisp: Tensor) -> Tensor | NDArray[np.generic]:
        """Return (N, H, W) bool masks or probabilities in the form of the given masks."""
        if crisp.is_floating_point():
            crisp = (crisp.double().logit(1e-15) if self.kind == "multilabel" else crisp).to(self.dtype)
        crisp = crisp[:, None] if self.has_channel else crisp
        return crisp.to(self.device) if self.as_given == "tensor" else crisp.cpu().numpy()


def read_masks(masks: object, scores: Scores | None) -> GivenMasks:
    """Return masks of any of the accepted forms.

    Args:
        masks: (N, h, w) or (N, 1, h, w) as an array or a tensor, or a list of N masks (h, w), each an array, a tensor
            or a Pillow image: bool, integers that are all 0 and 1 or all 0 and 255, or floating point.
        scores: What floating-point masks hold; None for others.

    Raises:
        InputError: If they are none of these, or their kind is not said.
    """
    given, several = (list(masks), True) if isinstance(masks, list | tuple) else ([masks], False)
    first = given[0] if given else None
    if several and any(isinstance(value, Mapping) for value in given):
        raise InputError(
            "masks is a list of dictionaries; expected masks: those of SAM's generator are "
            '[each["segmentation"] for each in masks]'
        )
    arrays = [as_array("masks", value) for value in given]
    has_channel = False
    if not several:
        whole = arrays[0]
        has_channel = whole.ndim == 4 and whole.shape[1] == 1
        whole = whole[:, 0] if has_channel else whole
        if whole.ndim == 2:
            raise InputError(f"masks have shape {whole.shape}; expected (N, h, w): {_of_one_map(whole)}")
        if whole.ndim != 3:
            raise InputError(f"masks have shape {whole.shape}; expected (N, h, w), or (N, 1, h, w)")
        arrays, dtype = list(whole), whole.dtype
    else:
        dtype = arrays[0].dtype if arrays else np.dtype(bool)
    for n, array in enumerate(arrays):
        if array.ndim != 2 or (0 in array.shape):
            raise InputError(f"mask {n} has shape {array.shape}; expected (h, w), both above 0")
        if array.dtype != dtype:
            raise InputError(f"mask {n} is {array.dtype}, mask 0 {dtype}; expected masks of one dtype")
    is_hard = not np.issubdtype(dtype, np.floating)
    tensors = [_hard(array) for array in arrays] if is_hard else [as_tensor(array) for array in arrays]
    return GivenMasks(
        tensors,
        _kind(tensors, is_hard=is_hard, scores=scores),
        is_hard,
        "tensor" if isinstance(first if several else masks, Tensor) else "array",
        torch.float32 if is_hard else first.dtype if isinstance(first, Tensor) else _dtype(dtype),
        first.device if isinstance(first, Tensor) else torch.device("cpu"),
        has_channel,
    )


def _of_one_map(array: NDArray[np.generic]) -> str:
    if np.issubdtype(array.dtype, np.integer) and len(np.unique(array)) > 2:
        return "crispseg.sharpen_array takes a label map; its regions are masks as (labels == ids[:, None, None])"
    return "pass one mask as masks[None]"


def _dtype(dtype: np.dtype[np.generic]) -> torch.dtype:
    return torch.from_numpy(np.zeros(0, np.float64 if dtype == np.longdouble else dtype)).dtype


def _hard(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
    """Return a bool mask, or one of integers that stand for bools, as 0 and 1."""
    if array.dtype != np.bool_:
        found = np.unique(array).tolist()
        if not (set(found) <= {0, 1} or set(found) <= {0, 255}):
            listed = ", ".join(map(str, found[:4])) + (", …" if len(found) > 4 else "")
            raise InputError(
                f"masks are {array.dtype} with the values {listed}; expected bool, or only 0 and 1, or only 0 and 255: "
                "pass soft masks as masks / 255 with scores='multilabel_probabilities', and a label map as "
                "(labels == ids[:, None, None])"
            )
    return as_tensor(array != 0).float()


def _kind(maps: Sequence[Tensor], *, is_hard: bool, scores: Scores | None) -> MaskScores:
    if scores is not None and scores not in MULTILABEL:
        raise InputError(
            f"scores is {scores!r}; expected 'multilabel' for logits, or 'multilabel_probabilities' for values from 0 "
            "to 1: masks of objects may overlap"
        )
    if is_hard:
        if scores == "multilabel":
            raise InputError("scores is 'multilabel', but the masks are bool; expected logits, or scores=None")
        return "multilabel_probabilities"
    if scores is None:
        low = min((float(each.min()) for each in maps), default=0.0)
        high = max((float(each.max()) for each in maps), default=0.0)
        raise InputError(
            f"masks are floating point from {low:.4g} to {high:.4g}, of no given kind; expected "
            "scores='multilabel_probabilities' for values from 0 to 1, or scores='multilabel' for logits"
        )
    _check_kind(maps, cast(MaskScores, scores))
    return cast(MaskScores, scores)


def _check_kind(maps: Sequence[Tensor], kind: MaskScores) -> None:
    """Refuse masks that all look like those of another kind; a single one may be 0 everywhere, or 1."""
    if all(0 <= float(end) <= 1 for each in maps for end in torch.aminmax(each)):
        check_kind(torch.cat([each.flatten().double() for each in maps] or [torch.zeros(0)])[None, None], kind)
