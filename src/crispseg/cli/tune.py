"""`crispseg tune`."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from crispseg.cli.arguments import (
    CommandParser,
    add_data_options,
    add_embedding_options,
    choose_device,
    progress_bar,
    read_data,
)
from crispseg.inference import Sharpener, Tuning, tune
from crispseg.inference.tune import Setting
from crispseg.window import Window

_DESCRIPTION = """\
Find hardness, window and iterations on labelled images.

Measures every combination on a validation folder and prints, for each window, the points of mIoU and of trimap mIoU
that each combination gains; then the best, and what it gained. Tune on images that you do not report on."""

_EXAMPLES = """\
  crispseg tune --images val --labels val_labels --predictions scores
  crispseg tune --images val --labels val_labels --predictions scores --windows 9 --dilations 1 2 --every 6"""


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = CommandParser("tune", _DESCRIPTION, _EXAMPLES)
    add_data_options(parser)
    grid = parser.add_argument_group("grid")
    grid.add_argument("--windows", type=int, nargs="+", default=[7, 9, 11], help="sizes (default: 7 9 11)")
    grid.add_argument("--dilations", type=int, nargs="+", default=[1], help="of every window (default: 1)")
    grid.add_argument(
        "--hardness", type=float, nargs="+", default=[2, 3, 4, 5, 8], help="values of λ (default: 2 3 4 5 8)"
    )
    grid.add_argument(
        "--iterations", type=int, nargs="+", default=[1, 3, 7, 15, 25], help="passes (default: 1 3 7 15 25)"
    )
    parser.add_argument(
        "--objective",
        choices=("miou", "trimap", "both"),
        default="both",
        help="what the best maximises; both is their mean (default: %(default)s)",
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th image (default: all)")
    add_embedding_options(parser)
    options = parser.parse_args(arguments)

    sharpener = Sharpener.from_pretrained(options.weights, norm=options.norm).to(choose_device(options.device))
    with progress_bar() as progress:
        result = tune(
            read_data(options),
            sharpener,
            windows=[Window(size, dilation) for size in options.windows for dilation in options.dilations],
            hardness=options.hardness,
            iterations=options.iterations,
            objective=options.objective,
            every=options.every,
            progress=progress,
        )
    console = Console()
    for window in dict.fromkeys(setting.window for setting in result.after):
        console.print(_surface(result, window))
    print(_verdict(result))


def _surface(result: Tuning, window: Window) -> Table:
    settings = [setting for setting in result.after if setting.window == window]
    title = f"window {window.size}, dilation {window.dilation}: points of mIoU / trimap gained"
    table = Table(title=title, title_justify="left")
    table.add_column("hardness", justify="right")
    counts = sorted({setting.iterations for setting in settings})
    for count in counts:
        table.add_column(f"{count} passes", justify="right")
    for hardness in dict.fromkeys(setting.hardness for setting in settings):
        cells = (Setting(window, hardness, count) for count in counts)
        table.add_row(f"{hardness:g}", *(_gain(result, setting) for setting in cells))
    return table


def _gain(result: Tuning, setting: Setting) -> str:
    miou, band = result.gain(setting)
    text = f"{miou:+.2f} / {band:+.2f}"
    return f"[bold]{text}[/bold]" if setting == result.best else text


def _verdict(result: Tuning) -> str:
    before = f"{result.before.overall.miou:.2f} mIoU, {result.before.trimap.miou:.2f} trimap on {result.images} images"
    best = result.best
    if best is None:
        return f"no gain: no combination improves on {before}"
    miou, band = result.gain(best)
    return (
        f"best: --window {best.window.size} --dilation {best.window.dilation} --hardness {best.hardness:g} "
        f"--iterations {best.iterations}\n"
        f"gained {miou:+.2f} mIoU and {band:+.2f} trimap over {before}"
    )
