"""Any optimiser of PyTorch, with factors of learning rate and weight decay for parameters by name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from crispseg.errors import InputError, one_line
from crispseg.value_checks import check_not_negative

Factors = Mapping[str, float]
"""Patterns of parameter names, with `*` and `?`, and a factor for those that match; the first that matches counts."""

OptimizerCallable = Callable[[Iterable[Any]], torch.optim.Optimizer]
"""Makes an optimiser of parameters, such as `functools.partial(torch.optim.SGD, lr=1e-3)`.

In a config: `{class_path: torch.optim.SGD, init_args: {lr: 1.0e-3}}`.
"""


def freeze(network: nn.Module, rates: Factors, decays: Factors) -> None:
    """Freeze the parameters whose rate is 0; parameters that are frozen already stay frozen.

    Args:
        network: The network, whose parameters are changed in place.
        rates: Factors of the learning rate.
        decays: Factors of the weight decay; only checked here.

    Raises:
        InputError: If a factor is negative, a pattern matches no parameter, or no parameter is left to learn.
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


def build_optimizer(
    make: OptimizerCallable, network: nn.Module, rates: Factors, decays: Factors
) -> torch.optim.Optimizer:
    """Return the optimiser of the parameters that learn, in groups of equal factors.

    Args:
        make: Makes it with the learning rate and weight decay that the factors multiply.
        network: Parameters that need no gradient are left out.
        rates: Factors of the learning rate.
        decays: Factors of the weight decay.

    Raises:
        InputError: If the optimiser refuses its arguments, or has no learning rate or weight decay to multiply.

    Example:
        >>> from functools import partial
        >>> make = partial(torch.optim.SGD, lr=1e-3, weight_decay=5e-4)
        >>> optimizer = build_optimizer(make, nn.Conv2d(3, 4, 1), rates={"bias": 2}, decays={"bias": 0})
        >>> [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        [(0.001, 0.0005), (0.002, 0.0)]
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups[_factor(name, rates), _factor(name, decays)].append(parameter)
    try:
        optimizer = make([{"params": parameters} for parameters in groups.values()])
    except (TypeError, ValueError) as error:  # PyTorch's words for a value that makes no sense
        raise InputError(f"optimizer: {one_line(error)}; give it arguments that it takes") from error
    for group, (rate, decay) in zip(optimizer.param_groups, groups, strict=True):
        _multiply(group, "lr", rate, "rates", optimizer)
        _multiply(group, "weight_decay", decay, "decays", optimizer)
    return optimizer


def _multiply(
    group: dict[str, Any], option: str, factor: float, factors: str, optimizer: torch.optim.Optimizer
) -> None:
    if factor == 1:
        return
    if option not in group:
        raise InputError(f"{type(optimizer).__name__} has no {option} for {factors} to multiply; leave {factors} out")
    group[option] = group[option] * factor


def _factor(name: str, factors: Factors) -> float:
    return next((factor for pattern, factor in factors.items() if fnmatchcase(name, pattern)), 1.0)
