"""The model card of a saved sharpener: what it is, how to use it, and what is not known of it."""

from collections.abc import Mapping
from typing import Any

from crispseg.scores import PROBABILITIES

_CUES = {
    "learned": "learned embeddings (`LearnedCue`): weights in `model.safetensors`",
    "rgb": "colours (`RGBCue`): nothing is learned",
    "soft": "soft segmentations (`SoftSegmentationCue`): nothing is learned",
    "contour": "intervening contours (`ContourCue`)",
}

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

crispseg does not know them. Say here what the weights were trained on, what they gain on which data (`crispseg
evaluate` measures it), and where they fail.
"""


def model_card(config: Mapping[str, Any], *, name: str, license: str | None) -> str:
    """The text of the card.

    Args:
        config: As `config.json` holds it.
        name: By which `Sharpener.from_pretrained` finds the sharpener.
        license: An identifier that the hub knows; None where it is not said.
    """
    cue, window, logits = config["cue"], config["window"], config["scores"] not in PROBABILITIES
    rows = {
        "cue": _CUES[cue["kind"]],
        **{option: value for option, value in cue.items() if option != "kind"},
        "window": f"{window['size']}×{window['size']} pixels, dilation {window['dilation']}",
        "hardness": f"{config['hardness']:g}",
        "passes": config["passes"],
        "scores": config["scores"],
        "upsampling": config["upsampling"],
        "guard": config["guard"] or "none",
        "grid": config["grid"],
        "saved by": f"crispseg {config['crispseg_version']}",
        "license": license or "not said",
    }
    given = cue["kind"] == "contour" and "precision" not in cue
    return _CARD.format(
        name=name,
        front="" if license is None else f"license: {license}\n",
        example="randn" if logits else "rand",
        normalised=".softmax(1)" if config["scores"] == "probabilities" else "",
        scores=config["scores"],
        boundaries="boundaries = torch.rand(1, 1, 120, 160)  # of your detector\n" if given else "",
        features=", features=boundaries" if given else "",
        rows="\n".join(f"| {option} | {value} |" for option, value in rows.items()),
    )
