"""Optimisers with a learning rate and a weight decay of its own for every parameter that wants them."""

from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Protocol

import torch
from torch import nn

from crispseg.checks import check_not_negative, check_positive
from crispseg.errors import InputError

Rates = Mapping[str, float]
"""Patterns of parameter names, with `*` and `?`, and a factor for those that match; the first that matches counts."""


class Optimizer(Protocol):
    """What changes a network's parameters."""

    def freeze(self, network: nn.Module) -> None:
        """Have the parameters that shall stay as they are want no gradient."""
        ...

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of a network."""
        ...


class Adam:
    """Adam (Kingma & Ba 2015).

    Args:
        learning_rate: Highest learning rate.
        weight_decay: Of every parameter.
        rates: Factors of the learning rate by name; 0 leaves a parameter as it is.
        decays: Factors of the weight decay by name.

    Raises:
        InputError: If a number makes no sense.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        weight_decay: float = 0.0,
        rates: Rates | None = None,
        decays: Rates | None = None,
    ) -> None:
        check_positive("learning_rate", learning_rate)
        check_not_negative("weight_decay", weight_decay)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.rates = rates or {}
        self.decays = decays or {}

    def freeze(self, network: nn.Module) -> None:
        """See `Optimizer`."""
        freeze(network, self.rates, self.decays)

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimizer`."""
        return torch.optim.Adam(
            parameter_groups(network, self.learning_rate, self.weight_decay, self.rates, self.decays)
        )


class SGD:
    """Stochastic gradient descent with momentum.

    Args:
        learning_rate: Highest learning rate.
        momentum: Of every parameter.
        weight_decay: Of every parameter.
        rates: Factors of the learning rate by name; 0 leaves a parameter as it is. Caffe's networks of the paper give
            biases twice the rate.
        decays: Factors of the weight decay by name.

    Raises:
        InputError: If a number makes no sense.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 4, 1))
        >>> optimizer = SGD(1e-3, rates={"*.bias": 2}, decays={"*.bias": 0}).build(network)
        >>> [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        [(0.001, 0.0005), (0.002, 0.0)]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        rates: Rates | None = None,
        decays: Rates | None = None,
    ) -> None:
        check_positive("learning_rate", learning_rate)
        check_not_negative("momentum", momentum)
        check_not_negative("weight_decay", weight_decay)
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.rates = rates or {}
        self.decays = decays or {}

    def freeze(self, network: nn.Module) -> None:
        """See `Optimizer`."""
        freeze(network, self.rates, self.decays)

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimizer`."""
        groups = parameter_groups(network, self.learning_rate, self.weight_decay, self.rates, self.decays)
        return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum)


def freeze(network: nn.Module, rates: Rates, decays: Rates) -> None:
    """Freeze the parameters whose rate is 0. Those that are frozen already stay so.

    Raises:
        InputError: If a factor is negative, a pattern matches nothing, or nothing is left to learn.
    """
    named = dict(network.named_parameters())
    for option, factors in (("rates", rates), ("decays", decays)):
        for pattern, factor in factors.items():
            check_not_negative(f"{option}[{pattern!r}]", factor)
            if not any(fnmatchcase(name, pattern) for name in named):
                raise InputError(f"{option}: {pattern!r} matches no parameter; they are called {', '.join(named)}")
    for name, parameter in named.items():
        if _factor(name, rates) == 0:
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in named.values()):
        raise InputError("no parameter is left to learn; expected at least one with a rate above 0")


def parameter_groups(
    network: nn.Module, learning_rate: float, weight_decay: float, rates: Rates, decays: Rates
) -> list[dict[str, Any]]:
    """Parameters that learn, grouped by learning rate and decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = learning_rate * _factor(name, rates), weight_decay * _factor(name, decays)
            groups[key].append(parameter)
    return [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()]


def _factor(name: str, factors: Rates) -> float:
    return next((factor for pattern, factor in factors.items() if fnmatchcase(name, pattern)), 1.0)
