"""The options that choose the stages between scores and result: the fields of a sharpener's config, and a CRF."""

import argparse
from argparse import _ArgumentGroup
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_device_option
from crispseg.config import OF_PREDICTIONS, SHIPPED_WEIGHTS, SharpenerConfig, options
from crispseg.cue_config import PRECISIONS, CueConfig
from crispseg.defaults import CRF_PRESETS
from crispseg.errors import InputError
from crispseg.options import Option, as_text, flag
from crispseg.registry import CUES


def add_stage_options(parser: CommandParser) -> None:
    """Add options for the sharpener, the device and the CRF."""
    add_sharpener_options(parser)
    add_boundaries_option(parser)
    add_device_option(parser)
    parser.add_argument(
        "--crf",
        metavar="PRESET|NUMBERS",
        help="run a dense CRF after the filter, with the published parameters of a network "
        f"({', '.join(CRF_PRESETS)}), or with five numbers separated by commas: weight, pixels and colours of the "
        "bilateral Gaussian, weight and pixels of the spatial Gaussian. With --cue none, the CRF runs alone",
    )


def add_sharpener_options(
    parser: CommandParser,
    *,
    without: Collection[str] = (),
    several: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Add an option for each field of `SharpenerConfig`, and for the weights and the precision of its cue.

    Args:
        parser: Gets them.
        without: Fields that the command has no use for.
        several: Take several values of each field that can be searched.
        defaults: Words on the defaults of fields for which the command has its own.
    """
    group = parser.add_argument_group("sharpener (if --weights names a whole sharpener, its options are the defaults)")
    add_fields(group, [name for name, _ in options() if name not in without], several=several, defaults=defaults)
    add_weights_options(group, precision="precision" not in without)


def add_fields(
    group: _ArgumentGroup,
    names: Collection[str],
    *,
    several: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Add options for fields of `SharpenerConfig`. One that is not given leaves no attribute: "none" is a value."""
    for name, option in options():
        if name not in names:
            continue
        searched = several and name not in ("cue", *OF_PREDICTIONS)
        default = f"(default: {defaults[name]})" if name in defaults else _default(name, option, several=searched)
        group.add_argument(
            flag(name),
            type=read_cue if name == "cue" else reader(option),
            default=argparse.SUPPRESS,
            nargs="+" if searched else None,
            metavar=option.metavar,
            help=f"{option.help} {default}",
        )


def add_prediction_options(parser: CommandParser) -> None:
    """Add options for the kind of scores in files and for the grid on which predictions lie."""
    add_fields(parser.add_argument_group("scores in files"), OF_PREDICTIONS)


def add_weights_options(group: _ArgumentGroup, *, precision: bool = True) -> None:
    """Add options for the weights of the cue and the precision of its network."""
    group.add_argument(
        "--weights",
        metavar="NAME|FILE|FOLDER",
        help=f"the weights of the cue's network: {' or '.join(SHIPPED_WEIGHTS)}, which come with crispseg, or a "
        "safetensors file that `crispseg train` wrote; or a whole sharpener: a folder that save_pretrained wrote, or "
        f"OWNER/NAME on a hub (default: {SHIPPED_WEIGHTS[0]})",
    )
    if precision:
        group.add_argument(
            "--precision",
            choices=PRECISIONS,
            help="the number format of the cue's network; bfloat16 is twice as fast on processors that have it, and "
            f"almost as accurate (default: {PRECISIONS[0]})",
        )


def add_boundaries_option(parser: CommandParser) -> None:
    """Add the option for boundary maps."""
    parser.add_argument(
        "--boundaries",
        type=Path,
        metavar="FILE|FOLDER",
        help="for cues that need them, such as contour: the boundary map of a single image, or a folder with a file of "
        "the same name for each image; greyscale .png, or .npy in [0, 1], at any resolution",
    )


def reader(option: Option) -> Callable[[str], Any]:
    """Return a function that reads the text of an option and raises errors that argparse shows."""

    def read(text: str) -> Any:  # noqa: ANN401 - a value of any field
        try:
            return option.read(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def read_cue(text: str) -> CueConfig | None:
    """Return the cue that `--cue` names; None for "none", which leaves the scores as they are, for a CRF alone."""
    return None if text == "none" else reader(dict(options())["cue"])(text)


def _default(name: str, option: Option, *, several: bool) -> str:
    if name == "cue":
        return (
            f"({', '.join(CUES)}, or one of an installed package; `crispseg info` lists their arguments; "
            f"default: {SharpenerConfig().cue})"
        )
    default = getattr(SharpenerConfig(), name)
    around = {"hardness": "six values", "passes": "three numbers"}
    if several and name in around:
        return f"(tried by default: {around[name]} around the one to start from)"
    if several:
        tried = [value for value in option.tried(default) if value is not None or name == "guard"]
        if tried == [default]:
            return "(default: the one to start from)"
        return f"(tried by default: {' '.join(map(as_text, tried))}, and the one to start from)"
    if default is None and name != "guard":
        return "(default: that of the cue or its weights, see crispseg info)"
    return f"(default: {as_text(default)})"
