"""The config of a cue. This module needs no PyTorch."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from crispseg.errors import InputError
from crispseg.options import as_text, check_names, read_number
from crispseg.value_checks import check_choice, check_positive

PRECISIONS = ("float32", "bfloat16", "float16")
"""The dtypes that the network of a cue may compute in."""

_PLUS = re.compile(r"(?<!\d[eE])\+|(?<=\d[eE])\+(?=\D)")
"""A plus between two cues, and not that of a number such as 1e+5."""


class CueDefaults(Protocol):
    """A cue, its class or its traits: whatever has the defaults of a cue."""

    @property
    def default_hardness(self) -> float:
        """λ if none is given."""

    @property
    def default_window(self) -> str:
        """The window or windows if none is given."""

    @property
    def default_passes(self) -> int:
        """The number of passes with one window if none is given."""


@dataclass(frozen=True)
class CueConfig:
    """The config of a cue: its name, its arguments, and the weights of its network; or the parts that it is made of.

    Args:
        name: The registered name of the cue, such as "learned"; `crispseg info` lists them.
        arguments: Names and values of its arguments, as a mapping or as pairs; those left out have their defaults.
        weights: The weights of its network: a name that ships with crispseg, or a path. None if it has no network, or
            if the weights lie beside the config.
        precision: The dtype that its network computes in: "float32", "bfloat16" or "float16".
        parts: For a cue made of two or more cues, pairs of a weight above 0 and a `CueConfig` or its text. The name is
            then made of theirs, and each part has its own arguments, weights and precision.

    Raises:
        InputError: If a value is not as above.

    Example:
        >>> CueConfig.of("soft:maps=4,norm=1")
        CueConfig(name='soft', arguments=(('maps', 4), ('norm', 1)), weights=None, precision='float32', parts=())
        >>> str(CueConfig("rgb", {"norm": 2}))
        'rgb:norm=2'
        >>> str(CueConfig(parts=[(1, "learned"), (0.5, "rgb")]))
        'learned+0.5*rgb'
    """

    name: str = "learned"
    arguments: tuple[tuple[str, Any], ...] = ()
    weights: str | None = None
    precision: str = "float32"
    parts: tuple[tuple[float, "CueConfig"], ...] = ()

    def __post_init__(self) -> None:
        if self.parts != ():
            self._settle_parts()
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

    def _settle_parts(self) -> None:
        try:
            parts = tuple((float(weight), CueConfig.of(cue)) for weight, cue in self.parts)
        except (TypeError, ValueError) as error:
            raise InputError(f"parts are {self.parts!r}; expected pairs of a weight and a cue") from error
        if len(parts) < 2 or any(cue.parts for _, cue in parts):
            raise InputError(
                f"parts are {self.parts!r}; expected two or more cues that are not made of parts themselves"
            )
        for weight, cue in parts:
            check_positive(f"weight of cue {cue.name!r}", weight)
        name = "+".join(cue.name for _, cue in parts)
        alone = self.arguments in ((), {}) and self.weights is None and self.precision == "float32"
        if self.name not in (CueConfig.name, name) or not alone:
            raise InputError(
                f"cue {name!r} has parts; expected its name, arguments, weights and precision to be left out: give "
                "them to the parts"
            )
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "name", name)

    @property
    def single(self) -> tuple["CueConfig", ...]:
        """The configs of its parts, or itself if it has none."""
        return tuple(cue for _, cue in self.parts) or (self,)

    def with_single(self, cues: "Iterable[CueConfig]") -> "CueConfig":
        """Return the config with other configs in the places of `single`."""
        if not self.parts:
            (cue,) = cues
            return cue
        return CueConfig(parts=tuple((weight, cue) for (weight, _), cue in zip(self.parts, cues, strict=True)))

    def with_weights(self, weights: Iterable[str | None]) -> "CueConfig":
        """Return the config with these weights, one for each of `single`."""
        return self.with_single(replace(cue, weights=one) for cue, one in zip(self.single, weights, strict=True))

    def texts(self) -> dict[str, str]:
        """Return the weights and the precision as the command line takes them, by name, if they are set.

        If the networks of several parts differ, theirs are separated by commas.
        """
        weights = [cue.weights for cue in self.single if cue.weights is not None]
        precisions = [cue.precision for cue in self.single if cue.weights is not None or cue.precision != "float32"]
        texts = {"weights": _together(weights)} if weights else {}
        return texts | ({"precision": _together(precisions)} if set(precisions) - {"float32"} else {})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them, from which `of` reads the config."""
        if self.parts:
            return {"name": self.name, "parts": [[weight, cue.to_dict()] for weight, cue in self.parts]}
        given = {name: value for name, value in vars(self).items() if name != "parts"}
        return {**given, "arguments": dict(self.arguments)}

    @classmethod
    def of(cls, said: "CueConfig | str | Mapping[str, Any]") -> "CueConfig":
        """Return the config of a cue from a `CueConfig`, a text such as "learned+0.5*rgb", or a mapping of its fields.

        Raises:
            InputError: If it is something else.
        """
        if isinstance(said, CueConfig):
            return said
        if isinstance(said, Mapping):
            check_names("cue", said, [f.name for f in fields(cls)])
            return cls(**said)
        if not isinstance(said, str):
            raise InputError(f"cue is {said!r}; expected a name such as 'learned', or 'rgb:norm=2'")
        pieces = _PLUS.split(said)
        if len(pieces) == 1 and "*" not in said.partition(":")[0]:
            return cls._of_text(said, said)
        weighted = [_weighted(piece.strip(), said) for piece in pieces]
        if len(weighted) == 1:
            raise InputError(
                f"cue is {said!r}, a weight of one cue alone; expected another cue, such as 'learned+0.5*rgb'"
            )
        return cls(parts=tuple((weight, cls._of_text(text, said)) for weight, text in weighted))

    @classmethod
    def _of_text(cls, text: str, said: str) -> "CueConfig":
        name, colon, arguments = text.partition(":")
        pairs = [pair.partition("=") for pair in arguments.split(",")] if colon else []
        if any(not equals for _, equals, _ in pairs):
            raise InputError(f"cue is {said!r}; expected NAME or NAME:ARGUMENT=VALUE,…, such as 'rgb:norm=2'")
        return cls(name, tuple((argument.strip(), _literal(value.strip())) for argument, _, value in pairs))

    def __str__(self) -> str:
        if self.parts:
            return "+".join(f"{'' if weight == 1 else f'{as_text(weight)}*'}{cue}" for weight, cue in self.parts)
        arguments = ",".join(f"{name}={as_text(value)}" for name, value in self.arguments)
        return f"{self.name}:{arguments}" if arguments else self.name


def _weighted(text: str, said: str) -> tuple[float, str]:
    """Return the weight and the text of a part such as "0.5*rgb"."""
    head, colon, arguments = text.partition(":")
    number, star, name = head.rpartition("*")
    try:
        weight = float(number) if star else 1.0
    except ValueError:
        weight = math.nan
    if not name.strip() or not 0 < weight < math.inf:
        raise InputError(
            f"cue is {said!r}, which holds {text!r}; expected CUE or WEIGHT*CUE around each +, with a weight above 0, "
            "such as 'learned+0.5*rgb'"
        )
    return weight, f"{name.strip()}{colon}{arguments}"


def _together(texts: list[str]) -> str:
    """Return one text for all if they are equal, or else all with commas."""
    return ",".join(texts if len(set(texts)) > 1 else texts[:1])


def _literal(text: str) -> Any:  # noqa: ANN401
    return {"true": True, "false": False, "none": None}.get(text.lower(), read_number(text))
