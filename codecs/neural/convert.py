"""Conversion of weights from other programs into checkpoints, without running code from their files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import safetensors
import safetensors.torch
import torch

from ..protocol import CodecUnavailable
from . import checkpoint, models
from .architectures import ARCHITECTURES, HIGH, LOW
from .metadata import METRICS, BadCheckpoint, Facts, Metric


def convert(path: Path, architecture: str, lam: float | None, out: Path, metric: str = "mse") -> checkpoint.Checkpoint:
    """Write the weights in `path` as a checkpoint to `out`, and return it; raise BadCheckpoint and write nothing.

    `path` is a .safetensors file, or a file that `read_pickled` reads. `lam` is the lambda of its loss,
    lambda * 255^2 * MSE + bpp or lambda * (1 - MS-SSIM) + bpp; it is None for a model that serves all rates. N and M
    follow from the shapes of the weights. The model is built once, as a test, before anything is written.
    """
    if architecture not in ARCHITECTURES:
        raise BadCheckpoint(f"expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    facts = ARCHITECTURES[architecture]
    if facts.gain or facts.conditional:
        if lam is not None:
            raise BadCheckpoint(f"one file of {architecture} serves all rates: leave out its lambda")
    elif lam is None or not 0 < lam < float("inf"):
        raise BadCheckpoint(f"expected the lambda of the loss, which names its point, e.g. {LOW:g} or {HIGH:g}")
    known: Metric | None = next((name for name in METRICS if name == metric), None)
    if known is None:
        raise BadCheckpoint(f"expected a metric, {' or '.join(METRICS)}, got {metric!r}")
    if out.suffix != ".safetensors":
        raise BadCheckpoint(f"expected a path that ends in .safetensors, got {out.name!r}")
    if out.exists():
        raise BadCheckpoint(f"{out} exists already: choose another name")
    state = _state(path)
    try:
        config = models.infer(architecture, state)
        models.loaded(architecture, config, state)
    except (ValueError, RuntimeError) as error:
        raise BadCheckpoint(f"{path} does not hold the weights of {architecture}: {error}") from error
    checkpoint.save(out, Facts(architecture, config, lam, known, {"source": path.name}), state)
    return checkpoint.read(out)


def _state(path: Path) -> Mapping[str, torch.Tensor]:
    if not path.is_file():
        raise BadCheckpoint(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return models.named_as_built(safetensors.torch.load_file(path))
        return read_pickled(path)
    except CodecUnavailable as error:
        raise BadCheckpoint(str(error)) from error
    except (safetensors.SafetensorError, OSError) as error:
        raise BadCheckpoint(f"{path} cannot be read as a .safetensors file: {error}") from error
    except ValueError as error:
        raise BadCheckpoint(f"{path}: {error}") from error


def read_pickled(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the weights in a .pth or .pth.tar file under the names of `models.named_as_built`; raise CodecUnavailable.

    The file holds tensors by name, either at the top level, under "state_dict" (as CompressAI's training script saves
    them), or in its only entry that holds named tensors. Such a file is a pickle, and loading a pickle can run any
    program. It is therefore read with torch's `weights_only`, which refuses everything but tensors and containers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about storages of an older kind
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CodecUnavailable(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:
        raise CodecUnavailable(f"{path} is refused: it {_refused(error)}") from error
    try:
        return models.named_as_built(_weights(content))
    except ValueError as error:
        raise CodecUnavailable(f"{path}: {error}") from error


def _refused(error: Exception) -> str:
    """Return why torch refuses a file; torch's own message takes paragraphs, and advises to load the file anyway."""
    unpickling = "unpickling it could run any program"
    if kind := re.search(r"GLOBAL (\S+) was not an allowed global|Unsupported class (\S+)", str(error)):
        name = kind[1] or kind[2]
        weights = "save the weights alone with torch.save(model.state_dict(), FILE)"
        return f"holds {name} besides tensors, and {unpickling}: {weights}"
    return f"is damaged, or holds more than tensors; {unpickling}"


def _weights(content: object) -> Mapping[str, torch.Tensor]:
    """Return the named tensors in the content of a file; raise ValueError if there are none."""
    entries = content if isinstance(content, Mapping) else {}
    choices = [content, entries.get("state_dict")]
    nested = [value for value in entries.values() if _named_tensors(value)]
    choices += nested if len(nested) == 1 else []
    for choice in choices:
        if _named_tensors(choice):
            return choice
    got = f"the entries {', '.join(map(str, entries))}" if entries else type(content).__name__
    raise ValueError(f"expected tensors by name, or one entry such as state_dict that holds them, got {got}")


def _named_tensors(content: object) -> TypeGuard[Mapping[str, torch.Tensor]]:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())
    )
