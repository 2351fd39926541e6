"""Comparison of methods in one table: all are tuned by the same search and measured on the same images."""

from crispseg.comparison.rows import ROWS, Row
from crispseg.comparison.table import Table, measure_table

__all__ = ["ROWS", "Row", "Table", "measure_table"]
