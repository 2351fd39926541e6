"""The kinds of scores, and the ways to upsample them to the size of an image."""

from typing import Literal, get_args

Scores = Literal["logits", "probabilities", "multilabel", "multilabel_probabilities"]
"""Kinds of scores. "logits" and "probabilities" are of mutually exclusive classes; "multilabel" (logits) and
"multilabel_probabilities" are of labels that may overlap, such as object masks."""

SCORES: tuple[Scores, ...] = get_args(Scores)

PROBABILITIES: tuple[Scores, ...] = ("probabilities", "multilabel_probabilities")
"""The kinds that are probabilities, not logits."""

MULTILABEL: tuple[Scores, ...] = ("multilabel", "multilabel_probabilities")
"""The kinds whose labels may overlap."""

Upsampling = Literal["joint", "bilinear"]
"""How coarse scores are upsampled: "joint" follows the cue, "bilinear" does not look at the image."""

UPSAMPLINGS: tuple[Upsampling, ...] = get_args(Upsampling)
