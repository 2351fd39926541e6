"""Sharpen a raster of any size, such as GeoTIFF, within a given memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from crispseg.data.intensity import ValueRange
from crispseg.data.prediction import Prediction
from crispseg.data.raster import (
    BLOCK,
    image_pixels,
    label_raster,
    on_the_ground_of,
    opened_raster,
    prediction_pixels,
)
from crispseg.data.raster.output import check_raster_output
from crispseg.data.raster.prediction import LabelPixels
from crispseg.defaults import POLYGON_TOLERANCE
from crispseg.grid import Grid
from crispseg.inference.memory import parse_memory
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tiles import sharpen_tiles
from crispseg.jobs.raster_polygons import check_place, check_tolerance, write_polygons
from crispseg.polygons.files import check_polygon_file
from crispseg.scores import Scores
from crispseg.writing import check_output_file


def sharpen_raster(
    sharpener: Sharpener,
    image: Path | str,
    prediction: Path | str,
    output: Path | str,
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
    done: Callable[[float], object] = lambda share: None,
) -> None:
    """Read an image and its prediction in parts, and write the sharpened label map with the image's georeference.

    Pixels without data in image or prediction (nodata, masks, NaN) get no label, and do not affect other pixels.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        image: A raster with three bands for red, green and blue.
        prediction: A raster at any resolution: one band of integers for a label map, or a band of scores for each
            class. If its georeference differs from the image's, it is warped to the image.
        output: The .tif file to write, tiled and compressed.
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
        done: Called after each part with the share of the image that is done, and then with that of the polygons.

    Raises:
        InputError: If a file cannot be read or written, image and prediction do not fit together, or the memory is too
            small for a tile. In these cases nothing is written.
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
        labels = Prediction(torch.empty(0), said.kind, said.classes)
        pixels = image_pixels(rgb, bands, value_range)
        masked = pixels.masked or said.pixels.masked
        expecting = sharpener.expecting(said.kind, grid)
        if isinstance(said.pixels, LabelPixels):
            expecting = expecting.taking_labels()
        with label_raster(output, rgb, said, masked=masked) as target:
            for tile in sharpen_tiles(expecting, pixels, said.pixels, memory=memory, multiple=BLOCK):
                target.write(labels.labels(tile.scores), tile.valid, tile.box)
                done(((tile.box.bottom - 1) * rgb.width + tile.box.right) / (rgb.width * rgb.height))
    if polygons is not None:
        write_polygons(output, polygons, memory=memory, tolerance=tolerance, done=done)
