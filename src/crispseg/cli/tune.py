"""`crispseg tune`."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from crispseg.cli.arguments import (
    CommandParser,
    choose_device,
    print_remarks,
    progress_bar,
)
from crispseg.cli.data_options import add_data_options, read_data
from crispseg.cli.stage_options import add_cue_options
from crispseg.cli.stages import choose_complete, require_crf
from crispseg.cues import CUES, Cue
from crispseg.errors import InputError
from crispseg.evaluation import remarks_on
from crispseg.inference import DenseCRF, Sharpener
from crispseg.pretrained import DEFAULT_WINDOW, Pretrained
from crispseg.process_memory import keep_freed
from crispseg.tuning import CRFGrid, Tuning, tune, tune_crf
from crispseg.tuning.filter_search import MEASURED, FilterSetting, S
from crispseg.window import Window

_DESCRIPTION = """\
Find hardness, window and passes on labelled images, or with --crf the parameters of the dense CRF.

Measures every combination on a validation folder and prints the points of mIoU and of trimap mIoU that each gains; then
the best, and what it gained. Tune on images that you do not report on.

With --crf the filter before the CRF stays as it is: one window, one hardness, one number of passes. The search goes
from coarse to fine and is slow: by default 27 CRFs for each image and up to 52 more, each of about a second for 480x360
pixels and 11 classes. Take every n-th image."""

_EXAMPLES = """\
  crispseg tune --images val --labels val_labels --predictions scores
  crispseg tune --images val --labels val_labels --predictions scores --windows 9 --dilations 1 2 --every 6
  crispseg tune --images val --labels val_labels --predictions scores --cue contour --boundaries edges
  crispseg tune --images val --labels val_labels --predictions scores --crf --every 20"""

_HARDNESS_STEPS = (0.4, 0.6, 0.8, 1, 1.6, 2.4)
_SHOWN = 10

_Report = tuple[list[Table], str, list[str]]
"""A printed report: tables, the verdict, and remarks on the labels."""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("tune", _DESCRIPTION, _EXAMPLES)
    add_data_options(parser)
    _add_grid_options(parser)
    _add_crf_options(parser)
    parser.add_argument(
        "--objective",
        choices=("miou", "trimap", "both"),
        default="both",
        help="what the best maximises; both is their mean (default: %(default)s)",
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th image (default: all)")
    add_cue_options(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    keep_freed()
    chosen = choose_complete(options)
    with progress_bar() as progress:
        tables, verdict, remarks = (_tune_crf if options.crf else _tune)(options, chosen, progress)
    for table in tables:
        Console().print(table)
    print(verdict)
    print_remarks(remarks)


def _add_grid_options(parser: CommandParser) -> None:
    grid = parser.add_argument_group("grid")
    grid.add_argument("--windows", type=int, nargs="+", help="sizes (default: 7 9 11)")
    grid.add_argument("--dilations", type=int, nargs="+", help="of every window (default: 1)")
    hardness = ", ".join(
        f"{name} {' '.join(f'{value:g}' for value in _hardness_grid(cue))}" for name, cue in CUES.items()
    )
    grid.add_argument("--hardness", type=float, nargs="+", help=f"values of λ (default: {hardness})")
    grid.add_argument("--passes", type=int, nargs="+", help="passes (default: 1 3 7 15 25)")


def _hardness_grid(cue: type[Cue]) -> list[float]:
    return [round(step * cue.default_hardness, 6) for step in _HARDNESS_STEPS]


def _add_crf_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("CRF")
    group.add_argument("--crf", action="store_true", help="tune the dense CRF that follows the filter")
    standard = CRFGrid()
    for option, help_ in (
        ("bilateral-weight", "weights of the Gaussian of place and colour"),
        ("bilateral-xy", "its deviations in pixels"),
        ("bilateral-rgb", "its deviations in steps of 255 of a colour"),
        ("spatial-weight", "weights of the Gaussian of place"),
        ("spatial-xy", "its deviations in pixels"),
    ):
        default = " ".join(f"{value:g}" for value in getattr(standard, option.replace("-", "_")))
        group.add_argument(f"--{option}", type=float, nargs="+", help=f"{help_} (default: {default})")
    group.add_argument("--rounds", type=int, help="finer rounds around the best, with half the step each (default: 2)")


def _tune(options: Namespace, chosen: Pretrained | None, progress: Progress) -> _Report:
    if chosen is None:
        raise InputError("--cue none has nothing to tune; add --crf")
    _refuse_crf_options(options)
    dilations = options.dilations or [1]
    result = tune(
        read_data(options),
        Sharpener(chosen.cue, grid=chosen.grid).eval().to(choose_device(options.device)),
        windows=[Window(size, dilation) for size in options.windows or [7, 9, 11] for dilation in dilations],
        hardness=options.hardness or _hardness_grid(type(chosen.cue)),
        passes=options.passes or [1, 3, 7, 15, 25],
        objective=options.objective,
        every=options.every,
        progress=progress,
    )
    windows = dict.fromkeys(setting.window for setting in result.after)
    tables = [_surface(result, window) for window in windows]
    return tables, _verdict(result, _options) + _edges(result), remarks_on(result.before, result.class_names)


def _edges(result: Tuning[FilterSetting]) -> str:
    """A word on values that could be better beyond the end of what was tried."""
    if result.best is None:
        return ""
    edges = []
    for name in ("hardness", "passes"):
        tried, best = sorted({getattr(setting, name) for setting in result.after}), getattr(result.best, name)
        beyond = {tried[0]: "lower", tried[-1]: "higher"}.get(best) if len(tried) > 1 else None
        if beyond and (name, best) != ("passes", 1):
            edges.append(f"{beyond} --{name} than {best:g}")
    return f"\nthe best lies at the end of what was tried: try {' and '.join(edges)}" if edges else ""


def _options(best: FilterSetting) -> str:
    return (
        f"--window {best.window.size} --dilation {best.window.dilation} --hardness {best.hardness:g} "
        f"--passes {best.passes}"
    )


def _refuse_crf_options(options: Namespace) -> None:
    for name in (*vars(CRFGrid()), "rounds"):
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} is for the CRF; add --crf")


def _tune_crf(options: Namespace, chosen: Pretrained | None, progress: Progress) -> _Report:
    require_crf()
    grid = {name: getattr(options, name) for name in vars(CRFGrid())}
    result = tune_crf(
        read_data(options),
        _fixed_sharpener(options, chosen),
        grid=CRFGrid(**{name: values for name, values in grid.items() if values is not None}),
        rounds=2 if options.rounds is None else options.rounds,
        objective=options.objective,
        every=options.every,
        progress=progress,
    )
    return (
        [_ranking(result)],
        _verdict(result, lambda best: f"--crf {best}"),
        remarks_on(result.before, result.class_names),
    )


def _fixed_sharpener(options: Namespace, chosen: Pretrained | None) -> Sharpener | None:
    """The sharpener before the CRF: what is one value in the grid, or the default."""
    fixed = {}
    for name in ("windows", "dilations", "hardness", "passes"):
        values = getattr(options, name)
        if values is not None and (chosen is None or len(values) != 1):
            what = "does not go with --cue none" if chosen is None else "takes one value with --crf: the CRF is tuned"
            raise InputError(f"--{name} {what}")
        fixed[name] = None if values is None else values[0]
    if chosen is None:
        return None
    window = Window(fixed["windows"] or DEFAULT_WINDOW.size, fixed["dilations"] or DEFAULT_WINDOW.dilation)
    hardness, passes = fixed["hardness"], fixed["passes"]
    sharpener = Sharpener(chosen.cue, window=window, hardness=hardness, passes=passes, grid=chosen.grid)
    return sharpener.eval().to(choose_device(options.device))


def _surface(result: Tuning[FilterSetting], window: Window) -> Table:
    settings = [setting for setting in result.after if setting.window == window]
    title = f"window {window.size}, dilation {window.dilation}: points of mIoU / trimap gained"
    table = Table(title=title, title_justify="left")
    table.add_column("hardness", justify="right")
    counts = sorted({setting.passes for setting in settings})
    for count in counts:
        table.add_column(f"{count} passes", justify="right")
    for hardness in dict.fromkeys(setting.hardness for setting in settings):
        cells = (FilterSetting(window, hardness, count) for count in counts)
        table.add_row(f"{hardness:g}", *(_gain(result, setting) for setting in cells))
    return table


def _gain(result: Tuning[FilterSetting], setting: FilterSetting) -> str:
    miou, band = result.gain(setting)
    text = f"{miou:+.2f} / {band:+.2f}"
    return f"[bold]{text}[/bold]" if setting == result.best else text


def _ranking(result: Tuning[DenseCRF]) -> Table:
    best = sorted(result.after, key=result.value, reverse=True)[:_SHOWN]
    table = Table(title=f"best of {len(result.after)} CRFs: points gained over what goes in", title_justify="left")
    table.add_column("--crf")
    for column in ("mIoU", "trimap"):
        table.add_column(column, justify="right")
    for setting in best:
        table.add_row(str(setting), *(f"{points:+.2f}" for points in result.gain(setting)))
    return table


def _verdict(result: Tuning[S], options: Callable[[S], str]) -> str:
    miou, band = (result.before.value(name) for name in MEASURED)
    before = f"{miou:.2f} mIoU, {band:.2f} trimap on {result.images} images"
    best = result.best
    if best is None:
        return f"no gain: no combination improves on {before}"
    miou, band = result.gain(best)
    return (
        f"best: {options(best)}\ngained {miou:+.2f} mIoU and {band:+.2f} trimap over {before}\n"
        f"classes that lose IoU: {result.losses(best)}"
    )
