"""Sharpen a raster of any size, such as GeoTIFF, within a given memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import torch

from crispseg.data.box import cut
from crispseg.data.intensity import ValueRange
from crispseg.data.prediction import Prediction
from crispseg.data.raster import (
    BLOCK,
    LabelValues,
    RasterPrediction,
    image_pixels,
    label_raster,
    on_the_ground_of,
    opened_raster,
    prediction_pixels,
)
from crispseg.data.raster.opening import RasterDataset
from crispseg.data.raster.output import check_raster_output
from crispseg.data.raster.place import is_said_to_cover
from crispseg.data.raster.prediction import LabelPixels
from crispseg.defaults import POLYGON_TOLERANCE
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.inference.memory import parse_memory
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tiles import Tiles
from crispseg.jobs.raster_parts import FinishedParts
from crispseg.jobs.raster_polygons import check_place, check_tolerance, write_polygons
from crispseg.jobs.resuming import settings_of, stamp_of
from crispseg.polygons.files import check_polygon_file
from crispseg.scores import Scores
from crispseg.single_writer import only_writer
from crispseg.writing import check_output_file


def sharpen_raster(
    image: Path | str,
    prediction: Path | str,
    output: Path | str,
    sharpener: Sharpener,
    *,
    memory: str | int,
    scores: Scores | None = None,
    grid: Grid | str | None = None,
    scale: float | None = None,
    bands: Sequence[int] | None = None,
    value_range: ValueRange = "auto",
    same_extent: bool = False,
    class_names: Sequence[str] = (),
    polygons: Path | str | None = None,
    tolerance: float = POLYGON_TOLERANCE,
    read: Iterable[Path] = (),
    resume: bool = False,
    done: Callable[[float], object] = lambda share: None,
) -> None:
    """Read an image and its prediction in parts, and write the sharpened label map with the image's georeference.

    Pixels without data in image or prediction (nodata, masks, NaN) get no label, and do not affect other pixels.

    Args:
        image: A raster with three bands for red, green and blue.
        prediction: A raster at any resolution: one band of integers for a label map, or a band of scores for each
            class. If its georeference differs from the image's, it is warped to the image.
        output: The .tif file to write, tiled and compressed.
        sharpener: The sharpener, which runs on the device of its weights.
        memory: The memory that the process may use, such as "2GiB".
        scores: The kind of scores; None for logits, unless they look like object masks. A label map is probabilities.
        grid: How the prediction lies on the image; None for the sharpener's grid.
        scale: The number that stands for 1 in integer probabilities, such as 255.
        bands: The bands of the image that are red, green and blue, counted from 1. None finds them by the image's tags,
            or takes the first three if it has none.
        value_range: The numbers of the image that stand for black and white; see `crispseg.data.read_image`.
        same_extent: Whether the prediction covers the image exactly, whatever the georeferences say.
        class_names: Names of class 0, of class 1, …; without them those of the prediction's bands or tags.
        polygons: A .gpkg or .geojson file to write the regions of the label map to; see
            `crispseg.jobs.raster_polygons.write_polygons`.
        tolerance: How coarse polygons may be, in pixels.
        read: Other files that must not be overwritten, such as the weights.
        resume: Whether to go on with the parts that an interrupted run with the same files and arguments has finished.
            `memory`, `polygons` and `tolerance` may differ.
        done: Called after each part with the share of the image that is done, and then with that of the polygons.

    Raises:
        InputError: If a file cannot be read, image and prediction do not fit together, the memory is too small for a
            tile, the interrupted run differs, or another run writes the output. In these cases nothing is written.
        OutputError: If a file cannot be written. Finished parts stay in `.NAME.parts` beside the output, as after an
            interruption.
    """
    image, prediction, output = Path(image), Path(prediction), Path(output)
    polygons = None if polygons is None else Path(polygons)
    inputs = [image, prediction, *read]
    check_raster_output(output, inputs)
    if polygons is not None:
        check_polygon_file(polygons)
        check_output_file(polygons, inputs)
        check_tolerance(tolerance)
    allowed = parse_memory(memory)
    with only_writer(output, is_folder=False):
        with (
            opened_raster(image, "image", allowed) as rgb,
            opened_raster(prediction, "prediction", allowed) as source,
            on_the_ground_of(rgb, source, same_extent=same_extent) as there,
        ):
            if polygons is not None:
                check_place(polygons, rgb, "image")
            said = prediction_pixels(there, source, scores, scale)
            if class_names:
                said = replace(said, names={label: name for label, name in enumerate(class_names) if name})
            pixels = image_pixels(rgb, bands, value_range)
            grid = sharpener.grid if grid is None else Grid.of(grid)
            if grid == CENTRES and not same_extent and is_said_to_cover(rgb, there):
                grid = Grid("stretched")  # the same for pixels of any shape
            expecting = sharpener.expecting(said.kind, grid)
            if isinstance(said.pixels, LabelPixels):
                expecting = expecting.nearby().taking_labels()
            noted = settings_of(expecting, None) | {
                **_stamps(rgb, "image"), **_stamps(source, "prediction"), "kind": said.kind,
                "grid": str(expecting.grid), "scale": scale, "bands": bands and list(bands), "range": value_range,
                "same extent": same_extent, "class names": said.names,
            }  # fmt: skip
            values = LabelValues.of(said, masked=pixels.masked or said.pixels.masked)
            tiles = Tiles(expecting, pixels, said.pixels, memory=memory, multiple=BLOCK)
            parts = FinishedParts(output, noted, values, side=tiles.side, resume=resume)
            _finish(parts, tiles, values, said, done)
            with label_raster(output, rgb, said, values) as target:
                for rows, values_of_rows in parts.in_rows(tiles.size, BLOCK):
                    target.write(values_of_rows, rows)
        if polygons is not None:
            try:
                write_polygons(output, polygons, memory=memory, tolerance=tolerance, done=done)
            except InputError as error:
                raise type(error)(f"{error} (the label map is whole: --resume goes on with the polygons)") from error
        parts.remove()


def _finish(
    parts: FinishedParts, tiles: Tiles, values: LabelValues, said: RasterPrediction, done: Callable[[float], object]
) -> None:
    """Sharpen the parts of an image that are not finished."""
    labels = Prediction(torch.empty(0), said.kind, said.classes)
    boxes = cut(tiles.size, parts.side)
    left = [box for box in boxes if box not in parts]
    pixels = prod(tiles.size) - sum(prod(box.size) for box in left)
    if pixels:
        done(pixels / prod(tiles.size))
    for box in left:
        stored = np.empty(box.size, values.kind)
        # One tile, unless an earlier run was allowed more memory.
        for part in cut(box.size, tiles.side):
            tile = tiles.sharpened(part.out_of(box))
            stored[part.slices] = values.stored(labels.labels(tile.scores), tile.valid)
        parts.add(box, stored)
        pixels += prod(box.size)
        done(pixels / prod(tiles.size))


def _stamps(dataset: RasterDataset, what: str) -> dict[str, str]:
    """Return what tells whether the files of a raster are others than before: its path, and size and time of each."""
    files = [Path(file) for file in dataset.files]
    sizes = {f"size and time of {what} {file.name}": stamp_of(file, what) for file in files}
    return {what: str(Path(dataset.name).resolve()), **sizes}
