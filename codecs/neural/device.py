"""The device that computes the transforms: chosen once per process, and deterministic while our codecs compute.

Only the two large transforms of a model, between pixels and latents, run on an accelerator. The inputs of the entropy
coder (hyperprior, context models, tables) are computed on the CPU in float32, one image at a time. A stream can
therefore be decoded without the accelerator and in batches of any size.

Another device may encode an image to different bytes, because it rounds slightly different latents, and may decode a
pixel to a value that differs by one grey level. Both streams are valid. CPUs that add in a different order may compute
different tables. The checksum in the stream detects this, and decoding raises `Desync`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from ..protocol import CodecUnavailable

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda", "auto"]
_chosen: list[Device] = []

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/nvhost-gpu", "/dev/nvmap")
"""Device files that the drivers of NVIDIA, AMD, Windows Subsystem for Linux and NVIDIA's boards create on Linux."""


def use(device: str) -> None:
    """Choose the device of all neural codecs of this process: "cpu", "cuda", or "auto" (CUDA if available).

    This imports nothing. The first codec that is opened looks for the device, and raises CodecUnavailable if it is
    missing. Raises ValueError for an unknown name, and if another device was chosen before.
    """
    known = next((name for name in get_args(Device) if name == device), None)
    if known is None:
        raise ValueError(f"expected a device, {', '.join(get_args(Device))}, got {device!r}")
    if _chosen and _chosen[0] != known:
        raise ValueError(f"this process computes on {_chosen[0]!r}: a device can be chosen only once, got {known!r}")
    _chosen[:] = [known]


def possible() -> bool:
    """Return whether torch may find an accelerator here, without importing torch, which takes seconds."""
    if importlib.util.find_spec("torch") is None or importlib.metadata.version("torch").endswith("+cpu"):
        return False
    return sys.platform != "linux" or any(map(os.path.exists, _DRIVERS))


def describe() -> str:
    """Return the CUDA device that torch would use and the versions that its results depend on, "" without a device.

    For example "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off". Imports torch if it is installed.
    """
    if importlib.util.find_spec("torch") is None:
        return ""
    import torch  # noqa: PLC0415 - heavy

    if not torch.cuda.is_available():
        return ""
    version = str(torch.__version__).partition("+")[0]  # "+cu130" repeats the version of CUDA
    return f"cuda: {torch.cuda.get_device_name()}, torch {version}, CUDA {torch.version.cuda}, TF32 off"


@cache
def accelerator() -> torch.device | None:
    """Return the chosen accelerator, None for the CPU; raise CodecUnavailable if it is missing.

    Limits torch to one thread, because the pool runs one process per core.
    """
    import torch  # noqa: PLC0415 - a device may be chosen where torch is not installed

    torch.set_num_threads(1)
    choice = _chosen[0] if _chosen else "cpu"
    if choice == "cpu" or (choice == "auto" and not torch.cuda.is_available()):
        return None
    if not torch.cuda.is_available():
        raise CodecUnavailable("torch finds no CUDA device: choose the device 'cpu' or 'auto'")
    # cuBLAS reads this variable on its first use, and its deterministic mode does not work without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda")


@contextmanager
def computing(device: torch.device | None) -> Iterator[None]:
    """Switch off gradients for a `with` block and, on an accelerator, use deterministic kernels without TF32.

    The switches are global to the process, so they are restored afterwards: other codecs in the process may need
    kernels that are not deterministic.
    """
    import torch  # noqa: PLC0415 - a device may be chosen where torch is not installed

    with torch.inference_mode(), _deterministic() if device is not None else nullcontext():
        yield


@contextmanager
def _deterministic() -> Iterator[None]:
    import torch  # noqa: PLC0415 - as above

    switches = [
        (torch.backends.cuda.matmul, "allow_tf32", False),
        (torch.backends.cudnn, "allow_tf32", False),
        (torch.backends.cudnn, "benchmark", False),
        (torch.backends.cudnn, "deterministic", True),
    ]
    strict = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch deprecate the first two names
        before = [getattr(owner, name) for owner, name, _ in switches]
        for owner, name, value in switches:
            setattr(owner, name, value)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=only_warns)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for (owner, name, _), value in zip(switches, before, strict=True):
                setattr(owner, name, value)
