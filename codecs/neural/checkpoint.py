"""Checkpoints: safetensors files with the weights of a model, and metadata that identify the model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from . import models
from .architectures import ARCHITECTURES
from .metadata import BadCheckpoint, Facts, as_metadata, read_facts


@dataclass(frozen=True, slots=True)
class Checkpoint(Facts):
    """The content of a checkpoint file: its metadata, the weights, and the sha256 of the file."""

    state: Mapping[str, torch.Tensor]
    digest: str


def save(path: Path, facts: Facts, state: Mapping[str, torch.Tensor]) -> None:
    """Write a checkpoint; the file appears complete or not at all, and replaces an older one.

    The entropy coder's tables are omitted, because `build` computes them from the weights. Raises ValueError if `path`
    does not end in .safetensors or the architecture is unknown, OSError if the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, got {path.name!r}")
    if facts.architecture not in ARCHITECTURES:
        raise ValueError(f"expected one of {', '.join(ARCHITECTURES)}, got {facts.architecture!r}")
    metadata = as_metadata(facts)
    # Copy, because safetensors refuses tensors that share memory.
    weights = {
        key: value.detach().to("cpu", copy=True).contiguous()
        for key, value in state.items()
        if not key.endswith(models.TABLES)
    }
    data = safetensors.torch.save(weights, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # a temporary file is readable by its user only
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> Checkpoint:
    """Return the checkpoint in a .safetensors file, without unpickling anything; raise BadCheckpoint."""
    path = Path(path)
    facts = read_facts(path)
    try:
        data = path.read_bytes()
        state = models.named_as_built(safetensors.torch.load(data))
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from error
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BadCheckpoint(f"{path} is not a safetensors file, or is damaged: {error}") from error
    digest = sha256(data).hexdigest()
    return Checkpoint(facts.architecture, facts.config, facts.lam, facts.metric, facts.about, state, digest)


def build(checkpoint: Checkpoint) -> torch.nn.Module:
    """Return the model, ready to code: on the CPU, in eval mode, its tables computed; raise BadCheckpoint."""
    if checkpoint.architecture not in ARCHITECTURES:
        raise BadCheckpoint(f"expected one of {', '.join(ARCHITECTURES)}, got {checkpoint.architecture!r}")
    try:
        return models.loaded(checkpoint.architecture, checkpoint.config, checkpoint.state)
    except (ValueError, RuntimeError) as error:
        raise BadCheckpoint(
            f"this checkpoint does not hold the weights of {checkpoint.architecture}: {error}"
        ) from error
