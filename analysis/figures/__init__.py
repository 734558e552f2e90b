"""Figures for papers and web pages: each is a pure function of what a run file contains about one set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import pictures, rates, spectra, variants
from .parts.kind import Drawing, Kind, Need
from .parts.material import Chosen, Material, NothingToDraw, Pictures

__all__ = ["FIGURES", "Chosen", "Drawing", "Kind", "Material", "Need", "NothingToDraw", "Pictures"]

FIGURES: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kinds in (pictures.KINDS, spectra.KINDS, rates.KINDS, variants.KINDS) for kind in kinds}
)
"""Every kind of figure by name, in the order in which they are shown."""
