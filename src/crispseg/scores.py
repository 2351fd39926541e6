"""The kinds of scores, and the ways in which they come to the size of an image."""

from typing import Literal, get_args

Scores = Literal["logits", "probabilities", "multilabel", "multilabel_probabilities"]
"""Kinds of scores: logits or probabilities of classes that exclude each other; or, with "multilabel", logits or
probabilities of labels that do not, such as the masks of objects."""

SCORES: tuple[Scores, ...] = get_args(Scores)

PROBABILITIES: tuple[Scores, ...] = ("probabilities", "multilabel_probabilities")
"""Kinds that are probabilities and no logits."""

MULTILABEL: tuple[Scores, ...] = ("multilabel", "multilabel_probabilities")
"""Kinds whose labels do not exclude each other."""

Upsampling = Literal["joint", "bilinear"]
"""How scores come to the size of an image: along the cue where they are coarse, or not."""

UPSAMPLINGS: tuple[Upsampling, ...] = get_args(Upsampling)
