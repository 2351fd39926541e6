"""Label maps as polygons in which neighbours share their edges."""
