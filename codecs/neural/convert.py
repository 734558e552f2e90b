"""Checkpoints that other programs wrote, made into ones that say what model they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from ..protocol import CodecUnavailable
from . import checkpoint, download, models
from .architectures import ARCHITECTURES, HIGH, LOW
from .metadata import METRICS, BadCheckpoint, Metric


def convert(path: Path, architecture: str, lam: float | None, out: Path, metric: str = "mse") -> checkpoint.Checkpoint:
    """Write the weights in `path` as a checkpoint to `out`, and return it; raise BadCheckpoint, with nothing written.

    `path` is what CompressAI's training script saves (.pth.tar or .pth, whose weights are under "state_dict"), weights
    alone, or a .safetensors file; never is anything unpickled but tensors. `lam` is the lambda of its loss, as
    CompressAI has it: lambda * 255^2 * MSE + bpp, or lambda * (1 - MS-SSIM) + bpp; None of a model for all rates.
    N and M are found in the weights, and the model is built of them before it is written.
    """
    if architecture not in ARCHITECTURES:
        raise BadCheckpoint(f"expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    kind = ARCHITECTURES[architecture]
    if kind.gain or kind.conditional:
        if lam is not None:
            raise BadCheckpoint(f"one file of {architecture} serves all rates: leave out its lambda")
    elif lam is None or not 0 < lam < float("inf"):
        raise BadCheckpoint(f"expected the lambda of the loss, by which its point is named, e.g. {LOW:g} or {HIGH:g}")
    chosen: Metric | None = next((one for one in METRICS if one == metric), None)
    if chosen is None:
        raise BadCheckpoint(f"expected a metric, {' or '.join(METRICS)}, got {metric!r}")
    if out.suffix != ".safetensors":
        raise BadCheckpoint(f"expected a path that ends in .safetensors, got {out.name!r}")
    if out.exists():
        raise BadCheckpoint(f"there is a file {out} already: choose another name")
    state = _state(path)
    try:
        config = models.infer(architecture, state)
        models.loaded(architecture, config, state)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise BadCheckpoint(f"{path} does not hold the weights of {architecture}: {error}") from error
    checkpoint.save(out, architecture, config, lam, chosen, state, {"source": path.name})
    return checkpoint.read(out)


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise BadCheckpoint(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return download.state(path)
    except CodecUnavailable as error:
        raise BadCheckpoint(str(error)) from error
    except (safetensors.SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path} cannot be read as a .safetensors file: {error}") from error
