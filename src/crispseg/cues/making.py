"""Make cues from their configs, and configs from cues."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from crispseg.cue_config import PRECISIONS, CueConfig
from crispseg.cues.cue import Cue
from crispseg.cues.joined import JoinedCue, check_part, joined_summary
from crispseg.errors import InputError
from crispseg.precision import shortest
from crispseg.registry import CUES
from crispseg.value_checks import check_allowed


@dataclass(frozen=True)
class CueTraits:
    """Facts about a cue that its config tells before the cue is made.

    Args:
        summary: A few words on what is compared.
        needs: Inputs needed in addition to images, as in `Cue.needs`.
        default_hardness: λ if none is given.
        default_window: The window or windows if none is given.
        default_passes: The number of passes with one window if none is given.
        networks: For the cue, or each of its parts, whether it may have a network.
    """

    summary: str
    needs: tuple[str, ...]
    default_hardness: float
    default_window: str
    default_passes: int
    networks: tuple[bool, ...]


def traits_of(config: CueConfig) -> CueTraits:
    """Return what a config tells of a cue; the defaults are those of the first part.

    Raises:
        InputError: If a cue is unknown, or cannot be a part.

    Example:
        >>> traits_of(CueConfig.of("learned+0.5*rgb")).summary
        'learned embeddings and colours'
    """
    kinds: list[type[Cue]] = [CUES.named(cue.name) for cue in config.single]
    if config.parts:
        for cue, kind in zip(config.single, kinds, strict=True):
            check_part(cue.name, kind)
    names = [kind.summary or str(kind.name) for kind in kinds]
    return CueTraits(
        summary=joined_summary(names) if config.parts else kinds[0].summary,
        needs=tuple(dict.fromkeys(need for kind in kinds for need in kind.needs)),
        default_hardness=kinds[0].default_hardness,
        default_window=kinds[0].default_window,
        default_passes=kinds[0].default_passes,
        networks=tuple(kind.network_argument is not None for kind in kinds),
    )


def single_cues(cue: Cue) -> tuple[Cue, ...]:
    """Return the parts of a cue, or itself if it has none: the cues of `CueConfig.single`."""
    return tuple(cue.parts) if isinstance(cue, JoinedCue) else (cue,)  # type: ignore[arg-type]


def networks_of(cue: Cue) -> tuple[nn.Module | None, ...]:
    """Return the network of a cue, or of each of its parts; None for one that has none."""
    singles = single_cues(cue)
    return tuple(
        None if type(one).network_argument is None else getattr(one, str(type(one).network_argument)) for one in singles
    )


def describe_cue(cue: Cue) -> CueConfig:
    """Return the config of a cue; the config of an unregistered class has the class name, and cannot be saved.

    Example:
        >>> from crispseg.cues import RGBCue
        >>> str(describe_cue(RGBCue(norm=2)))
        'rgb:norm=2'
    """
    if isinstance(cue, JoinedCue):
        weights = [shortest(one) if isinstance(one, Tensor) else one for one in cue.weights_of_parts]
        return CueConfig(parts=tuple(zip(weights, map(describe_cue, single_cues(cue)), strict=True)))
    arguments = {name: getattr(cue, name) for name in type(cue).arguments}
    dtype = next((str(p.dtype).removeprefix("torch.") for p in cue.parameters()), PRECISIONS[0])
    precision = dtype if dtype in PRECISIONS else PRECISIONS[0]
    return CueConfig(type(cue).name or type(cue).__qualname__, tuple(arguments.items()), precision=precision)


def make_cue(config: CueConfig, network: nn.Module | Sequence[nn.Module | None] | None = None) -> Cue:
    """Return the cue of a config.

    Args:
        config: The config.
        network: Its network if it has one; for a cue made of parts, the network of each, or None.

    Raises:
        InputError: If the cue or an argument is unknown, or the value of an argument is not allowed.
    """
    if config.parts:
        networks = [None] * len(config.parts) if network is None or isinstance(network, nn.Module) else network
        traits_of(config)  # refuses what cannot be a part
        parts: list[Any] = [make_cue(one, own) for one, own in zip(config.single, networks, strict=True)]
        return JoinedCue(parts, [weight for weight, _ in config.parts])
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
