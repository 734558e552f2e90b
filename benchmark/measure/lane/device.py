"""Which device `--device` stands for on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from ....codecs.isolated import Isolated, NoAnswer, Raised
from ....codecs.neural.device import describe
from ....codecs.protocol import CodecUnavailable, Spec
from ...plan.device import DEVICES, Device
from ...plan.names import named

_LIMIT = 120.0  # seconds in which torch must have been imported and have found the device


def chosen(device: str, specs: Iterable[Spec]) -> Device | None:
    """Return what `--device` stands for on this machine, None for the CPU: there, neural codecs are like any others.

    "auto" is the accelerator where there is one and a codec that could use it. Torch is asked in a process of its own,
    so that it is not loaded here. Raises UnknownName, and CodecUnavailable where there is no such device.
    """
    named("device", device, DEVICES)
    if device == "cpu" or (device == "auto" and all(spec.kind != "neural" for spec in specs)):
        return None
    fault = "torch finds none here, or is not installed"
    try:
        with Isolated(_LIMIT) as child:
            name = child.call(describe)
    except (NoAnswer, Raised) as error:
        name, fault = "", str(error)
    if name:
        return Device("cuda", name)
    if device == "cuda":
        raise CodecUnavailable(f"no CUDA device: {fault}; --device cpu computes without one")
    return None
