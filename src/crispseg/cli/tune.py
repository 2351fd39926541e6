"""`crispseg tune`."""

from argparse import Namespace
from collections.abc import Callable

from rich.progress import Progress
from rich.table import Table

from crispseg.cli.data import read_data, read_kept
from crispseg.cli.interruptions import resumable_by_file
from crispseg.cli.printing import print_remarks, print_tables, progress_bar
from crispseg.cli.stages import build_sharpener, require_crf, require_sharpener, scores_of_files
from crispseg.config import SharpenerConfig
from crispseg.config import options as fields_of_config
from crispseg.config_values import Passes
from crispseg.defaults import CRF_ROUNDS
from crispseg.errors import InputError
from crispseg.evaluation import remarks_on
from crispseg.inference import DenseCRF, Sharpener
from crispseg.jobs.resuming import settings_of
from crispseg.options import as_text, flag
from crispseg.process_memory import keep_freed
from crispseg.tuning import CRFGrid, Tuning, tune, tune_crf
from crispseg.tuning.filter_search import configs_to_try
from crispseg.tuning.result import MEASURED, S

_SHOWN = 10

_Report = tuple[list[Table], str, list[str]]
"""A printed report: tables, the verdict, and remarks on the labels."""


def run(options: Namespace) -> None:
    """Run the command."""
    keep_freed()
    with progress_bar() as progress, resumable_by_file(options.resume):
        tables, verdict, remarks = (_tune_crf if options.crf else _tune)(options, progress)
    print_tables(*tables)
    print(verdict)
    print_remarks(remarks)


def _searched(options: Namespace) -> dict[str, list[object]]:
    """Return the values to try, by the fields of which some were given."""
    return {name: value for name, _ in fields_of_config() if isinstance(value := getattr(options, name, None), list)}


def _tune(options: Namespace, progress: Progress) -> _Report:
    _refuse_crf_options(options)
    sharpener = require_sharpener(options, "has nothing to tune without --crf")
    data, search = read_data(options, scores_of_files(options, sharpener)), _searched(options)
    tried = [str(each.to_dict()) for each in configs_to_try(sharpener.config, search)]
    result = tune(
        data,
        sharpener,
        search,
        objective=options.objective,
        every=options.every,
        kept=read_kept(options, data, {"counted by": "tune", "tried": tried, **settings_of(sharpener, None)}),
        progress=progress,
    )
    verdict = _verdict(result, lambda best: _command_options(result, best, sharpener.config))
    return _surfaces(result), verdict + _edges(result), remarks_on(result.before, result.class_names)


def _varied(result: Tuning[SharpenerConfig]) -> list[str]:
    """Return the fields of which several values were tried."""
    return [name for name, _ in fields_of_config() if len({getattr(setting, name) for setting in result.after}) > 1]


def _command_options(result: Tuning[SharpenerConfig], best: SharpenerConfig, start: SharpenerConfig) -> str:
    """Return a config as options: what was searched or differs from the start, and the three that are always said."""
    said = {*_varied(result), "window", "hardness", "passes"}
    names = [name for name, _ in fields_of_config() if name in said or getattr(best, name) != getattr(start, name)]
    return " ".join(f"{flag(name)} {as_text(getattr(best, name))}" for name in names)


def _edges(result: Tuning[SharpenerConfig]) -> str:
    """Return a word on values that could be better beyond the end of what was tried."""
    if result.best is None:
        return ""
    edges = []
    for name in ("hardness", "passes"):
        best, alike = getattr(result.best, name), (each for each in result.after if each.window == result.best.window)
        values = {getattr(setting, name) for setting in alike}
        if any(isinstance(value, tuple) for value in values):  # several numbers of passes have no order
            continue
        tried = sorted(values)
        beyond = {tried[0]: "lower", tried[-1]: "higher"}.get(best) if len(tried) > 1 else None
        if beyond and (name, best) != ("passes", 1):
            edges.append(f"{beyond} --{name} than {best:g}")
    return f"\nthe best lies at the end of what was tried: try {' and '.join(edges)}" if edges else ""


def _refuse_crf_options(options: Namespace) -> None:
    for name in (*vars(CRFGrid()), "rounds"):
        if getattr(options, name) is not None:
            raise InputError(f"{flag(name)} is for the CRF; add --crf")


def _tune_crf(options: Namespace, progress: Progress) -> _Report:
    require_crf()
    grid = {name: getattr(options, name) for name in vars(CRFGrid())}
    sharpener = _fixed_sharpener(options)
    data = read_data(options, scores_of_files(options, sharpener))
    result = tune_crf(
        data,
        sharpener,
        grid=CRFGrid(**{name: values for name, values in grid.items() if values is not None}),
        rounds=CRF_ROUNDS if options.rounds is None else options.rounds,
        objective=options.objective,
        every=options.every,
        kept=read_kept(options, data, {"counted by": "tune --crf", **settings_of(sharpener, None)}),
        progress=progress,
    )
    return (
        [_ranking(result)],
        _verdict(result, lambda best: f"--crf {best}"),
        remarks_on(result.before, result.class_names),
    )


def _fixed_sharpener(options: Namespace) -> Sharpener | None:
    """Return the sharpener before the CRF, of which every option has one value; None for `--cue none`."""
    for name, values in _searched(options).items():
        if len(values) != 1:
            raise InputError(f"{flag(name)} takes one value with --crf: the CRF is tuned")
        setattr(options, name, values[0])
    return build_sharpener(options)


def _surfaces(result: Tuning[SharpenerConfig]) -> list[Table]:
    """Return a table of hardness by passes for each combination of the other fields."""
    grouped: dict[SharpenerConfig, list[SharpenerConfig]] = {}
    for setting in result.after:
        grouped.setdefault(setting.replaced(hardness=1, passes=1), []).append(setting)
    others = [name for name in _varied(result) if name not in ("hardness", "passes", "window")]
    return [_surface(result, settings, others) for settings in grouped.values()]


def _surface(result: Tuning[SharpenerConfig], settings: list[SharpenerConfig], others: list[str]) -> Table:
    said = ", ".join(f"{name} {as_text(getattr(settings[0], name))}" for name in ("window", *others))
    table = Table(title=f"{said}: points of mIoU / trimap gained", title_justify="left")
    table.add_column("hardness", justify="right")
    counts = sorted({setting.passes or 1 for setting in settings}, key=_in_order)
    for count in counts:
        table.add_column(f"{as_text(count)} passes", justify="right")
    for hardness in dict.fromkeys(setting.hardness for setting in settings):
        cells = (settings[0].replaced(hardness=hardness, passes=count) for count in counts)
        table.add_row(as_text(hardness), *(_gain(result, setting) for setting in cells))
    return table


def _in_order(passes: Passes) -> tuple[int, ...]:
    return passes if isinstance(passes, tuple) else (passes,)


def _gain(result: Tuning[SharpenerConfig], setting: SharpenerConfig) -> str:
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
