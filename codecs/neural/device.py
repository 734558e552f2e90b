"""The device that computes the transforms: chosen once per process, and set to be deterministic.

Only the two large transforms of a model, between pixels and latents, run on an accelerator. The inputs of the entropy
coder (hyperprior, context models, tables) are computed on the CPU in float32, one image at a time, so that a stream can
be decoded without the accelerator and in batches of any size. Another device may encode an image to other bytes, since
latents are rounded from other floats, and may decode a pixel to a value that differs by one grey level. Both streams
are valid. Processors that add in another order may disagree about the tables; the checksum in the stream detects that,
and decoding raises "desync".
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from ..protocol import CodecUnavailable

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda", "auto"]
_chosen: list[Device] = []


def use(device: str) -> None:
    """Choose the device of all neural codecs of this process: "cpu", "cuda", or "auto" (CUDA if available).

    This imports nothing: the first codec that is opened looks for the device, and raises CodecUnavailable where it is
    missing. Raises ValueError for another name, and where another device was chosen before.
    """
    known = next((name for name in get_args(Device) if name == device), None)
    if known is None:
        raise ValueError(f"expected a device, {', '.join(get_args(Device))}, got {device!r}")
    if _chosen and _chosen[0] != known:
        raise ValueError(f"this process computes on {_chosen[0]!r}: a device is chosen once, got {known!r}")
    _chosen[:] = [known]


def describe() -> str:
    """Return the CUDA device that torch would use and the versions that its results depend on, "" without a device.

    For example "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off". Imports torch, where that is installed.
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
    """Return the chosen accelerator, None for the CPU; raise CodecUnavailable where it is missing.

    torch gets one thread, because the pool runs a process per core. On CUDA, TF32 is off and kernels are deterministic.
    """
    import torch  # noqa: PLC0415 - a device may be chosen where torch is not installed

    torch.set_num_threads(1)
    wanted = _chosen[0] if _chosen else "cpu"
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return None
    if not torch.cuda.is_available():
        raise CodecUnavailable("torch finds no CUDA device here: choose the device 'cpu' or 'auto'")
    # cuBLAS reads this when it is first used; without it, its deterministic mode refuses to work.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch have other names for these two switches
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True)
    return torch.device("cuda")
