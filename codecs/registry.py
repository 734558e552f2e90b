"""The table of codecs, built in or from installed plugins: a label finds a codec, and a point opens it."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cache, partial
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from . import binaries, ffmpeg, identity, jpeg_family, linear, lossless, pillow
from .isolated import Isolated, NoAnswer, Raised
from .names import did_you_mean
from .neural import metadata
from .neural import specs as neural
from .protocol import Codec, CodecUnavailable, Point, Scale, Spec

BUILT_IN = (
    *(*identity.SPECS, *pillow.SPECS, *ffmpeg.SPECS, *jpeg_family.SPECS, *binaries.SPECS, *lossless.SPECS),
    *linear.SPECS,
)
NEURAL = neural.SPECS
ESTIMATED = {spec.name: spec for spec in neural.ESTIMATES}
"""Codecs whose rates are estimates and not lengths of streams. Labels find them, but no list shows them."""
PLUGINS = "codecshift.codecs"
"""The entry point group: each entry names a Spec, a sequence of them, or a function that returns either."""

SCAN_LIMIT = 20.0
"""Seconds that importing a plugin may take; torch takes ten of them on a cold disk."""

_AT_HAND = {**{spec.name: spec for spec in (*BUILT_IN, *NEURAL)}, **ESTIMATED}


class UnknownCodec(LookupError):
    """A label that names no codec; the message says what was expected and suggests the nearest name."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The codecs by name, with what is wrong with those that cannot be used.

    `faults` holds, by plugin, why it could not be loaded. `damaged` holds, by codec, what is wrong with the files of a
    codec that comes with the package. `libraries` holds the library that each plugin codec reported when its plugin was
    scanned, `unavailable` why a plugin codec cannot be used on this machine.
    """

    specs: Mapping[str, Spec]
    faults: Mapping[str, str]
    damaged: Mapping[str, str]
    libraries: Mapping[str, str]
    unavailable: Mapping[str, str]


@cache
def catalogue() -> Catalogue:
    """Return the built-in codecs and those of installed plugins; a broken plugin is a fault, not an exception.

    Plugins are imported in a child process, never in this one. A plugin that crashes, exits or hangs while it is
    imported is a fault too. Without plugins, no process is started.
    """
    specs = {spec.name: spec for spec in (*BUILT_IN, *NEURAL)}
    faults: dict[str, str] = {}
    libraries: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    offered: dict[str, str] = dict.fromkeys((*specs, *neural.DAMAGED), "codecshift")
    with Isolated(SCAN_LIMIT) as child:
        for entry in importlib.metadata.entry_points(group=PLUGINS):
            source = entry.dist.name if entry.dist else entry.value
            title = f"{entry.name} ({source})"
            try:
                offered_facts = child.call(offers, entry.name, entry.value)
            except (NoAnswer, Raised) as fault:
                faults[title] = str(fault)
                continue
            clashes = []
            for facts in offered_facts:
                spec = from_plain(facts["spec"])
                if spec.name in offered:
                    clashes.append(f"the name {spec.name!r} is taken by {offered[spec.name]}")
                    continue
                specs[spec.name] = spec
                offered[spec.name] = source
                (libraries if facts["available"] else unavailable)[spec.name] = facts["library"]
            if clashes:
                faults[title] = "; ".join(clashes)
    read_only = MappingProxyType
    return Catalogue(
        read_only(specs), read_only(faults), read_only(neural.DAMAGED), read_only(libraries), read_only(unavailable)
    )


def offers(name: str, value: str) -> list[dict[str, Any]]:
    """Import the object of an entry point, and return its codecs and their libraries as plain data."""
    offer = importlib.metadata.EntryPoint(name, value, PLUGINS).load()
    if callable(offer):
        offer = offer()
    specs = tuple(offer) if isinstance(offer, (list, tuple, Iterator)) else (offer,)
    facts = [plain(spec) for spec in specs]
    return [{"spec": fact, **_library(spec)} for spec, fact in zip(specs, facts, strict=True)]


# --- a Spec as plain data and back, to pass it from the process that imports a plugin to this one

_HINTS = get_type_hints(Spec)
_TYPES = {field.name: _HINTS[field.name] for field in fields(Spec) if _HINTS[field.name] in {str, int, bool}}
_KINDS = get_args(_HINTS["kind"])


def plain(spec: object) -> dict[str, Any]:
    """Return a Spec as data that JSON can store; raise TypeError or ValueError if it is not a valid Spec."""
    if not isinstance(spec, Spec):
        raise TypeError(f"expected a codecshift Spec, got {type(spec).__name__}")
    for name, kind in _TYPES.items():
        value = getattr(spec, name)
        if not isinstance(value, kind):
            raise TypeError(f"expected {name} of a Spec to be {kind.__name__}, got {value!r}")
    if not spec.name or set(spec.name) & set(": ,/@"):
        raise ValueError(f"expected a codec name without colon, comma, slash, @ or space, got {spec.name!r}")
    if spec.kind not in _KINDS:
        raise ValueError(f"expected kind of codec {spec.name!r} to be one of {', '.join(_KINDS)}, got {spec.kind!r}")
    for effort in spec.efforts:
        if not isinstance(effort, str):
            raise TypeError(f"expected efforts of codec {spec.name!r} to be text, got {effort!r}")
    if spec.efforts and not all(text.endswith(spec.efforts) for text in (spec.load, spec.effort)):
        raise ValueError(f"expected load and effort of codec {spec.name!r} to end in one of its efforts")
    if not spec.points:
        raise ValueError(f"codec {spec.name!r} has no operating points")
    names = [_checked(spec, point).name for point in spec.points]
    if duplicate := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"codec {spec.name!r} has two points called {duplicate!r}")
    if spec.scale is not None and not isinstance(spec.scale, Scale):
        raise TypeError(f"expected a Scale in codec {spec.name!r}, got {type(spec.scale).__name__}")
    return {
        **{name: getattr(spec, name) for name in (*_TYPES, "kind")},
        "efforts": [*spec.efforts],
        "points": [[point.name, dict(point.params)] for point in spec.points],
        "scale": asdict(spec.scale) if spec.scale else None,
    }


def from_plain(facts: Mapping[str, Any]) -> Spec:
    """Return the Spec that `plain` converted."""
    points = tuple(Point(name, params) for name, params in facts["points"])
    scale = Scale(**facts["scale"]) if facts["scale"] else None
    return Spec(**{**facts, "points": points, "scale": scale, "efforts": tuple(facts["efforts"])})


def _checked(spec: Spec, point: object) -> Point:
    if not isinstance(point, Point):
        raise TypeError(f"expected the points of codec {spec.name!r} to be of type Point, got {type(point).__name__}")
    for name, value in point.params.items():
        if not isinstance(value, (int, float, str)):
            kind = type(value).__name__
            raise TypeError(f"expected {name} of {spec.name}:{point.name} to be a number or text, got {kind}")
    return point


def _library(spec: Spec) -> dict[str, Any]:
    try:
        return {"available": True, "library": _ask(spec)}
    except CodecUnavailable as error:
        return {"available": False, "library": str(error)}


def find(label: str, extra: Iterable[Spec] = ()) -> tuple[Spec, tuple[Point, ...]]:
    """Return the codec and the points that a label names: "jpeg" is its whole ladder, "jpeg:q75" a single point.

    Any value on the codec's scale is a valid point, not only those of the ladder. `extra` are codecs besides those of
    the catalogue. "ARCH@file.safetensors" is a checkpoint (see `codecs.neural.specs.named`), and "NAME-est" is the
    codec NAME with an estimated rate. Raises UnknownCodec, and CodecUnavailable if the files of a codec that comes with
    the package are damaged.
    """
    if "@" in label:
        return _checkpoint(label)
    name, colon, point = label.partition(":")
    if fault := neural.DAMAGED.get(name.removesuffix(neural.ESTIMATE)):
        raise CodecUnavailable(f"{name} is damaged: {fault}")
    # Plugins are scanned only for a name that is not built in, so a slow plugin costs nothing to other codecs.
    near = {**_AT_HAND, **{spec.name: spec for spec in extra}}
    spec = near.get(name) or catalogue().specs.get(name)
    if spec is None:
        raise UnknownCodec(f"unknown codec {name!r}{_why_unknown(name, near)}")
    return (spec, (find_point(spec, point),)) if colon else (spec, spec.points)


def _checkpoint(label: str) -> tuple[Spec, tuple[Point, ...]]:
    try:
        spec, point = neural.named(label)
    except metadata.BadCheckpoint as error:
        raise UnknownCodec(str(error)) from error
    return (spec, (find_point(spec, point),)) if point else (spec, spec.points)


def _why_unknown(name: str, near: Iterable[str]) -> str:
    known = catalogue()
    for title, fault in known.faults.items():
        if name and title.startswith(f"{name} "):
            return f": the plugin {title} could not be loaded: {fault}"
    return f"{did_you_mean(name, {**dict.fromkeys(near), **known.specs})}: codecshift codecs lists the codecs"


def find_point(spec: Spec, name: str) -> Point:
    """Return the operating point of a codec called `name`; raise UnknownCodec if there is none."""
    points = {point.name: point for point in spec.points}
    if name in points:
        return points[name]
    if spec.scale is None:
        raise UnknownCodec(
            f"{spec.name} has no point {name!r}: expected one of {', '.join(points)}{did_you_mean(name, points)}"
        )
    try:
        return spec.scale.parse(name)
    except ValueError as error:
        sibling = f"{spec.name}-lossless"
        lossless = f"; {sibling} codes without loss" if sibling in _AT_HAND else ""
        raise UnknownCodec(f"{spec.name} has no point {name!r}: {error}{lossless}") from None


def identify(spec: Spec) -> str:
    """Return the library and version behind a codec, "" if it does not say; raise CodecUnavailable with the reason.

    No code of a plugin runs: its answer was recorded when the plugin was scanned.
    """
    if not ours(spec) and spec == catalogue().specs.get(spec.name):
        if spec.name in catalogue().unavailable:
            raise CodecUnavailable(catalogue().unavailable[spec.name])
        return catalogue().libraries[spec.name]
    return _ask(spec)


def ours(spec: Spec) -> bool:
    """Return whether all code of a codec belongs to this package."""
    return all(not target or target.startswith("codecshift.") for target in (spec.load, spec.identify))


def _ask(spec: Spec) -> str:
    if not spec.identify:
        return ""
    try:
        return str(_resolve(spec.identify)())
    except CodecUnavailable:
        raise
    except Exception as error:
        raise CodecUnavailable(_because(spec, error)) from error


def prepare(spec: Spec, points: Sequence[Point], progress: Callable[[str, int, int], None] | None = None) -> None:
    """Download whatever opening a codec at these points needs and this machine lacks; raise CodecUnavailable."""
    if spec.prepare:
        _resolve(spec.prepare)(spec, points, progress)


@contextmanager
def open_codec(spec: Spec, point: Point) -> Iterator[Codec]:
    """Open a codec at an operating point for a `with` block; raise CodecUnavailable if that fails."""
    try:
        manager = _resolve(spec.load)(**point.params)
        codec = manager.__enter__()
    except CodecUnavailable:
        raise
    except Exception as error:
        raise CodecUnavailable(_because(spec, error)) from error
    try:
        yield codec
    except BaseException as error:
        if not manager.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        manager.__exit__(None, None, None)


def _because(spec: Spec, error: Exception) -> str:
    # The loader of shared libraries raises an OSError without errno; an OSError with errno is about a file.
    library_missing = isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is None)
    hint = f"; {spec.hint}" if spec.hint and library_missing else ""
    return f"{spec.name} cannot be opened: {type(error).__name__}: {error}{hint}"


def _resolve(target: str) -> Any:
    """Return the function that "module:function" names, with the argument of "module:function:argument" filled in."""
    module, _, rest = target.partition(":")
    attribute, has_argument, argument = rest.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    return partial(function, argument) if has_argument else function
