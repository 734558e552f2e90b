"""The table of measures: those built in, and those of plugins once they are adopted."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from .measure import Instrument, Measure

PSNR = Measure(
    name="psnr",
    title="PSNR",
    version=1,
    unit="dB",
    better="higher",
    best=float("inf"),
    load="",
    about="peak signal-to-noise ratio over all three channels",
    source="10 log10(255^2 / mean squared error)",
    referee="integer sums in Python",
    disagreement="0",
)
MS_SSIM = Measure(
    name="ms_ssim",
    title="MS-SSIM",
    version=2,
    unit="",
    better="higher",
    best=1,
    load="codecshift.analysis.measures.ms_ssim:load",
    about="multi-scale structural similarity, the mean over R, G and B",
    axis="-10 log10(1 - value)",
    high=1,
    smallest=161,  # the 11-tap window must still fit at a sixteenth of the size
    source="Wang, Simoncelli & Bovik, Multi-scale structural similarity for image quality assessment, 2003",
    referee="pytorch-msssim, in double precision",
    disagreement="2.3e-6 on 12 Kodak pairs",
    compiled=True,
)
PSNR_HVS = Measure(
    name="psnr_hvs",
    title="PSNR-HVS",
    version=1,
    unit="dB",
    better="higher",
    best=float("inf"),
    load="codecshift.analysis.measures.psnr_hvs:load",
    about="PSNR of BT.601 luminance, its 8x8 DCT coefficients weighted by the eye's sensitivity",
    smallest=8,
    source="Egiazarian et al., New full-reference quality metrics based on HVS, 2006",
    referee="plain loops over the formula, and the authors' published weights",
    disagreement="1e-7 dB on 12 Kodak crops",
)
PSNR_HVS_M = Measure(
    name="psnr_hvs_m",
    title="PSNR-HVS-M",
    version=1,
    unit="dB",
    better="higher",
    best=float("inf"),
    load="codecshift.analysis.measures.psnr_hvs_m:load",
    about="PSNR-HVS with the masking of coefficients by each other",
    smallest=8,
    source="Ponomarenko et al., On between-coefficient contrast masking of DCT basis functions, 2007",
    referee="plain loops over the formula",
    disagreement="2e-13 dB on 12 Kodak crops",
)
SSIMULACRA2 = Measure(
    name="ssimulacra2",
    title="SSIMULACRA 2",
    version=1,
    unit="",
    better="higher",
    best=100,
    load="codecshift.analysis.measures.ssimulacra2:load",
    about="perceptual similarity over six scales of a perceptual colour space, 100 for equal images",
    smallest=113,
    source="Cloudinary, SSIMULACRA 2.1, 2023",
    referee="the C++ program, on 26 pairs",
    disagreement="5e-9",
    compiled=True,
)

BUILT_IN = (PSNR, MS_SSIM, PSNR_HVS, PSNR_HVS_M, SSIMULACRA2)

_KNOWN: dict[str, Measure] = {measure.name: measure for measure in BUILT_IN}


class UnknownMeasure(LookupError):
    """A name that no built-in or adopted measure has."""


class MeasureUnavailable(Exception):
    """A measure that cannot be computed on this machine; the message says why and what to do."""


def known() -> Mapping[str, Measure]:
    """Return the measures by name: the built-in ones and those that were adopted."""
    return MappingProxyType(_KNOWN)


def find(name: str) -> Measure:
    """Return the measure of this name; raise UnknownMeasure if there is none."""
    if name not in _KNOWN:
        raise UnknownMeasure(f"unknown measure {name!r}: expected one of {', '.join(_KNOWN)}")
    return _KNOWN[name]


def adopt(measures: Iterable[Measure]) -> None:
    """Add measures of plugins to the table of this process; raise ValueError if a name is taken."""
    for measure in measures:
        if _KNOWN.get(measure.name, measure) != measure:
            raise ValueError(f"the name {measure.name!r} is taken by another measure")
        _KNOWN[measure.name] = measure


def load(measure: Measure) -> Instrument:
    """Return the instrument of a measure, which must not be derived; raise MeasureUnavailable with the reason."""
    module, _, function = measure.load.partition(":")
    try:
        instrument: Instrument = getattr(importlib.import_module(module), function)()
    except Exception as error:
        extra = f"pip install 'codecshift[{measure.extra}]'" if measure.extra else ""
        hint = measure.hint or extra
        reason = f"{measure.name} cannot be loaded: {type(error).__name__}: {error}"
        raise MeasureUnavailable(f"{reason}; {hint}" if hint else reason) from error
    return instrument


def use_once(measure: Measure) -> None:
    """Load a measure and compare two small images, so that its code is compiled; raise as `load` does."""
    import numpy as np  # noqa: PLC0415 - the command line starts without numpy

    instrument = load(measure)
    prepared = [instrument.prepare(np.zeros((measure.smallest, measure.smallest, 3), np.uint8)) for _ in range(2)]
    instrument.compare(*prepared)
