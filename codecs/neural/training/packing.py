"""Packing a finished training for others: its best checkpoints, in half precision where that changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...protocol import Image
from .. import checkpoint
from ..checkpoint import BadCheckpoint, Checkpoint
from . import logs, photographs
from .recipe import Recipe, TrainingError, as_toml, read
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


def pack(
    trainings: Sequence[Path], out: Path, valid: Path, report: Callable[[str], None] = lambda _note: None
) -> list[Packed]:
    """Write to `out` the best checkpoints of a training, its recipe, logs and model card; return how each did.

    A checkpoint goes into half precision (but for its entropy models, which are small) where on the images in `valid`
    rate then stays within 0.1 % and PSNR within 0.01 dB. A network for all rates is named after the folder `out`.
    Several trainings become one family where they differ in their lambdas alone. Raises TrainingError where one of
    them is none, is not finished, or is of something else.
    """
    recipes = [_recipe(training) for training in trainings]
    recipe = _joined(recipes)
    images = held_out(recipe, photographs.load(valid, torch.device("cpu")))
    best: dict[str, Checkpoint] = {}
    for training, its in zip(trainings, recipes, strict=True):
        best |= _best(training, its)
    if len({found.about.get("data_sha256") for found in best.values()}) > 1:
        raise TrainingError("these trainings learnt from different photographs: no family is made of them")
    packed = []
    out.mkdir(parents=True, exist_ok=True)
    for stem, found in best.items():
        report(f"packing {stem}")
        packed += _pack(found, recipe, images, out / f"{out.name if recipe.variable else stem}.safetensors")
    (out / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
    for name in ("log.csv", "valid.csv"):
        header, *_ = logs = [(training / name).read_text(encoding="utf-8") for training in trainings]
        rows = "".join(log.partition("\n")[2] for log in logs)
        (out / name).write_text(header.partition("\n")[0] + "\n" + rows, encoding="utf-8")
    card = out / CARD
    measured = card.read_text(encoding="utf-8").partition(KEPT)[2] if card.exists() else "\n"
    first = next(iter(best.values()))
    card.write_text(
        _card(out.name, recipe, first, len(images), packed, len(trainings)) + KEPT + measured, encoding="utf-8"
    )
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


def _joined(recipes: Sequence[Recipe]) -> Recipe:
    """Return the recipe of a family that several trainings make; raise TrainingError where they do not."""
    first, *others = recipes
    if not others:
        return first
    lambdas = tuple(lam for recipe in recipes for lam in recipe.lambdas)
    if any(replace(recipe, name=first.name, lambdas=first.lambdas) != first for recipe in others):
        raise TrainingError("these trainings differ in more than their lambdas: no family is made of them")
    if first.variable:
        raise TrainingError(f"a {first.architecture} serves all rates: its family is one training")
    if first.start == "neighbour":
        raise TrainingError('with start = "neighbour" lambdas begin with each other\'s weights: train them together')
    if len(set(lambdas)) < len(lambdas):
        raise TrainingError("two of these trainings have the same lambda: a family has one network for each")
    return replace(first, lambdas=lambdas)


def _best(training: Path, recipe: Recipe) -> dict[str, Checkpoint]:
    """Return the best checkpoint of each network by the name of its file; raise TrainingError where one lacks."""
    seen = {(f"{row['lambda']:g}", int(row["step"])) for row in logs.read(training / "valid.csv")}
    for place, lam in enumerate(recipe.lambdas):
        steps = recipe.steps_of(0 if recipe.variable else place)
        if (f"{lam:g}", steps) not in seen:
            raise TrainingError(f"{training} is not finished: lambda {lam:g} was not validated at step {steps}")
    try:
        return {stem: checkpoint.read(training / "best" / f"{stem}.safetensors") for stem in recipe.stems}
    except BadCheckpoint as error:
        raise TrainingError(str(error)) from error


def _card(family: str, recipe: Recipe, first: Checkpoint, images: int, packed: list[Packed], trainings: int) -> str:
    about = first.about
    size = ", ".join(f"{key} = {value}" for key, value in recipe.config.items())
    steps = f"{recipe.steps} steps"
    if recipe.start == "neighbour" and recipe.neighbour_steps:
        steps += (
            f" at the first lambda, {recipe.neighbour_steps} at each other, which begins with its neighbour's weights"
        )
    if trainings > 1:
        steps += f" at each lambda, in {trainings} trainings"
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
