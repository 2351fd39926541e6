"""Methods beside each other: tuned by one search, measured on the same images, shown in one table."""

from crispseg.comparison.rows import ROWS, Row
from crispseg.comparison.table import Table, measure_table

__all__ = ["ROWS", "Row", "Table", "measure_table"]
