"""The facts about a codec that a fair comparison states: those in its Spec, its library and the size of its header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...codecs.contract import header_bytes
from ...codecs.isolated import Isolated
from ...codecs.protocol import Spec
from ...codecs.registry import BUILT_IN

PROBE_LIMIT = 30.0
"""Seconds a codec may take to open and to code a few 8x8 images; a neural codec first imports torch."""

FACTS = (
    *("version", "kind", "chroma", "bit_depth", "colour", "effort", "threads", "process", "library", "header_bytes"),
    "settings",
)
"""The facts about a codec in the provenance of a run, in the order of the published table."""


def stated(spec: Spec) -> dict[str, Any]:
    """Return the facts that a codec's Spec states, by name as in FACTS."""
    return {name: getattr(spec, name) for name in FACTS if name not in {"library", "header_bytes"}}


def headers(specs: Iterable[Spec]) -> dict[str, int | None]:
    """Return the bytes that each codec takes for an 8x8 black image, None if it fails.

    Built-in classical codecs run in this process and take a millisecond each; all others run in a separate process.
    """
    with Isolated(PROBE_LIMIT) as child:
        return {spec.name: _header(spec, child) for spec in specs}


def _header(spec: Spec, child: Isolated) -> int | None:
    try:
        runs_here = spec.kind == "classical" and spec in BUILT_IN
        return header_bytes(spec) if runs_here else child.call(header_bytes, spec)
    except Exception:  # noqa: BLE001 - the codec's failed rows will give the reason
        return None
