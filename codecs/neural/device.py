"""Where transforms are computed: chosen once per process, and made to give the same numbers each time.

Only the two large transforms of a model, between pixels and latents, run on an accelerator. Whatever the entropy coder
is told (hyperprior, context models, tables) is computed on the CPU in float32, one image at a time, so that a stream
can be decoded where there is no accelerator, and in batches of another size. Encoded on another device an image may
still get other bytes, since its latents are rounded from other floats; and decoded on another device a pixel may differ
by one grey level. Both streams are sound. Processors that compute in another order may disagree about the tables: then
the checksum in the stream finds it, and says "desync".
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
    """Choose the device of all neural codecs of this process: "cpu", "cuda", or "auto", CUDA where there is any.

    Costs nothing, and imports nothing: what is chosen is looked for when the first codec is opened, which raises
    CodecUnavailable where it is not there. Raises ValueError for another name, and where another one was chosen before.
    """
    known = next((one for one in get_args(Device) if one == device), None)
    if known is None:
        raise ValueError(f"expected a device, {', '.join(get_args(Device))}, got {device!r}")
    if _chosen and _chosen[0] != known:
        raise ValueError(f"this process computes on {_chosen[0]!r}: a device is chosen once, got {known!r}")
    _chosen[:] = [known]


def found() -> str:
    """Return the CUDA device that torch would use and the versions that its results depend on, "" where there is none.

    For example "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off". Imports torch, where that is installed.
    """
    if importlib.util.find_spec("torch") is None:
        return ""
    import torch  # noqa: PLC0415 - heavy

    if not torch.cuda.is_available():
        return ""
    version = str(torch.__version__).partition("+")[0]  # "+cu130" is told apart
    return f"cuda: {torch.cuda.get_device_name()}, torch {version}, CUDA {torch.version.cuda}, TF32 off"


@cache
def accelerator() -> torch.device | None:
    """Return the accelerator chosen, set to be exact, None for the CPU; raise CodecUnavailable where it is missing.

    On the CPU torch gets as many threads as OMP_NUM_THREADS says, one if it says nothing: the pool runs a process per
    core. On CUDA there is no TF32, and kernels are deterministic.
    """
    import torch  # noqa: PLC0415 - a device may be chosen where torch is not installed

    torch.set_num_threads(_threads())
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


def _threads() -> int:
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else 1
