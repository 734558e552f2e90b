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
        str | None, typer.Argument(metavar="RECIPE", help="One of --list, or a file .toml.", show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Photographs to learn from, in any folders.")] = None,
    valid: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Other photographs, to measure real bytes on at every save.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to write to, or to go on with.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="In place of the recipe's.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the recipe: crop=128.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The checkpoint, or folder of them, to begin with.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="D", help="cpu, cuda or auto.")] = "auto",
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads on a CPU. Default: one a core.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes there are, and train nothing.")] = False,
) -> None:
    """Train a neural codec: one checkpoint for each lambda of a recipe. Goes on where it was stopped."""
    from ...codecs.neural.training import recipe as recipes
    from ..report import listings

    if list_:
        show(listings.recipes())
        return
    if recipe is None or data is None or out is None:
        refuse("expected codecshift train RECIPE --data DIR --out DIR; --list names the recipes")
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
        say(f"\nstopped: what was learnt is kept in {out}; the same command goes on from there")
        raise typer.Exit(130) from None
    new = outcome.steps - outcome.before
    if new:
        begun = f", after {outcome.before} before" if outcome.before else ""
        say(f"{new} steps in {duration(outcome.wall_s)}{begun}: {out / 'log.csv'}, {out / 'loss.png'}")
    else:
        say(f"nothing to do: all {outcome.steps} steps are done")
    for path in outcome.files:
        typer.echo(path)


def pack(
    trainings: Annotated[list[Path], typer.Argument(metavar="DIR...", help="What codecshift train wrote, to its end.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to; its name is the codec's.")],
    valid: Annotated[Path, typer.Option(metavar="DIR", help="Photographs to compare precisions on.")],
) -> None:
    """Pack a training for others: its best checkpoints in half precision, recipe, logs and a model card."""
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
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What CompressAI's training wrote, or weights alone.")],
    architecture: Annotated[str, typer.Option(metavar="ARCH", help="The model, by CompressAI's name: mbt2018-mean.")],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", help="The checkpoint to write.")],
    lam: Annotated[
        float | None, typer.Option("--lambda", metavar="X", help="Lambda of its loss. Not for models of all rates.")
    ] = None,
    metric: Annotated[str, typer.Option(metavar="mse|ms-ssim", help="The loss it was trained with.")] = "mse",
) -> None:
    """Make a checkpoint of CompressAI's into one that can be measured: ARCH@FILE.safetensors is then a codec."""
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


def _refuse_without_extra(deed: str, error: ImportError) -> NoReturn:
    """Refuse with what to install; raise the error itself where what it is about is installed, and broken."""
    name = (error.name or "").partition(".")[0]
    if not name or name in sys.stdlib_module_names or find_spec(name):
        raise error
    refuse(f"{deed} needs {name}, which is not installed: pip install 'codecshift[neural]'")
