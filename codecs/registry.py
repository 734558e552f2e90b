"""The table of codecs: those of this package and those of installed plugins, found by label and opened by point."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Any

from . import binaries, ffmpeg, identity, pillow
from .neural import metadata
from .neural import specs as neural
from .protocol import Codec, CodecUnavailable, Point, Spec

BUILT_IN = (*identity.SPECS, *pillow.SPECS, *ffmpeg.SPECS, *binaries.SPECS)
NEURAL = neural.SPECS
ESTIMATED = {spec.name: spec for spec in neural.ESTIMATES}
"""Found by their labels, and listed nowhere: their rates are no lengths of streams."""
PLUGINS = "codecshift.codecs"
"""The entry point group: each entry names a Spec, a sequence of them, or a function that returns either."""


class UnknownCodec(LookupError):
    """A label that no codec answers to; the message says what was expected and the nearest name."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The codecs by name, and what was wrong with each plugin that could not be taken in."""

    specs: Mapping[str, Spec]
    faults: Mapping[str, str]


@cache
def catalogue() -> Catalogue:
    """Return the built-in codecs and those of the plugins installed; a broken plugin is a fault, not an exception."""
    specs = {spec.name: spec for spec in (*BUILT_IN, *NEURAL)}
    faults: dict[str, str] = {}
    offered: dict[str, str] = dict.fromkeys(specs, "codecshift")
    for entry in importlib.metadata.entry_points(group=PLUGINS):
        source = entry.dist.name if entry.dist else entry.value
        try:
            found = _specs(entry.load())
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way, and must not take the suite with it
            faults[f"{entry.name} ({source})"] = f"{type(error).__name__}: {error}"
            continue
        for spec in found:
            if spec.name in offered:
                faults[f"{entry.name} ({source})"] = f"the name {spec.name!r} is taken by {offered[spec.name]}"
            else:
                specs[spec.name] = spec
                offered[spec.name] = source
    return Catalogue(MappingProxyType(specs), MappingProxyType(faults))


def _specs(found: Any) -> tuple[Spec, ...]:
    if callable(found):
        found = found()
    specs = (found,) if isinstance(found, Spec) else tuple(found)
    for spec in specs:
        if not isinstance(spec, Spec):
            raise TypeError(f"expected a codecshift Spec, got {type(spec).__name__}")
        if set(spec.name) & set(": ,/@"):
            raise ValueError(f"a codec's name has no colon, comma, slash, @ or space, got {spec.name!r}")
        if not spec.points:
            raise ValueError(f"codec {spec.name!r} has no operating points")
    return specs


def find(label: str, extra: Iterable[Spec] = ()) -> tuple[Spec, tuple[Point, ...]]:
    """Return the codec and the points that a label names: "jpeg" its whole ladder, "jpeg:q75" that one point.

    Any value on the codec's own scale is a point, not only those of the ladder. `extra` are codecs that are known
    beside those of the catalogue. "ARCH@file.safetensors" is a checkpoint, as `codecs.neural.specs.named` has it, and
    "NAME-est" the codec NAME with its rate estimated. Raises UnknownCodec.
    """
    if "@" in label:
        return _checkpoint(label)
    name, colon, point = label.partition(":")
    specs = {**catalogue().specs, **{spec.name: spec for spec in extra}}
    if name not in specs and name in ESTIMATED:
        specs |= ESTIMATED
    if name not in specs:
        raise UnknownCodec(f"unknown codec {name!r}: {_expected(name, specs)}; `codecshift codecs` lists them")
    spec = specs[name]
    return (spec, (find_point(spec, point),)) if colon else (spec, spec.points)


def _checkpoint(label: str) -> tuple[Spec, tuple[Point, ...]]:
    try:
        spec, point = neural.named(label)
    except metadata.BadCheckpoint as error:
        raise UnknownCodec(str(error)) from error
    return (spec, (find_point(spec, point),)) if point else (spec, spec.points)


def find_point(spec: Spec, name: str) -> Point:
    """Return the operating point of a codec called `name`; raise UnknownCodec if there is none."""
    points = {point.name: point for point in spec.points}
    if name in points:
        return points[name]
    if spec.scale is None:
        raise UnknownCodec(f"{spec.name} has no point {name!r}: {_expected(name, points)}")
    try:
        return spec.scale.parse(name)
    except ValueError as error:
        raise UnknownCodec(f"{spec.name} has no point {name!r}: {error}") from None


def _expected(name: str, known: Iterable[str]) -> str:
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"expected one of {', '.join(known)}" + (f" (did you mean {nearest[0]!r}?)" if nearest else "")


def identify(spec: Spec) -> str:
    """Return the library and version behind a codec, "" if it does not say; raise CodecUnavailable with the reason."""
    if not spec.identify:
        return ""
    try:
        return str(_resolve(spec.identify)())
    except CodecUnavailable:
        raise
    except Exception as error:
        raise CodecUnavailable(_because(spec, error)) from error


def prepare(spec: Spec, points: Sequence[Point], progress: Callable[[str, int, int], None] | None = None) -> None:
    """Fetch what opening a codec at these points needs and this machine lacks; raise CodecUnavailable."""
    if spec.prepare:
        _resolve(spec.prepare)(spec, points, progress)


@contextmanager
def open_codec(spec: Spec, point: Point) -> Iterator[Codec]:
    """Open a codec at an operating point for the length of a `with` block; raise CodecUnavailable if that fails."""
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
    return f"{spec.name} cannot be opened: {type(error).__name__}: {error}" + (f"; {spec.hint}" if spec.hint else "")


def _resolve(target: str) -> Any:
    """Return the function that "module:function" names, with the argument of "module:function:argument" filled in."""
    module, attribute, *argument = target.split(":", 2)
    return partial(getattr(importlib.import_module(module), attribute), *argument)
