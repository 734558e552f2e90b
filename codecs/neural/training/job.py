"""Preparation of a training: reading its photographs and start weights, and claiming its folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...protocol import Image
from .. import checkpoint
from ..architectures import ARCHITECTURES
from ..checkpoint import Checkpoint
from ..metadata import BadCheckpoint
from ..models import construct
from . import photographs
from .photographs import Photographs
from .recipe import Recipe, TrainingError, as_toml, read
from .rescaling import conditioned
from .validation import validation_images


@dataclass(frozen=True, slots=True)
class Job:
    """A training that is ready to run: every input is read, the folder `out` is claimed, and the device exists.

    `valid` holds the validation images. `start` holds, for each network, the checkpoint that it starts from, or None.
    """

    recipe: Recipe
    data: Photographs
    valid: tuple[Image, ...]
    start: tuple[Checkpoint | None, ...]
    out: Path
    device: torch.device


def prepare(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    valid: Path | None = None,
    start: Path | None = None,
    device: str = "auto",
    report: photographs.Report | None = None,
) -> Job:
    """Read everything that a training needs, then claim its folder.

    Raises TrainingError, and writes nothing, if an input is missing or wrong, or if the folder holds anything else.
    """
    torch_device = choose_device(device)
    _check_constructible(recipe)
    checkpoints = _start_checkpoints(recipe, start)
    training_images = photographs.load(data, torch_device, recipe.crop, report)
    held_out: tuple[Image, ...] = ()
    if valid is not None:
        candidates = photographs.load(valid, torch.device("cpu"), report=report)
        shared = set(candidates.hashes) & set(training_images.hashes)
        if shared:
            raise TrainingError(
                f"{len(shared)} images of {valid} are also in {data}: expected validation images outside the training"
            )
        held_out = validation_images(recipe, candidates)
    _claim(out, recipe, training_images, checkpoints)
    return Job(recipe, training_images, held_out, checkpoints, out, torch_device)


def choose_device(name: str) -> torch.device:
    """Return the device named cpu, cuda, cuda:1 or auto (CUDA if available, else CPU); raise TrainingError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise TrainingError(f"expected --device cpu, cuda or auto, got {name!r}")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise TrainingError("torch finds no CUDA device: use --device cpu or auto")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise TrainingError(f"there is no device {name}: expected a number below {torch.cuda.device_count()}")
    return torch.device(name)


def _check_constructible(recipe: Recipe) -> None:
    try:
        with torch.random.fork_rng(devices=[]):
            construct(recipe.architecture, recipe.config)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _start_checkpoints(recipe: Recipe, start: Path | None) -> tuple[Checkpoint | None, ...]:
    """Return the checkpoint that each network starts from; raise TrainingError."""
    if (start is None) != (recipe.start != "checkpoint"):
        raise TrainingError(
            f"recipe {recipe.name!r} starts from trained weights: expected --start with a .safetensors file or folder"
            if start is None
            else f"--start needs a recipe with start = 'checkpoint', got {recipe.start!r}: add --set start=checkpoint"
        )
    if start is None:
        return (None,) * len(recipe.stems)
    return tuple(
        _start_checkpoint(recipe, start / f"{stem}.safetensors" if start.is_dir() else start) for stem in recipe.stems
    )


def _start_checkpoint(recipe: Recipe, path: Path) -> Checkpoint:
    if not path.is_file():
        raise TrainingError(f"there is no file {path} to start from")
    try:
        loaded = checkpoint.read(path)
    except BadCheckpoint as error:
        raise TrainingError(str(error)) from error
    converts = ARCHITECTURES[recipe.architecture].conditional and loaded.architecture == "bmshj2018-hyperprior"
    if (loaded.architecture != recipe.architecture and not converts) or dict(loaded.config) != recipe.config:
        raise TrainingError(
            f"{path} holds {loaded.architecture} with {dict(loaded.config)}: expected {recipe.architecture} with "
            f"{recipe.config}"
        )
    return replace(loaded, state=conditioned(loaded.state, loaded.lam)) if converts else loaded


def _claim(out: Path, recipe: Recipe, data: Photographs, start: Sequence[Checkpoint | None]) -> None:
    """Create the folder of a training, or accept a folder that holds the same training; raise TrainingError."""
    identity = {
        "recipe": recipe.name,
        "recipe_sha256": recipe.digest(),
        "data_sha256": data.digest,
        # Crops are drawn by index, so renaming the images changes the crops.
        "order_sha256": hashlib.sha256("".join(data.hashes).encode()).hexdigest(),
        "begin_sha256": [loaded.digest if loaded else "" for loaded in start],
    }
    file = out / "training.json"
    if file.is_file():
        try:
            existing = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TrainingError(f"{file} is damaged: expected JSON; choose another --out") from error
        if existing != identity:
            difference = _difference(out, recipe, existing, identity)
            raise TrainingError(f"{out} holds another training ({difference}); choose another --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} holds something other than a training: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        file.write_text(json.dumps(identity, indent=1), encoding="utf-8")
    (out / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
    (out / "state").mkdir(exist_ok=True)


def _difference(out: Path, recipe: Recipe, existing: dict[str, Any], requested: dict[str, Any]) -> str:
    """Return in a few words how the training in a folder differs from the requested one."""
    if existing.get("recipe") != requested["recipe"]:
        return f"of recipe {existing.get('recipe')!r}"
    if existing.get("recipe_sha256") == requested["recipe_sha256"]:
        if existing.get("data_sha256") != requested["data_sha256"]:
            return "of other images"
        renamed = existing.get("order_sha256") != requested["order_sha256"]
        return "of these images under other names" if renamed else "from other weights"
    try:
        existing_recipe = read(out / "recipe.toml")
    except TrainingError:
        return "of other settings"
    return ", ".join(_changed_keys(existing_recipe, recipe)) or "of other settings"


def _changed_keys(existing: Recipe, requested: Recipe) -> Iterator[str]:
    for key in Recipe.__dataclass_fields__:
        old, new = getattr(existing, key), getattr(requested, key)
        if old != new and key not in {"name", "about"}:
            yield f"{key} = {old} there, {new} here"
