"""The device that neural codecs compute on, where that is not the CPU of the worker processes."""

from __future__ import annotations

from dataclasses import dataclass

DEVICES = dict.fromkeys(("cpu", "cuda", "auto"))
"""The values of `--device`."""

BATCH = 16


@dataclass(frozen=True, slots=True)
class Device:
    """A device that one process at a time holds: its name in provenance, and the most images it takes together.

    `use` is what `codecs.neural.device` is told.
    """

    use: str
    name: str
    batch: int = BATCH


def kind_of(name: str) -> str:
    """Return the kind of device that a name in provenance is of, e.g. "cuda" of "cuda: NVIDIA H200, torch 2.13.0"."""
    return name.partition(":")[0]
