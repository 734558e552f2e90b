"""The accelerator of this machine, in one line."""

from __future__ import annotations

import importlib.util


def accelerator() -> str:
    """Return the CUDA device that torch would use and the versions that its results depend on, "" where there is none.

    For example "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off".
    """
    if importlib.util.find_spec("torch") is None:
        return ""
    import torch  # noqa: PLC0415 - heavy

    if not torch.cuda.is_available():
        return ""
    version = str(torch.__version__).partition("+")[0]  # "+cu130" is told apart
    return f"cuda: {torch.cuda.get_device_name()}, torch {version}, CUDA {torch.version.cuda}, TF32 off"
