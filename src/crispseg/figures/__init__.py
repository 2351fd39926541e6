"""Figures for papers, drawn from tensors and tables and written as PNG or PDF. No other package imports matplotlib."""

from crispseg.extras import optional_packages

with optional_packages():
    from crispseg.figures.boundary import draw_boundary
    from crispseg.figures.comparison import Compared, compare_images, draw_comparison
    from crispseg.figures.embedding import Masks, compute_masks, draw_embedding
    from crispseg.figures.page import check_figure_file, write_figure
    from crispseg.figures.passes import draw_passes
    from crispseg.figures.reliability import DistanceCounts, count_distances, draw_reliability
    from crispseg.figures.speed import draw_speed
    from crispseg.figures.tables import SurfaceRow, TableRow, read_surface, read_table

__all__ = [
    "Compared",
    "DistanceCounts",
    "Masks",
    "SurfaceRow",
    "TableRow",
    "check_figure_file",
    "compare_images",
    "compute_masks",
    "count_distances",
    "draw_boundary",
    "draw_comparison",
    "draw_embedding",
    "draw_passes",
    "draw_reliability",
    "draw_speed",
    "read_surface",
    "read_table",
    "write_figure",
]
