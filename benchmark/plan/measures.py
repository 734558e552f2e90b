"""The measures of a run: those built in, and those of installed plugins."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

from ...analysis.measures.measure import Axis, Better, Measure
from ...analysis.measures.table import BUILT_IN, MS_SSIM, PSNR, MeasureUnavailable, adopt, known, load
from ...codecs.isolated import Isolated, NoAnswer, Raised
from .names import UnknownName, named

PLUGINS = "codecshift.measures"
"""The entry point group: each entry names a Measure, a sequence of them, or a function that returns either."""

SCAN_LIMIT = 20.0
"""Seconds that importing a plugin may take; torch takes ten of them on a cold disk."""

RATE = "bpp"
"""The rate, recorded beside the measures of a run; every row has it."""
RATE_VERSION = 1

DEFAULT = (PSNR.name, MS_SSIM.name)
"""The measures of a run that names none: PSNR and MS-SSIM."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The measures by name, and by plugin why it offers none or not all of its own."""

    measures: Mapping[str, Measure]
    faults: Mapping[str, str]


@cache
def catalogue() -> Catalogue:
    """Return the built-in measures and those of installed plugins; a broken plugin is a fault, not an exception.

    Plugins are imported in a child process, never in this one. Their measures join the table of this process.
    """
    faults: dict[str, str] = {}
    with Isolated(SCAN_LIMIT) as child:
        for entry in importlib.metadata.entry_points(group=PLUGINS):
            title = f"{entry.name} ({entry.dist.name if entry.dist else entry.value})"
            try:
                offered = [Measure(**facts) for facts in child.call(offers, entry.name, entry.value)]
            except (NoAnswer, Raised) as fault:
                faults[title] = str(fault)
                continue
            for measure in offered:
                try:
                    adopt([measure])
                except ValueError as clash:
                    faults[title] = str(clash)
    return Catalogue(MappingProxyType({**known()}), MappingProxyType(faults))


def offers(name: str, value: str) -> list[dict[str, Any]]:
    """Import the object of an entry point and return its measures as plain data; raise TypeError or ValueError."""
    offer = importlib.metadata.EntryPoint(name, value, PLUGINS).load()
    if callable(offer):
        offer = offer()
    return [plain(measure) for measure in (offer if isinstance(offer, (list, tuple, Iterator)) else (offer,))]


def plain(measure: object) -> dict[str, Any]:
    """Return a Measure as data that JSON can store; raise TypeError or ValueError if it is not a valid one."""
    if not isinstance(measure, Measure):
        raise TypeError(f"expected a codecshift Measure, got {type(measure).__name__}")
    kinds: dict[Any, type | tuple[type, ...]] = {"int": int, "bool": bool, "float": (int, float)}
    for field in fields(Measure):
        value = getattr(measure, field.name)
        if not isinstance(value, kinds.get(field.type, str)):
            raise TypeError(f"expected {field.name} of a Measure to be of type {field.type}, got {value!r}")
    if not measure.name.isidentifier() or measure.name == RATE or measure.name.endswith("_clean"):
        raise ValueError(f"expected a measure name such as ms_ssim, without _clean at its end, got {measure.name!r}")
    if measure.better not in get_args(Better) or measure.axis not in get_args(Axis) or not measure.load:
        raise ValueError(f"measure {measure.name!r} lacks load, or has an unknown value of better or axis")
    return asdict(measure)


def find(name: str) -> Measure:
    """Return the measure of this name; raise UnknownName, which suggests the nearest name.

    Plugins are scanned only for a name that is not built in.
    """
    return known().get(name) or named("measure", name, catalogue().measures)


def find_all(names: Iterable[str]) -> tuple[Measure, ...]:
    """Return the measures of these names, each once; raise as `find` does."""
    return tuple(find(name) for name in dict.fromkeys(names) if name != RATE)


def require(measures: Iterable[Measure]) -> None:
    """Raise MeasureUnavailable if one of these measures cannot be loaded on this machine.

    A separate process tries those of plugins and those that need an extra of this package.
    """
    with Isolated(SCAN_LIMIT) as child:
        for measure in measures:
            if measure.is_derived or (measure in BUILT_IN and not measure.extra):
                continue
            try:
                reason = child.call(unavailable, measure)
            except (NoAnswer, Raised) as fault:
                reason = f"{measure.name} cannot be loaded: {fault}"
            if reason:
                raise MeasureUnavailable(reason)


def unavailable(measure: Measure) -> str:
    """Return why a measure cannot be loaded here, "" if it can."""
    try:
        load(measure)
    except MeasureUnavailable as reason:
        return str(reason)
    return ""


def adopt_named(names: Iterable[str]) -> None:
    """Find the measures that a run file has values of; one whose plugin is no longer installed stays unknown."""
    for name in names:
        try:
            find(name)
        except UnknownName:
            continue
