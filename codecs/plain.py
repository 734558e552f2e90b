"""A Spec as plain data and back: what a process that imported a plugin tells one that must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_args, get_type_hints

from .protocol import Point, Scale, Spec

_HINTS = get_type_hints(Spec)
_TYPES = {field.name: _HINTS[field.name] for field in fields(Spec) if _HINTS[field.name] in {str, int, bool}}
_KINDS = get_args(_HINTS["kind"])


def plain(spec: object) -> dict[str, Any]:
    """Return a Spec as JSON can hold it; raise TypeError or ValueError where it is none that can be used."""
    if not isinstance(spec, Spec):
        raise TypeError(f"expected a codecshift Spec, got {type(spec).__name__}")
    for name, kind in _TYPES.items():
        value = getattr(spec, name)
        if not isinstance(value, kind):
            raise TypeError(f"expected {name} of a Spec to be {kind.__name__}, got {value!r}")
    if not spec.name or set(spec.name) & set(": ,/@"):
        raise ValueError(f"a codec's name has no colon, comma, slash, @ or space, got {spec.name!r}")
    if spec.kind not in _KINDS:
        raise ValueError(f"expected kind of codec {spec.name!r} to be one of {', '.join(_KINDS)}, got {spec.kind!r}")
    if not spec.points:
        raise ValueError(f"codec {spec.name!r} has no operating points")
    names = [_checked(spec, point).name for point in spec.points]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"codec {spec.name!r} has two points called {twice!r}")
    if spec.scale is not None and not isinstance(spec.scale, Scale):
        raise TypeError(f"expected a Scale in codec {spec.name!r}, got {type(spec.scale).__name__}")
    return {
        **{name: getattr(spec, name) for name in (*_TYPES, "kind")},
        "points": [[point.name, dict(point.params)] for point in spec.points],
        "scale": asdict(spec.scale) if spec.scale else None,
    }


def from_plain(facts: Mapping[str, Any]) -> Spec:
    """Return the Spec that `plain` was given."""
    points = tuple(Point(name, params) for name, params in facts["points"])
    scale = Scale(**facts["scale"]) if facts["scale"] else None
    return Spec(**{**facts, "points": points, "scale": scale})


def _checked(spec: Spec, point: object) -> Point:
    if not isinstance(point, Point):
        raise TypeError(f"expected the points of codec {spec.name!r} to be of type Point, got {type(point).__name__}")
    for name, value in point.params.items():
        if not isinstance(value, (int, float, str)):
            kind = type(value).__name__
            raise TypeError(f"expected {name} of {spec.name}:{point.name} to be a number or text, got {kind}")
    return point
