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
    load="codecshift.analysis.measures.similarity:load",
    about="multi-scale structural similarity, the mean over R, G and B",
    axis="-10 log10(1 - value)",
    high=1,
    smallest=161,  # the 11-tap window must still fit at a sixteenth of the size
    source="Wang, Simoncelli & Bovik, Multi-scale structural similarity for image quality assessment, 2003",
    referee="pytorch-msssim, in double precision",
    disagreement="1e-5",
)

BUILT_IN = (PSNR, MS_SSIM)

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
