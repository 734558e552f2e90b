"""On what neural codecs compute, if not in the worker processes of the pool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ....codecs.isolated import Isolated, NoAnswer, Raised
from ....codecs.neural.device import found
from ....codecs.protocol import CodecUnavailable, Spec
from ...plan.plans import named

DEVICES = dict.fromkeys(("cpu", "cuda", "auto"))
"""What `--device` may be."""

BATCH = 16
_LIMIT = 120.0  # seconds in which torch must have been imported and have found the device


@dataclass(frozen=True, slots=True)
class Device:
    """A device that one process at a time holds: its name in provenance, and the images that go to it together.

    `use` is what the process tells `codecs.neural.device`.
    """

    use: str
    name: str
    batch: int = BATCH


def kind_of(name: str) -> str:
    """Return the kind of device that a name in provenance is of, e.g. "cuda" of "cuda: NVIDIA H200, torch 2.13.0"."""
    return name.partition(":")[0]


def chosen(device: str, specs: Iterable[Spec]) -> Device | None:
    """Return what `--device` stands for on this machine, None for the CPU: there, neural codecs are like any others.

    "auto" is the accelerator where there is one and a codec that could use it. Torch is asked in a process apart, so
    that this one need not load it. Raises UnknownName, and CodecUnavailable where there is no such device.
    """
    named("device", device, DEVICES)
    if device == "cpu" or (device == "auto" and all(spec.kind != "neural" for spec in specs)):
        return None
    fault = "torch finds none here, or is not installed"
    try:
        with Isolated(_LIMIT) as child:
            name = child.call(found)
    except (NoAnswer, Raised) as error:
        name, fault = "", str(error)
    if name:
        return Device("cuda", name)
    if device == "cuda":
        raise CodecUnavailable(f"no CUDA device: {fault}; --device cpu computes without one")
    return None
