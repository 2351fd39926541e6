"""The config of a cue. This module needs no PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from crispseg.errors import InputError
from crispseg.options import as_text, check_names, read_number
from crispseg.value_checks import check_choice

PRECISIONS = ("float32", "bfloat16", "float16")
"""The dtypes that the network of a cue may compute in."""


@dataclass(frozen=True)
class CueConfig:
    """The config of a cue: its name, its arguments, and the weights of its network.

    Args:
        name: The registered name of the cue, such as "learned"; `crispseg info` lists them.
        arguments: Names and values of its arguments, as a mapping or as pairs; those left out have their defaults.
        weights: The weights of its network: a name that ships with crispseg, or a path. None if it has no network, or
            if the weights lie beside the config.
        precision: The dtype that its network computes in: "float32", "bfloat16" or "float16".

    Raises:
        InputError: If a value is not as above.

    Example:
        >>> CueConfig.of("soft:maps=4,norm=1")
        CueConfig(name='soft', arguments=(('maps', 4), ('norm', 1)), weights=None, precision='float32')
        >>> str(CueConfig("rgb", {"norm": 2}))
        'rgb:norm=2'
    """

    name: str = "learned"
    arguments: tuple[tuple[str, Any], ...] = ()
    weights: str | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not self.name or type(self.name) is not str:
            raise InputError(f"cue is {self.name!r}; expected the name of a cue, such as 'learned'")
        given: Any = self.arguments
        pairs = given.items() if isinstance(given, Mapping) else given
        try:
            arguments = tuple(sorted((str(name), value) for name, value in pairs))
        except (TypeError, ValueError) as error:
            raise InputError(f"arguments of cue {self.name!r} are {given!r}; expected names and values") from error
        object.__setattr__(self, "arguments", arguments)
        check_choice("precision", self.precision, PRECISIONS)

    @classmethod
    def of(cls, said: "CueConfig | str | Mapping[str, Any]") -> "CueConfig":
        """Return a cue's config, given as a `CueConfig`, as text such as "rgb:norm=2", or as a mapping of its fields.

        Raises:
            InputError: If it is none of these.
        """
        if isinstance(said, CueConfig):
            return said
        if isinstance(said, Mapping):
            check_names("cue", said, [f.name for f in fields(cls)])
            return cls(**said)
        if not isinstance(said, str):
            raise InputError(f"cue is {said!r}; expected a name such as 'learned', or 'rgb:norm=2'")
        name, colon, arguments = said.partition(":")
        pairs = [pair.partition("=") for pair in arguments.split(",")] if colon else []
        if any(not equals for _, equals, _ in pairs):
            raise InputError(f"cue is {said!r}; expected NAME or NAME:ARGUMENT=VALUE,…, such as 'rgb:norm=2'")
        return cls(name, tuple((argument.strip(), _literal(value.strip())) for argument, _, value in pairs))

    def __str__(self) -> str:
        arguments = ",".join(f"{name}={as_text(value)}" for name, value in self.arguments)
        return f"{self.name}:{arguments}" if arguments else self.name


def _literal(text: str) -> Any:  # noqa: ANN401
    return {"true": True, "false": False, "none": None}.get(text.lower(), read_number(text))
