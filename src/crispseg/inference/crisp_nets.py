"""Convert a sharpener to a `CrispNet`, which trains end to end with a segmentation network, and back."""

import torch
from torch import nn

from crispseg.cues import LearnedCue
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.models import CrispNet
from crispseg.models.segmenter import aligns_corners
from crispseg.nn import Affinity, LocalFilter
from crispseg.precision import shortest


def to_crisp_net(sharpener: Sharpener, segmenter: nn.Module, *, learn_hardness: bool = True) -> CrispNet:
    """Return a network that segments an image and sharpens the scores; it shares the weights of both modules.

    Args:
        sharpener: A sharpener with a `LearnedCue`, logits for scores, bilinear upsampling and no guard, since a
            `CrispNet` has no other options.
        segmenter: Any module from (N, 3, H, W) images in [0, 1] to (N, C, h, w) logits. Its attribute `align_corners`
            says how the logits lie on the image.
        learn_hardness: Whether the hardness is learned too.

    Raises:
        InputError: If the sharpener has an option that a `CrispNet` lacks.

    Example:
        >>> import torch
        >>> sharpener = Sharpener.from_pretrained(upsampling="bilinear", guard=None).nearby()
        >>> sharpener = sharpener.with_options(cue_weight=1, score_weight=0.7)
        >>> network = to_crisp_net(sharpener, nn.Conv2d(3, 21, 8, stride=8))
        >>> network(torch.rand(1, 3, 32, 40)).shape
        torch.Size([1, 21, 32, 40])
        >>> to_sharpener(network).config == sharpener.config.replaced(cue="learned:norm=1")
        True
    """
    cue = sharpener.cue
    if not isinstance(cue, LearnedCue):
        raise InputError(f"cue is {type(cue).__name__}; expected a LearnedCue, since a CrispNet trains its network")
    grid = "corners" if aligns_corners(segmenter) else "centres"
    expected = {"scores": "logits", "upsampling": "bilinear", "guard": "none", "grid": grid}
    texts = sharpener.config.texts()
    for name, text in expected.items():
        if texts[name] != text:
            given = None if text == "none" else text
            raise InputError(
                f"{name} is {texts[name]}; expected {text} for a CrispNet over {type(segmenter).__name__}: use "
                f"sharpener.with_options({name}={given!r})"
            )
    affinity = Affinity(
        sharpener.window,
        shortest(sharpener.hardness),
        learned=learn_hardness,
        norm=cue.norm,
        score_weight=_score_weight(sharpener),
    )
    affinity.to(sharpener.device)
    return CrispNet(segmenter, cue.network, affinity, LocalFilter(sharpener.window, passes=sharpener.passes),
                    filtered="probabilities")  # fmt: skip


def _score_weight(sharpener: Sharpener) -> float:
    """Return the score weight of all windows."""
    first = sharpener.levels[0].score_weight
    if sharpener.finds_gentleness or any(level[2:] != (1, first) for level in sharpener.levels):
        config = sharpener.config.texts()
        raise InputError(
            f"cue_weight is {config['cue_weight']} and score_weight is {config['score_weight']} for windows "
            f"{sharpener.window}; expected cue weights of 1 and one number as score weight for a CrispNet: use "
            "sharpener.nearby().with_options(cue_weight=1, score_weight=0.7)"
        )
    return first


def to_sharpener(network: CrispNet, *, learn_hardness: bool = False) -> Sharpener:
    """Return a sharpener that filters like a `CrispNet`; it shares the network's embedding.

    Args:
        network: A network that filters probabilities with normalised weights.
        learn_hardness: Whether the hardness of the sharpener is learned.

    Raises:
        InputError: If the network filters logits or does not normalise its weights, which a sharpener cannot do.
    """
    if network.filtered != "probabilities":
        raise InputError(
            "the CrispNet filters logits; expected one that filters probabilities: train it with "
            'filtered="probabilities"'
        )
    if not network.filter.normalize:
        raise InputError(
            "the CrispNet does not normalise its weights; expected one that does: make its filter with normalize=True"
        )
    made = Sharpener(
        LearnedCue(network.embedding, norm=network.affinity.norm),
        learn_hardness=learn_hardness,
        window=network.filter.window,
        passes=network.filter.passes,
        hardness=shortest(network.affinity.hardness),
        cue_weight=1,
        score_weight=shortest(torch.as_tensor(network.affinity.score_weight)),
        upsampling="bilinear",
        guard=None,
        grid="corners" if aligns_corners(network.segmenter) else "centres",
    )
    return made.eval().to(network.affinity.log_hardness.device)
