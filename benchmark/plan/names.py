"""Names: lookup with a suggestion for an unknown name, and conversion to file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ...codecs.names import did_you_mean

Known = TypeVar("Known")


class UnknownName(LookupError):
    """An unknown name; the message lists what was expected and suggests the nearest name."""


def named(kind: str, name: str, known: Mapping[str, Known]) -> Known:
    """Return the value of `name` in `known`; raise UnknownName, which suggests the nearest name of that `kind`."""
    if name in known:
        return known[name]
    raise UnknownName(f"unknown {kind} {name!r}: expected one of {', '.join(known)}{did_you_mean(name, known)}")


def file_name(name: str) -> str:
    """Return the name of a set or codec as a file name, e.g. "folder-screen" for "folder:screen"."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
