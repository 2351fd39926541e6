"""`crispseg raster`."""

import time
from argparse import Namespace

from crispseg.cli.interruptions import resumable
from crispseg.cli.printing import progress_bar
from crispseg.cli.stages import files_of_weights, require_image_sharpener, scores_of_files
from crispseg.data.class_names import read_class_names
from crispseg.data.intensity import parse_range
from crispseg.defaults import POLYGON_TOLERANCE
from crispseg.errors import InputError
from crispseg.jobs.raster_parts import parts_file
from crispseg.jobs.rasters import sharpen_raster


def run(options: Namespace) -> None:
    """Run the command."""
    if options.tolerance is not None and options.polygons is None:
        raise InputError("--tolerance is given without --polygons; add --polygons, or leave it out")
    sharpener = require_image_sharpener(options)
    if not hasattr(options, "window"):
        sharpener = sharpener.nearby()
    start = time.perf_counter()
    with progress_bar() as progress, resumable(parts_file(options.output)):
        task = progress.add_task("sharpening", total=100)

        def show(share: float) -> None:
            before = progress.tasks[0].completed
            shown = round(100 * share)
            progress.update(task, completed=shown, description="polygons" if shown < before else None)

        sharpen_raster(
            options.image,
            options.predictions,
            options.output,
            sharpener,
            memory=options.memory,
            scores=scores_of_files(options, sharpener),
            grid=sharpener.grid,
            scale=options.scale,
            bands=_bands(options.bands),
            value_range=parse_range(options.range),
            same_extent=options.same_extent,
            class_names=read_class_names(options.class_names) if options.class_names else (),
            polygons=options.polygons,
            tolerance=POLYGON_TOLERANCE if options.tolerance is None else options.tolerance,
            read=files_of_weights(options),
            resume=options.resume,
            done=show,
        )
    for output in (options.output, options.polygons):
        if output is not None:
            print(f"{output}  {time.perf_counter() - start:.0f} s")


def _bands(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(int, text.split(",")))
    except ValueError as error:
        raise InputError(f"--bands {text!r}: expected the numbers of three bands, such as 3,2,1, or of one") from error
