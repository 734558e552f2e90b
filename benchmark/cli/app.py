"""The commands, and how user errors are reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from . import efforts, learning, listing, measuring, sets, telling
from .errors import FOLDER_IS_GONE, folder_is_gone, foreseen, unloadable
from .output import flush, refuse, speak_utf8

COMMANDS: Mapping[str, tuple[Callable[..., None], ...]] = {
    "Measure": (measuring.run, measuring.merge, measuring.heatmap, efforts.effort),
    "Report": (
        telling.leaderboard,
        telling.rows,
        telling.claims,
        telling.spectra,
        telling.figures,
        telling.export,
    ),
    "Corrupted sets": (sets.generate, sets.verify),
    "Look up": (
        listing.codecs,
        listing.measures,
        listing.sets,
        listing.corruptions,
        listing.plans,
        listing.check,
        listing.doctor,
    ),
    "Learned codecs": (learning.train, learning.pack, learning.convert),
}
"""Every command, in the groups that `--help` shows."""

EXAMPLES: Mapping[str, str] = {
    "run": "codecshift run --set folder:photos@crop512x768 --codec jpeg --codec avif --out photos.sqlite",
    "merge": "codecshift merge night1.sqlite night2.sqlite --out all.sqlite",
    "heatmap": "codecshift heatmap --set kodak --images 4 --codec jpeg:q50 --codec avif --figures figures",
    "effort": "codecshift effort webp avif --set kodak --out effort.csv",
    "leaderboard": "codecshift leaderboard photos.sqlite --anchor jpeg --format markdown",
    "rows": "codecshift rows photos.sqlite --format csv > rows.csv",
    "claims": "codecshift claims kodak.sqlite --only H9",
    "spectra": "codecshift spectra kodak.sqlite --codec jpeg:q40 --corruption high",
    "figures": "codecshift figures kodak.sqlite --only rate-curves --format svg --out figures",
    "export": "codecshift export kodak.sqlite results",
    "generate": "codecshift generate kodak-c --corruption high --severity 3 --out kodak-c",
    "verify": "codecshift verify kodak-c",
    "codecs": "codecshift codecs --format csv",
    "measures": "codecshift measures --format csv",
    "sets": "codecshift sets",
    "corruptions": "codecshift corruptions --severity 5",
    "plans": "codecshift plans",
    "check": "codecshift check jpeg:q75",
    "doctor": "codecshift doctor",
    "train": "codecshift train hyperprior --data photographs --valid others --out hyper",
    "pack": "codecshift pack hyper --valid others --out my-hyperprior",
    "convert": "codecshift convert run7.pth.tar --architecture mbt2018-mean --lambda 0.0067 --out run7.safetensors",
}
"""An example of each command, which its `--help` ends with."""

app = typer.Typer(
    help="How image codecs behave when the images shift.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(version("codecshift"))
        raise typer.Exit


@app.callback()
def _before_any_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


for _group, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_group, epilog=f"Example: {EXAMPLES[_command.__name__]}")(_command)


def run() -> None:
    """Run the command line; a user error prints one sentence and ends with exit code 2."""
    sys.path[:] = filter(None, sys.path)  # `python -c` puts the current folder there, as an empty string
    speak_utf8()
    try:
        try:
            app()
        finally:
            flush()
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:
        if sentence := _sentence(error):
            refuse(sentence)
        raise


def _sentence(error: Exception) -> str:
    """Return the message of an error for the user, "" if the error is a bug of ours."""
    if folder_is_gone():
        return FOLDER_IS_GONE
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
    if isinstance(error, ImportError):
        return unloadable(error)
    return str(error) if foreseen(error) else ""
