"""`crispseg train`."""

from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import takewhile
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter

try:
    from jsonargparse._util import NestedArg
except ImportError:  # another version, which `_take_afresh` refuses
    NestedArg = None  # type: ignore[assignment, misc]

from crispseg.cli.configs import guard, take_allowed
from crispseg.errors import InputError
from crispseg.training import seed_everything, train

_ERROR_NAME = "crispseg.errors.InputError: "

_LONGEST = 2000
"""Letters of a message: jsonargparse repeats what was given, which may be all of a config."""

_DESCRIPTION = """\
Train a network: the embedding, a segmentation network, a boundary detector, or all of it end to end.

CONFIG is a YAML file with the arguments below. You can change each argument on the command line. If you name several
files, a later one overrides an earlier one, value by value; its data sets replace all earlier ones. The folder
`configs` of the repository has the configs of the paper and ours, and `configs/data` has their data sets. OUTPUT gets a
checkpoint (last.ckpt), and after every validation the weights (safetensors) and a line in validation.jsonl. TensorBoard
reads OUTPUT too. --resume continues a stopped run from its last checkpoint; its network, optimiser and schedule cannot
change. The command prints a line for each validation, and at the end the path of the weights.

A config decides which code runs: which networks and data sets, which files they read, what they download, where the
output goes. Read a config of somebody else before you run it. It may name classes of crispseg, torch.nn, torch.optim
and torchvision.models. For your own classes add --allow-import PACKAGE, which imports that package when a config names
it.

examples:
  crispseg train configs/embedding.yaml
  crispseg train configs/deeplab_trunk.yaml configs/data/camvid.yaml --task.network.num_classes 11
  crispseg train configs/data/camvid.yaml mine.yaml --allow-import mynetworks"""


class _Formatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """jsonargparse's, with the lines of the description as they are."""


_LIBRARY_REMEDY = "Add the import path to import_path_allowlist in set_parsing_settings to allow it."


class _Parser(ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> Any:  # noqa: ANN401 - as the base class declares it
        """Say what is wrong in one line."""
        message = message.replace(_LIBRARY_REMEDY, "If you trust it, allow its package by --allow-import PACKAGE.")
        raise InputError(message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …") from ex


def _instantiate(parser: ArgumentParser, options: Any) -> Any:  # noqa: ANN401 - jsonargparse's namespaces
    try:
        return parser.instantiate(options)
    except ValueError as error:
        # Where an option may be left out, jsonargparse reports on every kind that it could have been.
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _take_afresh(parser: ArgumentParser, *names: str) -> None:
    """Let a value of these options replace an earlier one, instead of keeping the arguments that it does not repeat.

    jsonargparse keeps them if both hold equally many classes, so another data set would inherit `void`. It has no
    public way to change that.

    Raises:
        InputError: If this version of jsonargparse has other insides.
    """
    actions = [action for action in parser._actions if action.dest in names and hasattr(action, "_check_type")]
    if NestedArg is None or len(actions) < len(names):
        raise InputError(
            f"jsonargparse is {version('jsonargparse')}, in which a later data set would keep arguments of an earlier "
            "one; expected 4.53, with which this was tried: pip install 'jsonargparse[signatures]==4.53.*'"
        )
    for action in actions:
        action._check_type = partial(_check_afresh, action._check_type)


def _check_afresh(check: Callable[..., Any], value: object, append: bool = False, cfg: object = None) -> object:
    changes = append or isinstance(value, NestedArg)  # --train_data+ and --train_data.void
    return check(value, append=append, cfg=cfg if changes else None)


def build_parser() -> ArgumentParser:
    """Return the parser of the command, whose options are the arguments of `crispseg.training.train`."""
    parser = _Parser(
        prog="crispseg train",
        description=_DESCRIPTION,
        usage="crispseg train CONFIG [CONFIG …] [--option value …]",
        formatter_class=_Formatter,
    )
    parser.add_argument("--config", action="config", help="a YAML file, with or without the word --config")
    parser.add_argument("--resume", action="store_true", help="continue from OUTPUT/last.ckpt")
    parser.add_function_arguments(train, skip={"resume"}, fail_untyped=True)
    _take_afresh(parser, "train_data", "val_data")
    return parser


def run(given: Namespace) -> None:
    """Run the command."""
    allowed, arguments = take_allowed(given.arguments)
    guard(allowed)
    parser = build_parser()
    configs = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    parts = [part for config in configs for part in ("--config", config)] + list(arguments[len(configs) :])
    try:
        options = parser.parse_args(parts)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"config {' or '.join(configs)}: cannot be read as YAML text ({error})") from error
    # Before the network is made, whose weights may start at random.
    seed_everything(options.seed)
    options = _instantiate(parser, options)
    del options.config
    try:
        task = train(**options.as_dict())
    except InputError as error:
        # From a worker process the message comes with that process's whole traceback.
        raise InputError(str(error).strip().splitlines()[-1].removeprefix(_ERROR_NAME)) from error
    if task.trainer.is_global_zero:
        weights = options.output / task.weights_file
        print(f"weights: {weights}; {task.usage(weights)}")
