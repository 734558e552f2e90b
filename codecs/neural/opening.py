"""Opening neural codecs: what the specs name. Here torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from ..protocol import CodecUnavailable, Point
from . import checkpoint, codec, device, download, families, metadata, models
from .architectures import ARCHITECTURES
from .codec import Dial, NeuralCodec, NeuralEstimate
from .specs import zoo_files

Params = int | float | str
Opened = TypeVar("Opened", NeuralCodec, NeuralEstimate)


def _zoo(make: Callable[..., Opened], name: str, params: Mapping[str, Params]) -> Opened:
    where = device.accelerator()
    (file,) = zoo_files(name, [Point("", params)])
    path = download.fetched(file)
    architecture = name.removesuffix("-mse").removesuffix("-ms-ssim")
    try:
        state = download.state(path)
        model = models.loaded(architecture, models.infer(architecture, state), state)
    except (ValueError, KeyError) as error:
        raise CodecUnavailable(f"{path} does not hold the weights of {architecture}: {error}") from error
    return _ready(make, model, architecture, params, where)


def _checkpoint(
    make: Callable[..., Opened], architecture: str, path: Path, digest: str, params: Mapping[str, Params]
) -> Opened:
    where = device.accelerator()
    try:
        found = checkpoint.read(path)
        if not found.digest.startswith(digest) or found.architecture != architecture:
            raise CodecUnavailable(f"{path} has changed since the run began")
        model = checkpoint.build(found)
    except metadata.BadCheckpoint as error:
        raise CodecUnavailable(str(error)) from error
    return _ready(make, model, architecture, params, where)


def _ready(
    make: Callable[..., Opened],
    model: torch.nn.Module,
    architecture: str,
    params: Mapping[str, Params],
    where: torch.device | None,
) -> Opened:
    known = ARCHITECTURES[architecture]
    dial: Dial | None = codec.LAMBDA if known.conditional else codec.GAIN if known.gain else None
    value = float(params["lam" if known.conditional else "gain"]) if dial else 0.0
    return make(model, known.multiple, dial, value, where)


@contextmanager
def zoo(name: str, **params: Params) -> Iterator[NeuralCodec]:
    """Open a codec of CompressAI's zoo, its weights fetched if need be; raise CodecUnavailable."""
    yield _zoo(NeuralCodec, name, params)


@contextmanager
def zoo_estimate(name: str, **params: Params) -> Iterator[NeuralEstimate]:
    """Open the same weights for estimates."""
    yield _zoo(NeuralEstimate, name, params)


@contextmanager
def ours(family: str, **params: Params) -> Iterator[NeuralCodec]:
    """Open a codec whose checkpoints come with the package; raise CodecUnavailable."""
    yield _checkpoint(NeuralCodec, *_ours(family, params), params)


@contextmanager
def ours_estimate(family: str, **params: Params) -> Iterator[NeuralEstimate]:
    """Open the same weights for estimates."""
    yield _checkpoint(NeuralEstimate, *_ours(family, params), params)


@contextmanager
def file(argument: str, **params: Params) -> Iterator[NeuralCodec]:
    """Open a checkpoint, `argument` being "architecture@digest@path"; raise CodecUnavailable, as if it has changed."""
    yield _checkpoint(NeuralCodec, *_file(argument), params)


@contextmanager
def file_estimate(argument: str, **params: Params) -> Iterator[NeuralEstimate]:
    """Open the same weights for estimates."""
    yield _checkpoint(NeuralEstimate, *_file(argument), params)


@contextmanager
def folder(argument: str, **params: Params) -> Iterator[NeuralCodec]:
    """Open a checkpoint in a folder, `argument` being "architecture@path", the point naming the file and its digest."""
    yield _checkpoint(NeuralCodec, *_in_folder(argument, params), params)


@contextmanager
def folder_estimate(argument: str, **params: Params) -> Iterator[NeuralEstimate]:
    """Open the same weights for estimates."""
    yield _checkpoint(NeuralEstimate, *_in_folder(argument, params), params)


def _ours(family: str, params: Mapping[str, Params]) -> tuple[str, Path, str]:
    path = families.FOLDER / family / str(params.get("file", f"{family}.safetensors"))
    return metadata.read_facts(path).architecture, path, ""


def _file(argument: str) -> tuple[str, Path, str]:
    architecture, digest, path = argument.split("@", 2)
    return architecture, Path(path), digest


def _in_folder(argument: str, params: Mapping[str, Params]) -> tuple[str, Path, str]:
    architecture, _, path = argument.partition("@")
    return architecture, Path(path, str(params["file"])), str(params["digest"])
