"""The functions that open neural codecs, named in their specs. This module imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from ..protocol import CodecUnavailable
from . import checkpoint, convert, device, download, families, models
from . import zoo as published
from .architectures import ARCHITECTURES
from .codec import NeuralCodec, NeuralEstimate, dial_of
from .metadata import BadCheckpoint

Params = Mapping[str, int | float | str]
Loader = Callable[[str, Params], tuple[str, torch.nn.Module]]
"""Returns the architecture and the model for a spec's argument and a point's parameters."""

Opened = TypeVar("Opened", NeuralCodec, NeuralEstimate)


def _load_zoo(name: str, params: Params) -> tuple[str, torch.nn.Module]:
    """Load a codec of CompressAI's zoo, and download its weights if they are not on this machine."""
    path = download.fetched(published.file(name, params))
    architecture = name.removesuffix("-mse").removesuffix("-ms-ssim")
    try:
        state = convert.read_pickled(path)
        return architecture, models.loaded(architecture, models.infer(architecture, state), state)
    except (ValueError, RuntimeError) as error:
        raise CodecUnavailable(f"{path} does not hold the weights of {architecture}: {error}") from error


def _load_family(family: str, params: Params) -> tuple[str, torch.nn.Module]:
    return _load_checkpoint(families.FOLDER / family / str(params.get("file", f"{family}.safetensors")))


def _load_file(argument: str, _params: Params) -> tuple[str, torch.nn.Module]:
    """Load a checkpoint; `argument` is "architecture@digest@path"."""
    architecture, digest, path = argument.split("@", 2)
    return _load_checkpoint(Path(path), architecture, digest)


def _load_in_folder(argument: str, params: Params) -> tuple[str, torch.nn.Module]:
    """Load a checkpoint in a folder; `argument` is "architecture@path", and the point names the file and its digest."""
    architecture, _, path = argument.partition("@")
    return _load_checkpoint(Path(path, str(params["file"])), architecture, str(params["digest"]))


def _load_checkpoint(path: Path, architecture: str = "", digest: str = "") -> tuple[str, torch.nn.Module]:
    try:
        loaded = checkpoint.read(path)
        if not loaded.digest.startswith(digest) or loaded.architecture != (architecture or loaded.architecture):
            raise CodecUnavailable(f"{path} has changed since the run began: start the run again")
        return loaded.architecture, checkpoint.build(loaded)
    except BadCheckpoint as error:
        raise CodecUnavailable(str(error)) from error


def _opener(kind: type[Opened], load: Loader) -> Callable[..., AbstractContextManager[Opened]]:
    @contextmanager
    def opened(argument: str, **params: int | float | str) -> Iterator[Opened]:
        accelerator = device.accelerator()
        architecture, model = load(argument, params)
        facts, dial = ARCHITECTURES[architecture], dial_of(architecture)
        value = float(params["lam" if facts.conditional else "gain"]) if dial else 0.0
        yield kind(model, facts.multiple, dial, value, accelerator)

    return opened


_LOADERS: tuple[Loader, ...] = (_load_zoo, _load_family, _load_file, _load_in_folder)
zoo, ours, file, folder = (_opener(NeuralCodec, load) for load in _LOADERS)
zoo_estimate, ours_estimate, file_estimate, folder_estimate = (_opener(NeuralEstimate, load) for load in _LOADERS)
