"""Find and replace the scores in the output of a segmentation network of any library."""

import copy
import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Protocol, TypeGuard, TypeVar, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.precision import at_least_float32

Output = TypeVar("Output")


class Replace(Protocol):
    """A function that returns new scores."""

    def __call__(self, scores: Tensor, *, masks: bool) -> Tensor:
        """Return new scores for (N, C, h, w) ones; `masks` says that they are masks of queries, which may overlap."""


MASKS = ("masks_queries_logits", "pred_masks")
"""The names of mask logits in outputs of transformers: of queries, and of prompts or queries."""

_SCORES = (*MASKS, "logits", "out")
"""The names of scores in outputs: masks and dense predictions of transformers, and torchvision's dictionaries."""


def replace_scores(output: Output, replace: Replace) -> Output:
    """Return the output of a network with its scores replaced.

    Args:
        output: A tensor (N, C, h, w); a mapping or data class that holds one as `masks_queries_logits`,
            `pred_masks` (also (N, P, M, h, w), of P prompts), `logits` or `out`; or a tuple or list whose first entry
            is one.
        replace: The function that returns the new scores.

    Raises:
        TypeError: If the output holds no scores in these places.

    Example:
        >>> output = {"out": torch.zeros(1, 2, 3, 3), "aux": torch.zeros(1, 2, 3, 3)}
        >>> replace_scores(output, lambda scores, *, masks: scores + 1)["out"].max()
        tensor(1.)
    """
    if isinstance(output, Tensor):
        return cast(Output, replace(output, masks=False))
    if isinstance(output, tuple | list) and output and _is_map(output[0]):
        return cast(Output, _of_type(output, [replace(output[0], masks=False), *output[1:]]))
    for name in _SCORES:
        scores = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if name in MASKS and isinstance(scores, Tensor) and scores.ndim == 5:  # several masks for each prompt
            flat = replace(scores.flatten(1, 2), masks=True)
            return with_scores(output, name, flat.reshape(*scores.shape[:3], *flat.shape[-2:]))
        if _is_map(scores):
            return with_scores(output, name, replace(scores, masks=name in MASKS))
    raise TypeError(
        f"the model returned {_describe(output)}; expected a tensor (N, C, h, w), alone, as {', '.join(_SCORES)}, or "
        "first in a tuple: wrap the model in a function that returns its scores"
    )


def semantic_probabilities(output: object) -> Tensor:
    """Return the class probabilities of every pixel for a network of mask queries (MaskFormer, Mask2Former).

    Every query has class probabilities and a mask. A pixel sums the class probabilities of all queries, weighted by
    their masks (Cheng et al. 2021, sec. 3.4, https://arxiv.org/abs/2107.06278), and divides them by their total.

    Args:
        output: An output with (N, Q, L + 1) `class_queries_logits`, whose last class is "no object", and (N, Q, h, w)
            `masks_queries_logits`.

    Returns:
        (N, L, h, w) probabilities, for `Sharpener(..., scores="probabilities")`.

    Raises:
        TypeError: If the output lacks one of them.

    Example:
        >>> from types import SimpleNamespace
        >>> output = SimpleNamespace(
        ...     class_queries_logits=torch.randn(1, 5, 3), masks_queries_logits=torch.randn(1, 5, 8, 8))
        >>> semantic_probabilities(output).shape
        torch.Size([1, 2, 8, 8])
    """
    classes = getattr(output, "class_queries_logits", None)
    masks = getattr(output, "masks_queries_logits", None)
    if not isinstance(classes, Tensor) or not _is_map(masks):
        raise TypeError(
            f"the model returned {_describe(output)}; expected an output with class_queries_logits and "
            "masks_queries_logits, as of MaskFormer or Mask2Former"
        )
    wide = at_least_float32(masks, classes)
    # In proportion to the largest mask of each pixel, so that some are above 0 where all masks are far below it.
    logs = F.logsigmoid(masks.to(wide))
    chances = (logs - logs.amax(1, keepdim=True)).exp()
    given = torch.einsum("nql,nqhw->nlhw", classes.to(wide).softmax(-1)[..., :-1], chances)
    return (given / given.sum(1, keepdim=True).clamp(min=torch.finfo(wide).tiny)).to(masks.dtype)


def _is_map(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point()


def _of_type(output: tuple[object, ...] | list[object], entries: list[object]) -> object:
    make = getattr(output, "_make", type(output))  # named tuples take their entries one by one
    return make(entries)


def with_scores(output: Output, name: str, scores: Tensor) -> Output:
    """Return an output with other scores of a name.

    Raises:
        TypeError: If it is neither a data class nor a mapping.
    """
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return dataclasses.replace(output, **{name: scores})
    if isinstance(output, MutableMapping):
        changed = copy.copy(output)
        changed[name] = scores
        return changed
    raise TypeError(
        f"{name} of {_describe(output)} cannot be replaced; expected a data class or a mapping: wrap the model in a "
        "function that returns its scores"
    )


def _describe(output: object) -> str:
    if isinstance(output, Mapping):
        return f"{type(output).__name__} with {', '.join(map(str, output)) or 'nothing'}"
    if isinstance(output, tuple | list) and output:
        return f"{type(output).__name__} that starts with {_describe(output[0])}"
    return f"{type(output).__name__} {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
