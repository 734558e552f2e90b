"""Figures of rates and quality: curves, rankings, and what each shift costs in bits."""

from . import curves, inflation, per_image, rank_plot, rankings, severities

KINDS = tuple(
    kind for family in (curves, severities, inflation, rankings, rank_plot, per_image) for kind in family.KINDS
)
