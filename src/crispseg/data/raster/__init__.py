"""Rasters of any size, such as GeoTIFF, read and written in parts."""

from crispseg.data.raster.image import image_pixels
from crispseg.data.raster.opening import opened_raster
from crispseg.data.raster.output import BLOCK, LabelRaster, LabelValues, label_raster
from crispseg.data.raster.place import on_the_ground_of
from crispseg.data.raster.prediction import RasterPrediction, prediction_pixels

__all__ = [
    "BLOCK",
    "LabelRaster",
    "LabelValues",
    "RasterPrediction",
    "image_pixels",
    "label_raster",
    "on_the_ground_of",
    "opened_raster",
    "prediction_pixels",
]
