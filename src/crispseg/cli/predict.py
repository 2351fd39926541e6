"""`crispseg predict`."""

from argparse import Namespace

from crispseg.cli.interruptions import resumable
from crispseg.cli.printing import progress_bar
from crispseg.data.intensity import parse_range
from crispseg.devices import choose_device
from crispseg.jobs.networks import SETTINGS, load_predictor, predict
from crispseg.process_memory import keep_freed


def run(options: Namespace) -> None:
    """Run the command."""
    values = parse_range(options.range)
    keep_freed()
    network = load_predictor(options.weights).to(choose_device(options.device))
    with progress_bar("images") as progress, resumable(options.output / SETTINGS):
        written = predict(
            options.images,
            network,
            options.output,
            value_range=values,
            image_suffix=options.image_suffix,
            read=[options.weights],
            resume=options.resume,
            progress=progress,
        )
    print(f"{options.output}  {len(written)} images")
