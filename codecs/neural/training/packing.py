"""Packing of finished trainings for publication: the best checkpoints, in half precision if that costs no quality."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...protocol import Image
from .. import checkpoint
from ..checkpoint import Checkpoint
from ..metadata import BadCheckpoint
from . import logs, photographs
from .recipe import Recipe, TrainingError, as_toml, read
from .validation import Score, validate, validation_images

RATE, PSNR = 1e-3, 0.01
"""The largest change of rate (relative) and PSNR (dB) on the validation images that half precision may cause."""

KEPT = "## Measured"
"""The heading of the hand-written part of a card; this part is kept when a family is packed again."""

LOSSES = {"mse": "lambda · 255² · MSE + bpp", "ms-ssim": "lambda · (1 - MS-SSIM) + bpp"}
OPTIMIZERS = {"adam": "Adam", "soap": "SOAP"}

_HALVED = (".weight", ".bias", ".beta", ".gamma")
_ENTROPY = "entropy_bottleneck."


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed checkpoint at one lambda: its scores before and after packing, and whether it uses half precision."""

    file: str
    steps: str
    before: Score
    after: Score
    half: bool


def pack(
    trainings: Sequence[Path], out: Path, valid: Path, report: Callable[[str], None] = lambda _note: None
) -> list[Packed]:
    """Write the best checkpoints of trainings to `out`, with recipe, logs and model card; return what was packed.

    A checkpoint is stored in half precision, except for its small entropy models, if that keeps the rate within 0.1 %
    and the PSNR within 0.01 dB on the images in `valid`. A network that serves all rates is named after the folder
    `out`. Several trainings become one family if they differ only in their lambdas. Raises TrainingError for a folder
    without a training, for an unfinished training, and for trainings that cannot form one family.
    """
    recipes = [_recipe(training) for training in trainings]
    recipe = _joined(recipes)
    images = validation_images(recipe, photographs.load(valid, torch.device("cpu")))
    best: dict[str, Checkpoint] = {}
    for training, part in zip(trainings, recipes, strict=True):
        best |= _best(training, part)
    if len({trained.about.get("data_sha256") for trained in best.values()}) > 1:
        raise TrainingError("these trainings used different photographs, so they cannot form one family")
    packed = []
    out.mkdir(parents=True, exist_ok=True)
    for stem, trained in best.items():
        report(f"packing {stem}")
        packed += _pack(trained, recipe, images, out / f"{out.name if recipe.variable else stem}.safetensors")
    (out / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
    for name in ("log.csv", "valid.csv"):
        header, *_ = logs = [(training / name).read_text(encoding="utf-8") for training in trainings]
        rows = "".join(log.partition("\n")[2] for log in logs)
        (out / name).write_text(header.partition("\n")[0] + "\n" + rows, encoding="utf-8")
    card = out / "CARD.md"
    measured = card.read_text(encoding="utf-8").partition(KEPT)[2] if card.exists() else "\n"
    text = _card(out.name, recipe, next(iter(best.values())), len(images), packed, len(trainings))
    card.write_text(text + KEPT + measured, encoding="utf-8")
    return packed


def halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state with the transforms' weights in half precision, where constants of 1e-9 would become 0."""
    return {
        name: value.half() if name.endswith(_HALVED) and _ENTROPY not in name else value
        for name, value in state.items()
    }


def _pack(trained: Checkpoint, recipe: Recipe, images: tuple[Image, ...], target: Path) -> list[Packed]:
    before, after = (
        validate(recipe, state, trained.lam, images, torch.device("cpu"))
        for state in (trained.state, halved(trained.state))
    )
    half = all(
        abs(halved_score.bpp_real / score.bpp_real - 1) <= RATE and abs(halved_score.psnr - score.psnr) <= PSNR
        for score, halved_score in zip(before, after, strict=True)
    )
    state = halved(trained.state) if half else trained.state
    checkpoint.save(target, trained, state)
    steps = trained.about.get("steps", "?")
    return [Packed(target.name, steps, *scores, half) for scores in zip(before, after, strict=True)]


def _recipe(training: Path) -> Recipe:
    """Return the recipe of the training in a folder; raise TrainingError if there is no training."""
    try:
        name = str(json.loads((training / "training.json").read_text(encoding="utf-8"))["recipe"])
        return replace(read(training / "recipe.toml"), name=name)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainingError(f"{training} holds no training: expected a folder of codecshift train") from error


def _joined(recipes: Sequence[Recipe]) -> Recipe:
    """Return the recipe of the family that trainings form; raise TrainingError if they cannot form one."""
    first, *others = recipes
    if not others:
        return first
    lambdas = tuple(lam for recipe in recipes for lam in recipe.lambdas)
    if any(replace(recipe, name=first.name, lambdas=first.lambdas) != first for recipe in others):
        raise TrainingError("these trainings differ in more than their lambdas, so they cannot form one family")
    if first.variable:
        raise TrainingError(f"one network of {first.architecture} serves all rates: pack a single training")
    if first.start == "neighbour":
        raise TrainingError('with start = "neighbour" networks share weights: train all lambdas in one training')
    if len(set(lambdas)) < len(lambdas):
        raise TrainingError("two of these trainings have the same lambda: expected one network for each lambda")
    return replace(first, lambdas=lambdas)


def _best(training: Path, recipe: Recipe) -> dict[str, Checkpoint]:
    """Return the best checkpoint of each network by the stem of its file; raise TrainingError if one is missing."""
    validated = {(f"{row['lambda']:g}", int(row["step"])) for row in logs.read(training / "valid.csv")}
    for index, lam in enumerate(recipe.lambdas):
        steps = recipe.steps_of(0 if recipe.variable else index)
        if (f"{lam:g}", steps) not in validated:
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
        others = f"{recipe.neighbour_steps} at each other lambda, starting from its neighbour's weights"
        steps += f" at the first lambda, {others}"
    if trainings > 1:
        steps += f" at each lambda, in {trainings} trainings"
    lines = [
        f"# {family}",
        "",
        f"{recipe.about[:1].upper()}{recipe.about[1:]}. Trained for codecshift; not the weights of any paper.",
        "",
        f"- architecture: `{recipe.architecture}`, {size}",
        f"- data: {about.get('images', '?')} photographs (digest {about.get('data_sha256', '?')[:16]}), crops of "
        f"{recipe.crop}x{recipe.crop}, {recipe.batch} per step",
        f"- training: {steps}; {OPTIMIZERS[recipe.optimizer]} at {recipe.learning_rate:g}; loss "
        f"{LOSSES[recipe.loss]}; all settings are in `recipe.toml`, the losses in `log.csv`",
        f"- hardware: {about.get('device', '?')}, {recipe.precision}",
        "",
        f"On {images} validation photographs, real bytes, means over images:",
        "",
        "| lambda | steps | bpp | PSNR, dB | on disk |",
        "| ---: | ---: | ---: | ---: | :--- |",
        *(
            f"| {entry.after.lam:g} | {entry.steps} | {entry.after.bpp_real:.4f} | {entry.after.psnr:.3f} "
            f"| {'float16' if entry.half else 'float32'} |"
            for entry in packed
        ),
        "",
    ]
    return "\n".join(lines) + "\n"
