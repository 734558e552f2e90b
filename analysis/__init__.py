"""Pure functions from rows and pixels to numbers, tables and figures."""
