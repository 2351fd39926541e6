"""The state of the page's controls: a `SharpenerConfig`, whose fields say which controls there are."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from crispseg.config import SHIPPED_WEIGHTS, SharpenerConfig, options
from crispseg.config_values import AUTO
from crispseg.cue_config import CueConfig
from crispseg.cues import Cue, traits_of
from crispseg.errors import InputError
from crispseg.options import Slider, as_text
from crispseg.pretrained import assigned, load_cue
from crispseg.registry import CUES
from crispseg.value_checks import check_choice

_TIMES = 6
"""Where a slider without an upper end ends, as a multiple of the value that it starts from."""

_JOINED = ("learned+rgb",)
"""Cues made of cues that the page offers after those with a name of their own."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CueChoice:
    """A cue as the page offers it.

    Args:
        cue: Its name, and its weights where it needs some.
    """

    cue: CueConfig

    @property
    def title(self) -> str:
        """Return what the page calls it: its summary up to the first semicolon, and its weights."""
        summary = traits_of(self.cue).summary.partition(";")[0] or self.cue.name
        return ", ".join(filter(None, (summary, self.cue.texts().get("weights"))))

    @property
    def start(self) -> SharpenerConfig:
        """Return the config that the controls show when the cue is chosen."""
        return with_defaults(SharpenerConfig(cue=self.cue))


def offered_cues() -> dict[str, CueChoice]:
    """Return the cues that the page offers, by their names there: one for each of the shipped weights of a cue.

    These are the registered cues, and learned embeddings together with colours. A cue whose package cannot be imported
    is left out, and the log says why.

    Example:
        >>> [choice.title for choice in offered_cues().values()][:2]
        ['learned embeddings, fast', 'learned embeddings, best']
    """
    choices = []
    for text in (*CUES, *_JOINED):
        cue = CueConfig.of(text)
        try:
            needs = traits_of(cue).needs
        except InputError as error:
            _log.warning("the page does not offer a cue: %s", error)
            continue
        weights = SHIPPED_WEIGHTS if "weights" in needs else (None,)
        choices += [CueChoice(cue if one is None else assigned(cue, one)) for one in weights]
    return {cue_key(choice.cue): choice for choice in choices}


def cue_key(cue: CueConfig) -> str:
    """Return the name by which the page knows a cue: its own, with that of its weights."""
    return " ".join(filter(None, (cue.name, cue.texts().get("weights"))))


def offered_cue(name: str) -> CueChoice:
    """Return the cue that the page knows by a name.

    Raises:
        InputError: If the page does not offer such a cue.
    """
    choices = offered_cues()
    check_choice("cue", name, tuple(choices))
    return choices[name]


def first_config() -> SharpenerConfig:
    """Return the config that the page opens with."""
    return next(iter(offered_cues().values())).start


class Cues:
    """Cues by their config, each built when it is first asked for. Sessions share them, as they never change.

    Args:
        device: Where they compute; the CPU by default.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self._built: dict[CueConfig, Cue] = {}

    def get(self, config: CueConfig) -> Cue:
        """Return the cue of a config, on the device.

        Raises:
            InputError: If it cannot be built.
        """
        if config not in self._built:
            self._built[config] = load_cue(config).eval().to(self.device)
        return self._built[config]


@dataclass(frozen=True)
class Reading:
    """The values of the controls, as a config.

    Args:
        config: The config, with the last readable value of every field.
        errors: What is wrong with the values that cannot be read, by the names of their fields.
    """

    config: SharpenerConfig
    errors: Mapping[str, InputError]


def read_controls(values: Mapping[str, Any], last: SharpenerConfig) -> Reading:
    """Read the values of controls.

    Args:
        values: By the names of the fields.
        last: Gives the value of a field that cannot be read. Numbers of passes and weights that do not fit the
            windows count as unreadable; for other windows than the last, they are the usual ones.

    Example:
        >>> reading = read_controls({"window": "8", "passes": 3}, SharpenerConfig())
        >>> reading.config.texts()["window"], reading.config.passes, str(reading.errors["window"])
        ('5@64,5@16,5@8,5@4,5@2,5', 3, 'window size is 8; expected an odd number such as 9')
    """
    fields, changes, errors = dict(options()), dict[str, Any](), dict[str, InputError]()
    for name, value in values.items():
        try:
            changes[name] = offered_cue(value).cue if name == "cue" else fields[name].read(value)
        except InputError as error:
            errors[name] = error
    try:
        config = last.replaced(**changes)
    except InputError as error:  # not as many numbers of passes, or weights, as windows
        usual = {"passes": None, "cue_weight": AUTO, "score_weight": AUTO}
        errors[next((name for name in usual if str(error).startswith(name)), "passes")] = error
        same = changes.get("window", last.window) == last.window
        config = last.replaced(**changes | {name: getattr(last, name) if same else usual[name] for name in usual})
    return Reading(with_defaults(config), errors)


def takes_boundaries(cue: CueConfig) -> bool:
    """Return whether a cue needs a boundary map of the image."""
    return "boundaries" in traits_of(cue).needs


def with_defaults(config: SharpenerConfig) -> SharpenerConfig:
    """Return the config with the defaults of its cue for fields that are None.

    Example:
        >>> config = with_defaults(SharpenerConfig(cue="rgb", passes=3))
        >>> config.hardness, config.passes
        (5.0, 3)
    """
    return config.with_defaults(traits_of(config.cue))


def control_value(name: str, config: SharpenerConfig) -> Any:  # noqa: ANN401 - a number or a text
    """Return what the control of a field shows: a number on a slider, or else a text.

    Example:
        >>> config = CueChoice(CueConfig("rgb")).start
        >>> [control_value(name, config) for name in ("cue", "window", "hardness", "guard")]
        ['rgb', '5@16,5@8,5@4,5@2,5', 5.0, '0.4']
    """
    value, option = getattr(config, name), dict(options())[name]
    if name == "cue":
        return cue_key(config.cue)
    return value if isinstance(option.control, Slider) else as_text(value)


def slider_end(start: float) -> float:
    """Return the upper end of a slider that starts from a value."""
    return _TIMES * start
