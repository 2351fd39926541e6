"""The kinds of scores, and the ways in which they come to the size of an image."""

from typing import Literal, get_args

Scores = Literal["logits", "probabilities", "multilabel"]
"""What scores are: logits of classes that exclude each other, probabilities, or logits of labels that do not."""

SCORES: tuple[Scores, ...] = get_args(Scores)

Upsampling = Literal["joint", "bilinear"]
"""How scores come to the size of an image: along the cue where they are coarse, or not."""

UPSAMPLINGS: tuple[Upsampling, ...] = get_args(Upsampling)
