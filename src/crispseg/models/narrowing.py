"""Narrow an embedding network to the channels that contribute most (Li et al. 2017, arXiv 1608.08710)."""

from collections.abc import Mapping

import torch
from torch import Tensor


def narrowed(state: Mapping[str, Tensor], channels: Mapping[str, int], dim: int) -> dict[str, Tensor]:
    """Return the weights of an `EmbeddingNet` with fewer channels, as a start for training it.

    A channel contributes by the norm of the weights into it, times that of the weights out of it: to the next layer
    and to the embedding, each compared with the mean of its kind.

    Args:
        state: Weights of the wider network, `NAME.weight`, `NAME.bias` and `fuse.weight`, no colours in the fusion.
        channels: How many channels of each layer to keep, by name, first layer first.
        dim: How many channels of the embedding to keep: those with the largest weights.

    Returns:
        Tensors with the same names, the layers narrowed.
    """
    weights = {name: state[f"{name}.weight"] for name in channels}
    sizes = [len(weight) for weight in weights.values()]
    parts = dict(zip(channels, torch.split(state["fuse.weight"], sizes, 1), strict=True))
    dims = _largest(state["fuse.weight"].flatten(1).norm(dim=1), dim)
    followers = dict(zip(list(channels), list(channels)[1:], strict=False))
    result, inputs, fused = dict(state), torch.arange(weights["conv1_1"].shape[1]), []
    for name, count in channels.items():
        outgoing = _compared(parts[name])
        if name in followers:
            outgoing = outgoing + _compared(weights[followers[name]])
        kept = _largest(weights[name].flatten(1).norm(dim=1) * outgoing.sqrt(), count)
        result[f"{name}.weight"] = weights[name][kept][:, inputs]
        result[f"{name}.bias"] = state[f"{name}.bias"][kept]
        fused.append(parts[name][dims][:, kept])
        inputs = kept
    result["fuse.weight"] = torch.cat(fused, 1)
    if "fuse.bias" in state:
        result["fuse.bias"] = state["fuse.bias"][dims]
    return result


def _compared(weight: Tensor) -> Tensor:
    """Return the squared norm of the weights (out, in, k, k) of each input channel, divided by its mean."""
    energy = weight.square().sum((0, 2, 3))
    return energy / energy.mean()


def _largest(values: Tensor, count: int) -> Tensor:
    """Return the indices of the largest values, in ascending order."""
    return values.topk(count).indices.sort().values
