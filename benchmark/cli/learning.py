"""Commands for learned codecs: train, pack, convert."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from .interruption import save_when_interrupted
from .output import duration, refuse, say, show
from .progress import Progress, working

if TYPE_CHECKING:
    from ...codecs.neural.training.recipe import Recipe


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE",
            help="Recipe to train: a name that --list shows, or the path of a .toml file.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of photographs to train on, with any folders inside.")
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of other photographs; real bytes and PSNR are measured on them at every save."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write, or to continue.")] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of training steps, in place of the recipe's.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, e.g. crop=128. Can be repeated."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Checkpoint, or folder of checkpoints, to start from.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="D", help="Where to train: cpu, cuda or auto.")] = "auto",
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of threads on a CPU. Default: one per core.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Train nothing; list the recipes.")] = False,
) -> None:
    """Train a neural codec by a recipe: one checkpoint for each lambda. Continues a training that was stopped."""
    from ...codecs.neural.training import recipe as recipes
    from ..report import listings

    if list_:
        show(listings.recipes())
        return
    if recipe is None or data is None or out is None:
        refuse("expected codecshift train RECIPE --data DIR --out DIR; --list shows the recipes")
    changes = {}
    for text in settings or ():
        key, equals, value = text.partition("=")
        if not equals:
            refuse(f"expected --set KEY=VALUE, got {text!r}")
        changes[key.strip()] = value.strip()
    chosen = recipes.changed(recipes.find(recipe), changes | ({} if steps is None else {"steps": str(steps)}))
    _train(chosen, data, valid, out, start, device, jobs)


def _train(
    recipe: Recipe, data: Path, valid: Path | None, out: Path, start: Path | None, device: str, jobs: int | None
) -> None:
    try:
        with working("loading torch"):
            import torch

            from ...codecs.neural.training.job import prepare
            from ...codecs.neural.training.train import train
    except ImportError as error:
        _refuse_without_extra("training", error)
    from ...codecs.neural.training.recipe import Diverged

    if jobs is not None:
        torch.set_num_threads(jobs)
    try:
        with Progress("images", "preparing") as progress:
            job = prepare(recipe, data, out, valid=valid, start=start, device=device, report=progress.task)
        say(f"{recipe.name}: {recipe.architecture}, {len(job.data)} images, on {job.device} -> {out}")
        save_when_interrupted()
        with Progress("steps", "building networks") as progress:
            outcome = train(job, partial(progress.show, "training"))
    except Diverged as sentence:
        say(f"codecshift: {sentence}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say(f"\nstopped: the training so far is saved in {out}; the same command continues from there")
        raise typer.Exit(130) from None
    new = outcome.steps - outcome.before
    if new:
        earlier = f", after {outcome.before} earlier ones" if outcome.before else ""
        say(f"{new} steps in {duration(outcome.wall_s)}{earlier}: {out / 'log.csv'}, {out / 'loss.png'}")
    else:
        say(f"nothing to do: all {outcome.steps} steps are done")
    for path in outcome.files:
        typer.echo(path)


def pack(
    trainings: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of finished trainings, written by codecshift train.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; the codec is named after it.")],
    valid: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of photographs to compare half and full precision on.")
    ],
) -> None:
    """Prepare a finished training for others: the best checkpoints, recipe, logs and a model card."""
    try:
        with working("loading torch"):
            from ...codecs.neural.training import packing
    except ImportError as error:
        _refuse_without_extra("packing", error)
    from ..report import listings

    with working("packing"):
        packed = packing.pack(trainings, out, valid, say)
    show(listings.packed(packed))


def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Checkpoint of CompressAI's training script, or a file of weights.")
    ],
    architecture: Annotated[
        str, typer.Option(metavar="ARCH", help="CompressAI's name of the model, e.g. mbt2018-mean.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", help="Checkpoint to write.")],
    lam: Annotated[
        float | None,
        typer.Option(
            "--lambda",
            metavar="X",
            help="Lambda of the loss it was trained with; leave it out for variable-rate models.",
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option(metavar="mse|ms-ssim", help="Distortion in the loss it was trained with.")
    ] = "mse",
) -> None:
    """Convert a CompressAI checkpoint into one that can be measured, as the codec ARCH@FILE.safetensors."""
    try:
        with working("loading torch"):
            from ...codecs.neural import convert as converting
    except ImportError as error:
        _refuse_without_extra("converting", error)
    from ...codecs.neural.metadata import BadCheckpoint

    try:
        with working("converting"):
            made = converting.convert(file, architecture, lam, out, metric)
    except BadCheckpoint as error:
        refuse(str(error))
    size = ", ".join(f"{key}={value}" for key, value in made.config.items())
    say(f"{architecture} of {size}: {shlex.join(['codecshift', 'check', f'{architecture}@{out}'])}")
    typer.echo(out)


def _refuse_without_extra(task: str, error: ImportError) -> NoReturn:
    """Refuse with what to install; raise the error itself if the module it names is installed but broken."""
    name = (error.name or "").partition(".")[0]
    if not name or name in sys.stdlib_module_names or find_spec(name):
        raise error
    refuse(f"{task} needs {name}, which is not installed: pip install 'codecshift[neural]'")
