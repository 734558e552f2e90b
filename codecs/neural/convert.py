"""Weights that other programs wrote: read without running code, and converted into checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from ..protocol import CodecUnavailable
from . import checkpoint, models
from .architectures import ARCHITECTURES, HIGH, LOW
from .compat import compressai
from .metadata import METRICS, BadCheckpoint, Facts, Metric


def convert(path: Path, architecture: str, lam: float | None, out: Path, metric: str = "mse") -> checkpoint.Checkpoint:
    """Write the weights in `path` as a checkpoint to `out`, and return it; raise BadCheckpoint, with nothing written.

    `path` is a .safetensors file, or what `read_pickled` reads. `lam` is the lambda of its loss, lambda * 255^2 * MSE +
    bpp or lambda * (1 - MS-SSIM) + bpp, and None for a model for all rates. N and M follow from the shapes of the
    weights, and the model is built once before anything is written.
    """
    if architecture not in ARCHITECTURES:
        raise BadCheckpoint(f"expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    facts = ARCHITECTURES[architecture]
    if facts.gain or facts.conditional:
        if lam is not None:
            raise BadCheckpoint(f"one file of {architecture} serves all rates: leave out its lambda")
    elif lam is None or not 0 < lam < float("inf"):
        raise BadCheckpoint(f"expected the lambda of the loss, by which its point is named, e.g. {LOW:g} or {HIGH:g}")
    known: Metric | None = next((name for name in METRICS if name == metric), None)
    if known is None:
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
    checkpoint.save(out, Facts(architecture, config, lam, known, {"source": path.name}), state)
    return checkpoint.read(out)


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise BadCheckpoint(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return read_pickled(path)
    except CodecUnavailable as error:
        raise BadCheckpoint(str(error)) from error
    except (safetensors.SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path} cannot be read as a .safetensors file: {error}") from error


def read_pickled(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the weights in a .pth or .pth.tar file under CompressAI's present names; raise CodecUnavailable.

    The file holds tensors by name, or holds them under "state_dict" as CompressAI's training script saves them. Such a
    file is a pickle, which can run any program when it is loaded. It is therefore read with torch's `weights_only`,
    which refuses everything but tensors and containers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages of an older kind
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CodecUnavailable(
            f"{path} is refused: it is damaged, or holds more than tensors and would have to be unpickled, which can "
            f"run any program ({str(error).strip().splitlines()[0][:120]})"
        ) from error
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise CodecUnavailable(f"{path}: expected tensors by name, got something else")
    renamed: dict[str, torch.Tensor] = compressai("zoo.pretrained").load_pretrained(content)
    renamed.pop("QuantOffset", None)  # of an older variable-rate model; CompressAI leaves it out too
    return renamed
