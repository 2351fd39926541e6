"""`crispseg figure`."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from crispseg.cli.data import read_data, read_dataset, read_suffixes
from crispseg.cli.printing import progress_bar
from crispseg.cli.stages import build_stages, files_of_weights, require_sharpener, scores_of_files
from crispseg.cues import EmbeddingCue, LearnedCue
from crispseg.data import read_image, read_prediction
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.matching import pair_files
from crispseg.defaults import FIGURE_PATCH
from crispseg.errors import InputError, naming
from crispseg.figures import (
    check_figure_file,
    compare_images,
    compute_masks,
    count_distances,
    draw_boundary,
    draw_comparison,
    draw_embedding,
    draw_passes,
    draw_reliability,
    draw_speed,
    read_surface,
    read_table,
    write_figure,
)
from crispseg.figures.reliability import MARGINS
from crispseg.inference.one_image import fitted_boundary, sharpen_one
from crispseg.value_checks import check_count


def run(options: Namespace) -> None:
    """Run the command."""
    check_figure_file(options.output, _files_read(options))
    write_figure(_DRAW[options.figure](options), options.output)
    print(options.output)


def _files_read(options: Namespace) -> list[Path]:
    """Return the files that the options name, and those in the folders that they name."""
    given = [path for path in vars(options).values() if isinstance(path, Path) and path != options.output]
    below = (file for folder in given if folder.is_dir() for file in folder.rglob("*"))
    weights = files_of_weights(options) if hasattr(options, "weights") else []
    return [*(path for path in given if path.is_file()), *below, *weights]


def _boundary(options: Namespace) -> Figure:
    stages = build_stages(options)
    image, kind = read_image(options.image), scores_of_files(options, stages.sharpener)
    prediction = read_prediction(options.predictions, kind, getattr(options, "grid", None))
    boundary = fitted_boundary(options.boundaries, image)
    with naming(options.predictions):
        result = sharpen_one(image, prediction, stages.sharpener, boundary, crf=stages.crf)
    return draw_boundary(image, result.before, result.after, prediction.palette, middle=options.middle)


def _embedding(options: Namespace) -> Figure:
    cue = require_sharpener(options, "has no embedding to draw").cue
    if not isinstance(cue, EmbeddingCue):
        raise InputError(f"--cue {cue.name} has no embedding to draw; take one that compares embeddings, such as rgb")
    image, window, patch = read_image(options.image), options.window, options.patch
    if patch is None:
        one_pass = options.passes == 1 and len(window) == 1
        patch = 2 * window[0].radius + 1 if one_pass else FIGURE_PATCH
    masks = compute_masks(
        image,
        cue,
        window,
        pixels=options.pixels,
        count=options.count,
        hardness=options.hardness,
        passes=options.passes,
        apart=2 * patch,
    )
    return draw_embedding(image, masks, patch)


def _comparison(options: Namespace) -> Figure:
    stages = build_stages(options)
    if stages.sharpener is None:
        raise InputError("--cue none leaves no result of crispseg to draw; choose a cue")
    data = read_data(options, scores_of_files(options, stages.sharpener))
    with progress_bar() as progress:
        chosen = _choose(data.dataset.image_names, options)
        return draw_comparison(compare_images(data, chosen, stages.sharpener, crf=stages.crf, progress=progress))


def _choose(names: Sequence[str], options: Namespace) -> list[int]:
    """Return the indices of the images that are named, or of some that lie evenly over the data set."""
    if options.names is None:
        check_count("count", options.count)
        count = min(options.count, len(names))
        return [(2 * index + 1) * len(names) // (2 * count) for index in range(count)]
    numbers = {name: index for index, name in enumerate(names)}
    for name in options.names:
        if name not in numbers:
            raise InputError(f"no image {name!r} in the data set; the first is {names[0]!r}")
    return [numbers[name] for name in options.names]


def _reliability(options: Namespace) -> Figure:
    sharpener = require_sharpener(options, "has no distances to draw")
    cue = sharpener.cue
    data, boundaries = read_dataset(options), None
    if options.boundaries is not None:
        suffix = read_suffixes(options).boundary
        boundaries = pair_files(data.named_paths, options.boundaries, BOUNDARY_SUFFIXES, "boundary map", suffix)
    with progress_bar() as progress:
        counts = count_distances(
            data,
            cue,
            sharpener.window[-1],
            farthest=cue.farthest if options.farthest is None else options.farthest,
            boundaries=boundaries,
            every=options.every,
            progress=progress,
        )
    margins = MARGINS if isinstance(cue, LearnedCue) else None
    return draw_reliability(counts, margins=margins, cue=str(cue.name))


def _passes(options: Namespace) -> Figure:
    return draw_passes(read_surface(options.surface))


def _speed(options: Namespace) -> Figure:
    rows = read_table(options.table)
    if options.rows is None:
        methods = [row for row in rows if row.group != "bound"]
        if not methods:
            raise InputError(f"{options.table}: the oracle is the only row; name it with --rows to draw it")
        return draw_speed(methods)
    names = [row.name for row in rows]
    for name in options.rows:
        if name not in names:
            raise InputError(f"{options.table}: no row {name!r}; expected one of {', '.join(names)}")
    return draw_speed([row for row in rows if row.name in options.rows])


_DRAW: dict[str, Callable[[Namespace], Figure]] = {
    "boundary": _boundary,
    "embedding": _embedding,
    "comparison": _comparison,
    "reliability": _reliability,
    "passes": _passes,
    "speed": _speed,
}
