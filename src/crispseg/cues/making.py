"""Make cues from their configs, and configs from cues."""

from typing import Any

from torch import nn

from crispseg.cue_config import PRECISIONS, CueConfig
from crispseg.cues.cue import Cue
from crispseg.errors import InputError
from crispseg.registry import CUES
from crispseg.value_checks import check_allowed


def describe_cue(cue: Cue) -> CueConfig:
    """Return the config of a cue; the config of an unregistered class has the class name, and cannot be saved.

    Example:
        >>> from crispseg.cues import RGBCue
        >>> describe_cue(RGBCue(norm=2))
        CueConfig(name='rgb', arguments=(('norm', 2),), weights=None, precision='float32')
    """
    arguments = {name: getattr(cue, name) for name in type(cue).arguments}
    dtype = next((str(p.dtype).removeprefix("torch.") for p in cue.parameters()), PRECISIONS[0])
    precision = dtype if dtype in PRECISIONS else PRECISIONS[0]
    return CueConfig(type(cue).name or type(cue).__qualname__, tuple(arguments.items()), precision=precision)


def make_cue(config: CueConfig, network: nn.Module | None = None) -> Cue:
    """Return the cue of a config, with its network if it has one.

    Raises:
        InputError: If the cue or an argument is unknown, or the value of an argument is not allowed.
    """
    kind: type[Cue] = CUES.named(config.name)
    arguments = dict(config.arguments)
    for name, value in arguments.items():
        _check_argument(config.name, kind, name, value)
    if network is not None:
        if kind.network_argument is None:
            raise InputError(f"cue {config.name!r} has no network; leave out the weights")
        arguments[kind.network_argument] = network
    elif "weights" in kind.needs:
        raise InputError(f"cue {config.name!r} has no weights; expected those of its network: give weights")
    return kind(**arguments)


def _check_argument(cue: str, kind: type[Cue], name: str, value: Any) -> None:  # noqa: ANN401
    if name not in kind.arguments:
        raise InputError(f"cue {cue!r} has no argument {name!r}; expected {', '.join(kind.arguments) or 'none'}")
    allowed = kind.arguments[name]
    if not isinstance(allowed, type):
        check_allowed(name, value, allowed)
    elif type(value) is not allowed and not (allowed is float and type(value) is int):
        raise InputError(f"{name} is {value!r}; expected a value of type {allowed.__name__}")
