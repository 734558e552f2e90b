"""Names: looked up, with a hint for one that is unknown, and made fit for paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ...codecs.names import did_you_mean

Known = TypeVar("Known")


class UnknownName(LookupError):
    """An unknown name; the message lists what was expected and suggests the nearest name."""


def named(kind: str, name: str, known: Mapping[str, Known]) -> Known:
    """Return what `name` stands for; raise UnknownName with the nearest name if there is no such `kind`."""
    if name in known:
        return known[name]
    raise UnknownName(f"unknown {kind} {name!r}: expected one of {', '.join(known)}{did_you_mean(name, known)}")


def file_name(name: str) -> str:
    """Return the name of a set or codec in a form fit for a path, e.g. "folder-screen"."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
