"""Figures in the plane of frequencies: power spectra of errors, Fourier heatmaps, and what theory predicts."""

from . import heatmap, planes, radial, shifts, theory, theory_spectrum

KINDS = tuple(kind for family in (planes, radial, shifts, heatmap, theory, theory_spectrum) for kind in family.KINDS)
