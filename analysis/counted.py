"""A count with its noun, for titles and notes."""

from __future__ import annotations

_PLURALS = {"frequency": "frequencies", "spectrum": "spectra"}


def counted(count: int, noun: str) -> str:
    """Return a count with its noun in the right number: "1 image", "2 images", "0 frequencies"."""
    return f"{count} {noun if count == 1 else _PLURALS.get(noun, f'{noun}s')}"
