"""Packing a finished training for others: its best checkpoints, in half precision where that changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..protocol import Image
from . import checkpoint, journal, photographs
from .checkpoint import BadCheckpoint, Checkpoint
from .recipe import Recipe, TrainingError, read
from .validation import Score, held_out, validate

RATE, PSNR = 1e-3, 0.01
"""By how much, relatively and in dB, half precision may change what any checkpoint makes of the validation images."""

CARD = "CARD.md"
KEPT = "## Measured"
"""The heading in a card from which on it is written by hand, and kept when a family is packed again."""

LOSSES = {"mse": "lambda · 255² · MSE + bpp", "ms-ssim": "lambda · (1 - MS-SSIM) + bpp"}
OPTIMIZERS = {"adam": "Adam", "soap": "SOAP"}

_HALVED = (".weight", ".bias", ".beta", ".gamma")
_ENTROPY = "entropy_bottleneck."


@dataclass(frozen=True, slots=True)
class Packed:
    """A checkpoint at one lambda as it was packed: its scores before and after, and whether it is in half precision."""

    file: str
    steps: str
    before: Score
    after: Score
    half: bool


def pack(training: Path, out: Path, valid: Path, report: Callable[[str], None] = lambda _note: None) -> list[Packed]:
    """Write to `out` the best checkpoints of a training, its recipe, logs and model card; return how each did.

    A checkpoint goes into half precision (but for its entropy models, which are small) where on the images in `valid`
    rate then stays within 0.1 % and PSNR within 0.01 dB. A network for all rates is named after the folder `out`.
    Raises TrainingError where `training` is none, or is not finished.
    """
    recipe = _recipe(training)
    images = held_out(recipe, photographs.load(valid, torch.device("cpu")))
    best = _best(training, recipe)
    packed = []
    out.mkdir(parents=True, exist_ok=True)
    for stem, found in best.items():
        report(f"packing {stem}")
        packed += _pack(found, recipe, images, out / f"{out.name if recipe.variable else stem}.safetensors")
    for name in ("recipe.toml", "log.csv", "valid.csv"):
        shutil.copyfile(training / name, out / name)
    card = out / CARD
    measured = card.read_text(encoding="utf-8").partition(KEPT)[2] if card.exists() else "\n"
    first = next(iter(best.values()))
    card.write_text(_card(out.name, recipe, first, len(images), packed) + KEPT + measured, encoding="utf-8")
    return packed


def halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights of the transforms in half precision, all else as it is: constants of 1e-9 are 0 there."""
    return {
        name: value.half() if name.endswith(_HALVED) and _ENTROPY not in name else value
        for name, value in state.items()
    }


def _pack(found: Checkpoint, recipe: Recipe, images: tuple[Image, ...], target: Path) -> list[Packed]:
    before, after = (
        validate(recipe, state, found.lam, images, torch.device("cpu")) for state in (found.state, halved(found.state))
    )
    same = all(
        abs(two.bpp_real / one.bpp_real - 1) <= RATE and abs(two.psnr - one.psnr) <= PSNR
        for one, two in zip(before, after, strict=True)
    )
    state = halved(found.state) if same else found.state
    checkpoint.save(target, found.architecture, found.config, found.lam, found.metric, state, found.about)
    return [Packed(target.name, found.about.get("steps", "?"), *pair, same) for pair in zip(before, after, strict=True)]


def _recipe(training: Path) -> Recipe:
    """Return the recipe that a folder holds a training of."""
    try:
        name = str(json.loads((training / "training.json").read_text(encoding="utf-8"))["recipe"])
        return replace(read(training / "recipe.toml"), name=name)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(f"{training} holds no training: expected what codecshift train wrote") from error


def _best(training: Path, recipe: Recipe) -> dict[str, Checkpoint]:
    """Return the best checkpoint of each network by the name of its file; raise TrainingError where one lacks."""
    seen = {(f"{row['lambda']:g}", int(row["step"])) for row in journal.read(training / "valid.csv")}
    for place, lam in enumerate(recipe.lambdas):
        steps = recipe.steps_of(0 if recipe.variable else place)
        if (f"{lam:g}", steps) not in seen:
            raise TrainingError(f"{training} is not finished: lambda {lam:g} was not validated at step {steps}")
    try:
        return {stem: checkpoint.read(training / "best" / f"{stem}.safetensors") for stem in recipe.stems}
    except BadCheckpoint as error:
        raise TrainingError(str(error)) from error


def _card(family: str, recipe: Recipe, first: Checkpoint, images: int, packed: list[Packed]) -> str:
    about = first.about
    size = ", ".join(f"{key} = {value}" for key, value in recipe.config.items())
    steps = f"{recipe.steps} steps"
    if recipe.start == "neighbour" and recipe.neighbour_steps:
        steps += (
            f" at the first lambda, {recipe.neighbour_steps} at each other, which begins with its neighbour's weights"
        )
    lines = [
        f"# {family}",
        "",
        f"{recipe.about[:1].upper()}{recipe.about[1:]}. Ours, and not the weights of any paper.",
        "",
        f"- architecture: `{recipe.architecture}`, {size}",
        f"- data: {about.get('images', '?')} photographs (digest {about.get('data_sha256', '?')[:16]}), crops of "
        f"{recipe.crop}x{recipe.crop}, {recipe.batch} a step",
        f"- training: {steps}; {OPTIMIZERS[recipe.optimizer]} at {recipe.learning_rate:g}; loss "
        f"{LOSSES[recipe.loss]}; `recipe.toml` holds the rest, `log.csv` the course",
        f"- hardware: {about.get('device', '?')}, {recipe.precision}",
        "",
        f"On {images} validation photographs, real bytes, means over images:",
        "",
        "| lambda | steps | bpp | PSNR, dB | on disk |",
        "| ---: | ---: | ---: | ---: | :--- |",
        *(
            f"| {one.after.lam:g} | {one.steps} | {one.after.bpp_real:.4f} | {one.after.psnr:.3f} "
            f"| {'float16' if one.half else 'float32'} |"
            for one in packed
        ),
        "",
    ]
    return "\n".join(lines) + "\n"
