"""Figures for papers and web pages: each is a pure function of what a run file contains about one set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    curves,
    heatmap,
    per_image,
    pictures,
    radial,
    rank_plot,
    rankings,
    rates,
    severities,
    shifts,
    spectra,
    theory,
    theory_spectrum,
    variants,
)
from .kind import Drawing, Kind, Need
from .material import Chosen, Material, NothingToDraw, Pictures

__all__ = ["FIGURES", "Chosen", "Drawing", "Kind", "Material", "Need", "NothingToDraw", "Pictures"]

FIGURES: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for family in (
            pictures,
            spectra,
            radial,
            shifts,
            heatmap,
            curves,
            severities,
            rates,
            rankings,
            rank_plot,
            per_image,
            variants,
            theory,
            theory_spectrum,
        )
        for kind in family.KINDS
    }
)
"""Every kind of figure by name, in the order in which they are shown."""
