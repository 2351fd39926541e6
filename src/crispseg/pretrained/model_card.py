"""The model card of a saved sharpener: its config, how to use it, and the parts left to its author."""

from crispseg.config import SharpenerConfig
from crispseg.cues import traits_of
from crispseg.scores import PROBABILITIES
from crispseg.versions import __version__

_CARD = """\
---
{front}library_name: crispseg
tags: [image-segmentation, boundary-refinement]
---

# {name}

A sharpener of crispseg: it makes the scores of any segmentation network crisp at
object boundaries. Your network stays as it is.

## Use it

```python
import torch
from crispseg import Sharpener

sharpener = Sharpener.from_pretrained({name!r})
image = torch.randint(0, 256, (1, 3, 120, 160), dtype=torch.uint8)  # RGB, uint8 or float in [0, 1]
scores = torch.{example}(1, 21, 15, 20){normalised}  # {scores} of your network, any classes, any resolution
{boundaries}crisp = sharpener(image, scores{features})
```

## What it is

| | |
|---|---|
{rows}

The weights are safetensors; nothing in this repository is a pickle.

## Training data, results and limits

crispseg does not know them. Describe here what the weights were trained on, how much they improve which data (measured
with `crispseg evaluate`), and where they fail.
"""


def model_card(config: SharpenerConfig, *, name: str, license: str | None) -> str:
    """Return the text of the card.

    Args:
        config: The config of the sharpener, as in `config.json`.
        name: The name by which `Sharpener.from_pretrained` finds the sharpener.
        license: An identifier of the hub; None if unknown.
    """
    traits, logits = traits_of(config.cue), config.scores not in PROBABILITIES
    rows = {"what is compared": traits.summary, **config.texts(), "saved by": f"crispseg {__version__}"}
    given = "boundaries" in traits.needs and config.cue.weights is None
    return _CARD.format(
        name=name,
        front="" if license is None else f"license: {license}\n",
        example="randn" if logits else "rand",
        normalised=".softmax(1)" if config.scores == "probabilities" else "",
        scores=config.scores,
        boundaries="boundaries = torch.rand(1, 1, 120, 160)  # of your detector\n" if given else "",
        features=", features=boundaries" if given else "",
        rows="\n".join(f"| {row} | {text} |" for row, text in {**rows, "license": license or "not said"}.items()),
    )
