"""The command line: parsing and printing, nothing else. What a command needs is imported when it runs."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import pandas as pd

    from ..analysis.figures import Kind
    from ..analysis.heatmap import Heatmap
    from ..analysis.ranking import Leaderboard
    from ..analysis.spectrum import Settings
    from ..codecs.contract import Verdict
    from ..codecs.neural.recipe import Recipe
    from ..codecs.protocol import Spec
    from .bands import Measurement
    from .drawing import State
    from .fairness import Entry
    from .matching import Matching, Target
    from .run import Job, Tally

WIDTH = 100  # columns that text output fits in
_FEWEST_RESAMPLES = 100  # whose ends of intervals mean something

app = typer.Typer(
    help="How image codecs behave when the images shift.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class RowsFormat(StrEnum):
    """What `rows` can print."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


class TableFormat(StrEnum):
    """What `leaderboard` and `codecs` can print."""

    text = "text"
    csv = "csv"
    markdown = "markdown"
    json = "json"


class ClaimsFormat(StrEnum):
    """What `claims` can print."""

    text = "text"
    markdown = "markdown"
    json = "json"


class FigureFormat(StrEnum):
    """What `figures` can write."""

    png = "png"
    pdf = "pdf"
    svg = "svg"


class TextFormat(StrEnum):
    """What `spectra` and `heatmap` can print."""

    text = "text"
    csv = "csv"
    json = "json"


class QualityName(StrEnum):
    """What curves are drawn over."""

    psnr = "psnr"
    ms_ssim = "ms_ssim"


Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SET", help="sample, kodak, clic2020-test, folder:PATH, generated:DIR."),
]
Corruptions = Annotated[
    list[str] | None,
    typer.Option("--corruption", metavar="NAME", help="A corruption, a band (low, medium, high), or none: clean."),
]
Severities = Annotated[list[int] | None, typer.Option("--severity", metavar="N", help="1 to 5; clean images are 0.")]
FirstImages = Annotated[
    int | None, typer.Option("--images", metavar="N", min=1, help="The first N images of each set. Default: all.")
]
Images = Annotated[list[str] | None, typer.Option("--image", metavar="ID", help="One image instead of all: kodim01.")]
Codecs = Annotated[
    list[str] | None, typer.Option("--codec", metavar="LABEL", help="jpeg: its ladder; jpeg:q75: that one point.")
]
CodecFiles = Annotated[
    list[Path] | None,
    typer.Option("--codec-file", metavar="FILE.toml", help="A codec described in a file, beside those there are."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where kodak/ and clic/ lie. Default: $CODECSHIFT_DATA, else the user's cache."),
]
Download = Annotated[
    bool | None,
    typer.Option("--download/--no-download", help="Fetch missing images. Default: only into the user's cache."),
]
Jobs = Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes. Default: one a core.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try rows again that failed or were skipped.")]
TimeLimit = Annotated[float, typer.Option(metavar="SECONDS", min=1, help="What one image may take in one codec point.")]
DeviceName = Annotated[
    str, typer.Option(metavar="cpu|cuda|auto", help="Where neural codecs compute; auto: on CUDA if there is any.")
]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A run file.")]


@app.command("run")
def run_(
    plan: Annotated[str, typer.Argument(metavar="[PLAN]", help="quick, kodak-c, clic-c or paper.")] = "quick",
    sets: Sets = None,
    corruption: Corruptions = None,
    severity: Severities = None,
    codec: Codecs = None,
    codec_file: CodecFiles = None,
    images: FirstImages = None,
    image: Images = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The run file. Default: named after the plan.")
    ] = None,
    jobs: Jobs = None,
    download: Download = None,
    retry_failed: RetryFailed = False,
    time_limit: TimeLimit = 300,
    device: DeviceName = "auto",
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="bpp=0.5, psnr=32, ms_ssim=0.97: not ladders, the points nearest to it."),
    ] = None,
    spectra: Annotated[
        bool, typer.Option("--spectra", help="Add up the power spectra of what each codec gets wrong.")
    ] = False,
    channels: Annotated[
        str | None, typer.Option(metavar="luminance|rgb", help="Of the spectra; rgb: luminance, R, G and B.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="none|hann", help="What pixels are weighed by before their spectrum is taken.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and how long it might take.")
    ] = False,
) -> None:
    """Measure codecs on clean and corrupted images, and print the leaderboard. Goes on where it was stopped."""
    from . import run as loop
    from .cell import PLANS, named
    from .device import DEVICES
    from .matching import Target

    named("device", device, DEVICES)
    chosen = named("plan", plan, PLANS).narrowed(
        sets or (), corruption or (), severity or (), codec or (), images, image or ()
    )
    targets = [Target.parse(text) for text in match or ()]
    if not spectra and (channels or window):
        _refuse("--channels and --window go with --spectra")
    settings = _spectra_settings(channels or "luminance", window or "none") if spectra else None
    job = _prepare(chosen, data_dir, download, _described(codec_file), device, settings)
    path = out or Path(_default_name("-".join(job.sets) if sets else chosen.name))
    for name, reason in job.unavailable.items():
        _say(f"left out: {name}: {reason}")
    if dry_run:
        _print_estimate(job, path, jobs or loop.cores(), retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, time_limit)
    _print_outcome(path, job)
    if tally.total and tally.failed + tally.skipped == tally.total:
        raise typer.Exit(1)


@app.command()
def rows(file: File, format: Annotated[RowsFormat, typer.Option(help="Of the output.")] = RowsFormat.csv) -> None:  # noqa: A002
    """Print every row of a run file as a table."""
    from . import store

    table = store.read(file)
    if format is RowsFormat.parquet and sys.stdout.isatty():
        _refuse("parquet is not for a terminal: codecshift rows FILE --format parquet > rows.parquet")
    try:
        if format is RowsFormat.csv:
            table.to_csv(sys.stdout, index=False)
        elif format is RowsFormat.json:
            table.to_json(sys.stdout, orient="records", lines=True, double_precision=15)
        else:
            # pandas takes a buffered stdout for a file of its name, and would write to `<stdout>` in this folder.
            sys.stdout.buffer.write(table.to_parquet(None, index=False))
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        _drop_stdout()


@app.command()
def leaderboard(
    file: File,
    format: Annotated[TableFormat, typer.Option(help="Of the output.")] = TableFormat.text,  # noqa: A002
    anchor: Annotated[
        str | None, typer.Option(metavar="CODEC", help="Default: jpeg2000 where it has a curve, else jpeg.")
    ] = None,
    of: Annotated[str | None, typer.Option("--set", metavar="SET", help="Where the file holds several.")] = None,
    quality: Annotated[QualityName, typer.Option(help="What curves are drawn over.")] = QualityName.psnr,
    corruption: Corruptions = None,
    severity: Severities = None,
    matched: Annotated[
        bool, typer.Option("--matched", help="Not a ranking: the points that run --match found, held under corruption.")
    ] = False,
    tails: Annotated[
        bool,
        typer.Option("--tails", help="The worst cases over images x corruptions too; csv and json always have them."),
    ] = False,
    resamples: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Of the images, for the intervals. Default: 10000; 0: no intervals."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Of the resamples. Default: 24.")] = None,
) -> None:
    """Rank the codecs of a run file by their BD-rate on corrupted images."""
    from ..analysis.ranking import NotComparable
    from ..analysis.statistics import RESAMPLES, SEED
    from . import publish

    part: dict[str, Any] = {"of": of, "corruptions": corruption or (), "severities": severity or ()}
    _of_rankings(resamples, told=matched and (anchor, tails, resamples, seed) != (None, False, None, None))
    if matched:
        table = publish.matched(file, **part)
        if table.empty:
            _refuse(f"{file} holds no matched points: expected rows of codecshift run --match")
        _print_matched_as(table, format, file)
        return
    try:
        drawn: dict[str, Any] = {
            "resamples": RESAMPLES if resamples is None else resamples,
            "seed": SEED if seed is None else seed,
        }
        board = publish.leaderboard(file, anchor=anchor, quality=quality.value, **drawn, **part)
    except NotComparable:
        # A file of matched points alone has no curves, and is not to be refused for that.
        table = publish.matched(file, **part)
        if format is not TableFormat.text or anchor is not None or table["set"].nunique() != 1:
            raise
        _print_matched(table, file)
        return
    if format is TableFormat.text and all(entry.rank is None for entry in board.entries):
        table = publish.matched(file, **part)
        if not table.empty:
            _print_matched(table, file)
            return
    if format is TableFormat.text:
        _print_board(board, file)
        if tails:
            _print_tails(board)
    elif format is TableFormat.csv:
        typer.echo(publish.as_csv(board), nl=False)
    elif format is TableFormat.json:
        typer.echo(publish.as_json(board, publish.facts_behind(file, board)), nl=False)
    else:
        typer.echo(publish.as_markdown(board, publish.facts_behind(file, board)), nl=False)
        if tails:
            typer.echo("\n" + publish.tails_as_markdown(board), nl=False)


def _of_rankings(resamples: int | None, *, told: bool) -> None:
    """Refuse resamples too few for intervals, and what is told of a ranking where none is asked for."""
    if told:
        _refuse("--anchor, --tails, --resamples and --seed are of rankings: leave them out with --matched")
    if resamples is not None and 0 < resamples < _FEWEST_RESAMPLES:
        _refuse(f"expected 0 resamples, no intervals, or at least {_FEWEST_RESAMPLES}, got {resamples}")


@app.command()
def export(file: File, folder: Annotated[Path, typer.Argument(metavar="DIR", help="e.g. results.")]) -> None:
    """Write the published tables: DIR/v1/<set>/<codec>.csv, DIR/v1/codecs.csv and DIR/v1/runs/<run>.json."""
    from . import publish

    for path in publish.export(file, folder):
        typer.echo(path)


@app.command()
def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Run files.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The run file to write.")],
) -> None:
    """Put the rows of several run files into a new one."""
    from . import store

    count, repeated = store.merge(files, out)
    _say(f"{count} rows -> {out}" + (f" ({repeated} were in several files)" if repeated else ""))


@app.command()
def figures(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A run file.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: figures.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This figure instead of all.")] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the figures, with FILE what each of them lacks, and draw none.")
    ] = False,
    format: Annotated[  # noqa: A002
        list[FigureFormat] | None, typer.Option(help="Of the files. Default: png and pdf.")
    ] = None,
    data_dir: DataDir = None,
    codec: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Where a checkpoint of the rows lies: ARCH@FILE.")
    ] = None,
    codec_file: CodecFiles = None,
) -> None:
    """Draw the figures of a run file, each with a caption of what went into it, and say what the others lack."""
    from ..codecs.registry import find
    from . import drawing

    images, _ = _data_folder(data_dir, None)
    if list_:
        if file:
            _print_states(drawing.listing(file, images, only or ()))
        else:
            _print_kinds(drawing.kinds(only or ()))
        return
    if file is None:
        _refuse("expected a run file: codecshift figures FILE, or --list for what there is to draw")
    formats = [one.value for one in format or (FigureFormat.png, FigureFormat.pdf)]
    extra = (*_described(codec_file), *(find(label)[0] for label in codec or ()))
    for path in drawing.figures(file, out or Path("figures"), only or (), formats, images, extra=extra, report=_say):
        typer.echo(path)


@app.command()
def claims(
    file: File,
    format: Annotated[ClaimsFormat, typer.Option(help="Of the output.")] = ClaimsFormat.text,  # noqa: A002
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This claim, e.g. H9, instead of all.")] = None,
) -> None:
    """Hold the paper's claims against a run file: supported, refuted or undecided, with effects and intervals."""
    from . import verdicts

    found = verdicts.verdicts(file, only or ())
    if format is ClaimsFormat.json:
        typer.echo(verdicts.as_json(found), nl=False)
    elif format is ClaimsFormat.markdown:
        typer.echo(verdicts.as_markdown(found), nl=False)
    else:
        typer.echo(verdicts.as_text(found, WIDTH), nl=False)


@app.command("spectra")
def spectra_(
    file: File,
    format: Annotated[  # noqa: A002
        TextFormat, typer.Option(help="Of the output; json: with radial profiles.")
    ] = TextFormat.text,
    of: Annotated[str | None, typer.Option("--set", metavar="SET", help="Where the file holds several.")] = None,
    codec: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="jpeg, or one point: jpeg:q75.")] = None,
    corruption: Corruptions = None,
    severity: Severities = None,
) -> None:
    """Say where in the spectrum each codec's error lies, of a file that codecshift run --spectra made."""
    from . import spectra

    found = spectra.table(file, of=of, codecs=codec or (), corruptions=corruption or (), severities=severity or ())
    if format is TextFormat.csv:
        found.drop(columns="power").to_csv(sys.stdout, index=False)
    elif format is TextFormat.json:
        typer.echo(spectra.as_json(found, spectra.settings(file)), nl=False)
    else:
        for name, part in found.groupby("set", sort=True):
            typer.echo(spectra.title(str(name), part, spectra.settings(file)))
            headings, lines = spectra.lines(part)
            _print_table(headings, lines, ["left"] * 3 + ["right"] * 7)
        for line in spectra.notes(WIDTH):
            typer.echo(line)


@app.command()
def heatmap(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A run file to show and not to add to.", show_default=False)
    ] = None,
    sets: Sets = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="jpeg:q75, or jpeg: its point nearest to --match. Default: jpeg, jpeg2000."),
    ] = None,
    codec_file: CodecFiles = None,
    rms: Annotated[
        list[float] | None,
        typer.Option(metavar="R", help="Strength of the waves: 1, 2, 4, 8 (default) or 16 grey levels."),
    ] = None,
    band: Annotated[
        str | None,
        typer.Option(metavar="full|low", help="All frequencies (default), or the lowest in cycles per image."),
    ] = None,
    of: Annotated[
        int | None,
        typer.Option(metavar="N", help="full: in steps of 1/N cycle per pixel (32); low: the lowest N x N (64)."),
    ] = None,
    images: FirstImages = None,
    image: Images = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="Where codecs named without a point are held. Default: bpp=0.5."),
    ] = None,
    format: Annotated[TextFormat, typer.Option(help="Of the output.")] = TextFormat.text,  # noqa: A002
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw them there too, as PNG and PDF with a caption.")
    ] = None,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The run file. Default: heatmap-<set>.sqlite.")
    ] = None,
    jobs: Jobs = None,
    download: Download = None,
    retry_failed: RetryFailed = False,
    time_limit: TimeLimit = 300,
    device: DeviceName = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run, and how long it might take.")
    ] = False,
) -> None:
    """Show what a wave of each frequency does to codecs: measure what is not measured yet, or read a run file."""
    from . import heatmap as maps
    from .run import cores

    strengths = [maps.severity(one) for one in rms or ()]
    chosen = maps.band(band or "full", of)
    shown = chosen.window(chosen.of)
    if file is not None:
        names = ("--codec-file", "--images", "--image", "--match", "--out", "--data-dir", "--jobs", "--dry-run")
        values = (codec_file, images, image, match, out, data_dir, jobs, dry_run)
        for option, value in zip((*names, "--retry-failed"), (*values, retry_failed), strict=True):
            if value:
                _refuse(f"{file} is only read: {option} is for measuring, codecshift heatmap --out {file}")
        asked = shown if band or of else None
        _print_heatmaps(
            maps.read(file, images=dict.fromkeys(sets or ()), codecs=codec or (), severities=strengths, shown=asked),
            format,
            figures,
        )
        return
    plan = maps.plan(chosen, strengths or [maps.severity(8)])
    plan = plan.narrowed(sets or (), codecs=codec or (), first=images, images=image or ())
    job = _prepare(plan, data_dir, download, _described(codec_file), device)
    targets = maps.targets(job, match)
    path = out or Path(_default_name("-".join(["heatmap", *job.sets])))
    for codec_name, reason in job.unavailable.items():
        _say(f"left out: {codec_name}: {reason}")
    if dry_run:
        _print_estimate(job, path, jobs or cores(), retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, time_limit)
    ids = {of.name: [source.id for source in of.sources] for of in job.sets.values()}
    labels = [f"{codec}:{point.name}" for codec, point in job.points]
    _print_heatmaps(
        maps.read(path, images=ids, codecs=labels, severities=plan.severities, shown=shown), format, figures
    )
    if tally.total and tally.failed + tally.skipped == tally.total:
        raise typer.Exit(1)


@app.command()
def generate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SET-c",
            help="kodak-c, clic2020-test-c (or clic-c), sample-c; folder:PATH and folder:PATH@crop512x768 as they are.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to write to, or to go on with.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A corruption, or a band (low, medium, high). Default: the fifteen."),
    ] = None,
    severity: Annotated[list[int] | None, typer.Option(metavar="N", help="1 to 5. Default: all.")] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes. Default: one a core.")] = None,
    data_dir: DataDir = None,
    download: Download = None,
    preview: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw one image under them all; alone, or beside --out.")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="ID", help="The preview's image. Default: the first.")] = None,
) -> None:
    """Write a corrupted set to DIR/<corruption>/<severity>/<image>.png, with a manifest. Goes on where it stopped."""
    from . import generate as generating

    if out is None and preview is None:
        _refuse("expected --out DIR for the files, or --preview FILE.png for one picture of them")
    if preview is not None and preview.suffix.lower() != ".png":
        _refuse(f"expected --preview FILE.png, got {preview}")
    if preview is not None and not preview.parent.is_dir():
        _refuse(f"there is no folder {preview.parent} to write {preview.name} in")
    if image is not None and preview is None:
        _refuse("--image chooses what --preview shows: give that too")
    folder, fetch = _data_folder(data_dir, download)
    with _Progress("download") as progress:
        order = generating.order(name, folder, corruption or (), severity or (), download=fetch, progress=progress.task)
    if preview is not None:
        from .preview import preview as draw

        with _Progress("cells") as progress:
            draw(order, preview, image or "", lambda done, total: progress.task("drawing", done, total))
        typer.echo(preview)
    if out is None:
        return
    try:
        with _Progress("files") as progress:
            made = generating.generate(
                order, out, jobs=jobs, report=lambda done, total: progress.task("generating", done, total)
            )
    except KeyboardInterrupt:
        _say(f"\nstopped: every file written so far is in {out}; the same command goes on from there")
        raise typer.Exit(130) from None
    _say(
        f"{made.total} files, {made.nbytes / 1e6:.1f} MB, {made.kept} of them there before, in "
        f"{_duration(made.wall_s)} -> {out}"
    )
    if made.wall_s > 30:
        _say(f"the workers' time: {_duration(made.corrupting_s)} corrupting, {_duration(made.writing_s)} writing PNG")


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What codecshift generate wrote.")],
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes. Default: one a core.")] = None,
) -> None:
    """Hash every file of a corrupted set again, and name those that are not as its manifest says."""
    from collections import Counter

    from . import generate as generating

    with _Progress("files") as progress:
        total, findings = generating.verify(
            folder, jobs=jobs, report=lambda done, total: progress.task("verifying", done, total)
        )
    for one in findings:
        typer.echo(f"{one.kind:<12}{one.file}" + (f"  {one.about}" if one.about else ""))
    counts = Counter(one.kind for one in findings)
    wrong = {kind: count for kind, count in counts.items() if kind != "bytes"}
    same = total - sum(counts[kind] for kind in ("missing", "unreadable", "pixels"))
    typer.echo(
        f"{same} of {total} files hold the right pixels"
        + (f", {counts['bytes']} of them in other bytes" if counts["bytes"] else "")
        + "".join(f", {count} {'have other pixels' if kind == 'pixels' else kind}" for kind, count in wrong.items())
    )
    if wrong:
        raise typer.Exit(1)


@app.command()
def codecs(
    format: Annotated[TableFormat, typer.Option(help="Of the output.")] = TableFormat.text,  # noqa: A002
    codec_file: CodecFiles = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="What trying one codec on an 8x8 image may take.")
    ] = 30,
) -> None:
    """List the codecs: what each is set to, its ladder, and whether it works here. The fairness table."""
    from ..codecs.registry import catalogue
    from . import fairness

    known = catalogue()
    specs = (*known.specs.values(), *_described(codec_file))
    with _Progress("codecs") as progress:
        entries = list(fairness.entries(specs, time_limit, lambda done, total: progress.task("trying", done, total)))
    if format is TableFormat.text:
        _print_codecs(entries)
    elif format is TableFormat.json:
        typer.echo(fairness.as_json(entries, known.faults), nl=False)
    elif format is TableFormat.markdown:
        typer.echo(fairness.as_markdown(entries), nl=False)
    else:
        lines = [fairness.facts(entry) for entry in entries]
        typer.echo(fairness.as_csv(lines, ["codec", "ladder", *fairness.COLUMNS, "fault"]), nl=False)
    for name, fault in known.faults.items():
        typer.echo(f"fault: {name}: {fault}", err=format is not TableFormat.text)


@app.command("sets")
def sets_() -> None:
    """List the image sets and where they come from."""
    from ..corruptions.sets import KNOWN

    lines = [[one.name, str(one.images or "any"), one.about, one.terms, one.url] for one in KNOWN.values()]
    _print_table(["set", "images", "what", "terms", "source"], lines)


@app.command("corruptions")
def corruptions_(
    severity: Annotated[int, typer.Option(metavar="N", help="The severity whose spectrum is shown, 1 to 5.")] = 3,
    measure: Annotated[str | None, typer.Option(metavar="SET", help="Measure the bands anew, on this set.")] = None,
    corruption: Corruptions = None,
    data_dir: DataDir = None,
    download: Download = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to keep what --measure finds.")] = None,
) -> None:
    """List the corruptions: levels, the band by the paper, and the band measured on real images."""
    from ..corruptions.corruption import SEVERITIES
    from ..corruptions.sets import open_set
    from ..corruptions.table import CORRUPTIONS
    from . import bands
    from .cell import CLEAN, corruptions_named

    asked = [name for text in corruption or CORRUPTIONS for name in corruptions_named(text)]
    names = list(dict.fromkeys(asked))
    if severity not in SEVERITIES or CLEAN in names:
        _refuse(
            f"{CLEAN} leaves images as they are: expected a corruption"
            if CLEAN in names
            else f"expected a severity from 1 to 5, got {severity}"
        )
    if measure is None:
        if any(option is not None for option in (out, data_dir, download)):
            _refuse("--out, --data-dir and --download go with --measure SET")
        _print_bands(bands.read(), names, severity)
        return
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        _refuse(f"{out} cannot be written: expected the path of a file in a folder that is there")
    folder, fetch = _data_folder(data_dir, download)
    with _Progress("corrupted images") as progress:
        images = open_set(measure, folder, download=fetch, progress=progress.task)
        measurement = bands.measure(images, names, progress=progress.task)
    if out is not None:
        bands.write(measurement, out)
        _say(f"{len(measurement.rows)} rows -> {out}")
    _print_bands(measurement, names, severity)


@app.command("plans")
def plans_() -> None:
    """List the plans that `codecshift run` knows by name."""
    from .cell import PLANS

    lines = [
        [one.name, one.about, " ".join(one.sets), " ".join(map(str, one.severities)), " ".join(one.codecs)]
        for one in PLANS.values()
    ]
    _print_table(["plan", "what", "sets", "severities", "codecs"], lines)


@app.command()
def check(
    label: Annotated[str, typer.Argument(metavar="LABEL", help="A codec, or one point of it: jpeg, jpeg:q75.")],
    codec_file: CodecFiles = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="What one law may take at one point.")
    ] = 60,
) -> None:
    """Hold a codec to the laws every codec obeys, and show the smallest counterexamples where it breaks one."""
    from ..codecs.registry import catalogue, find, identify
    from .checking import check

    spec, points = find(label, _described(codec_file))
    for name, fault in catalogue().faults.items():
        _say(f"fault: {name}: {fault}")
    identify(spec)
    with _Progress("checks") as progress:
        verdicts = list(check(spec, points, time_limit, lambda done, total: progress.task("checking", done, total)))
    _print_verdicts(spec.name, verdicts)
    if any(verdict.fault for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
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
    from ..codecs.neural import recipe as recipes

    if list_:
        found = [recipes.find(name) for name in recipes.names()]
        lines = [[one.name, one.architecture, f"{one.N}/{one.M}", f"{one.steps}", one.about] for one in found]
        _print_table(["recipe", "architecture", "N/M", "steps", "what"], lines)
        return
    if recipe is None or data is None or out is None:
        _refuse("expected codecshift train RECIPE --data DIR --out DIR; --list names the recipes")
    asked = {}
    for text in settings or ():
        key, equals, value = text.partition("=")
        if not equals:
            _refuse(f"expected --set KEY=VALUE, got {text!r}")
        asked[key.strip()] = value.strip()
    chosen = recipes.changed(recipes.find(recipe), asked | ({} if steps is None else {"steps": str(steps)}))
    _train(chosen, data, valid, out, start, device, jobs)


@app.command()
def pack(
    trainings: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="What codecshift train wrote, to its end."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to; its name is the codec's.")],
    valid: Annotated[Path, typer.Option(metavar="DIR", help="Photographs to compare precisions on.")],
) -> None:
    """Pack a training for others: its best checkpoints in half precision, recipe, logs and a model card."""
    from ..codecs.neural.recipe import TrainingError

    try:
        from ..codecs.neural import pack as packing
    except ImportError as error:
        _refuse(f"packing needs torch and CompressAI, but {error}: pip install 'codecshift[neural]'")
    try:
        packed = packing.pack(trainings, out, valid, _say)
    except TrainingError as error:
        _refuse(str(error))
    scores = [[f"{score.bpp_real:.4f} bpp {score.psnr:.3f} dB" for score in (one.before, one.after)] for one in packed]
    lines = [
        [one.file, f"{one.after.lam:g}", one.steps, *pair, "float16" if one.half else "float32"]
        for one, pair in zip(packed, scores, strict=True)
    ]
    _print_table(["file", "lambda", "steps", "as trained", "in half precision", "kept as"], lines)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What CompressAI's training wrote, or weights alone.")],
    architecture: Annotated[str, typer.Option(metavar="ARCH", help="The model, by CompressAI's name: mbt2018-mean.")],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", help="The checkpoint to write.")],
    lam: Annotated[
        float | None, typer.Option("--lambda", metavar="X", help="Of its loss. Not of models for all rates.")
    ] = None,
    metric: Annotated[str, typer.Option(metavar="mse|ms-ssim", help="What it was trained for.")] = "mse",
) -> None:
    """Make a checkpoint of CompressAI's into one that can be measured: ARCH@FILE.safetensors is then a codec."""
    try:
        from ..codecs.neural import convert as converting
    except ImportError as error:
        _refuse(f"this needs torch and CompressAI, but {error}: pip install 'codecshift[neural]'")
    from ..codecs.neural.metadata import BadCheckpoint

    try:
        made = converting.convert(file, architecture, lam, out, metric)
    except BadCheckpoint as error:
        _refuse(str(error))
    size = ", ".join(f"{key}={value}" for key, value in made.config.items())
    _say(f"{architecture} of {size}: codecshift check {architecture}@{out}")
    typer.echo(out)


@app.command()
def doctor(
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="What trying one codec on an 8x8 image may take.")
    ] = 30,
) -> None:
    """Say what this machine has: versions, codecs, image sets, space."""
    from .doctor import findings

    worst = 0
    for sound, topic, what in findings(time_limit):
        typer.echo(f"{'ok' if sound else '!!':<4}{topic:<20} {what}")
        worst += not sound
    typer.echo(f"{worst} of these need attention" if worst else "all is well")


def _train(
    recipe: Recipe, data: Path, valid: Path | None, out: Path, start: Path | None, device: str, jobs: int | None
) -> None:
    try:
        import torch

        from ..codecs.neural import train as training
    except ImportError as error:
        _refuse(f"training needs torch and CompressAI, but {error}: pip install 'codecshift[neural]'")
    from ..codecs.neural.recipe import Diverged

    if jobs is not None:
        torch.set_num_threads(jobs)
    try:
        with _Progress("images") as progress:
            job = training.order(recipe, data, out, valid=valid, start=start, device=device, reading=progress.task)
        _say(f"{recipe.name}: {recipe.architecture}, {len(job.data)} images, on {job.device} -> {out}")
        with _Progress("steps") as progress:
            outcome = training.train(job, progress.training)
    except Diverged as sentence:
        _say(f"codecshift: {sentence}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        _say(f"\nstopped: what was learnt is kept in {out}; the same command goes on from there")
        raise typer.Exit(130) from None
    new = outcome.steps - outcome.before
    if new:
        begun = f", after {outcome.before} before" if outcome.before else ""
        _say(f"{new} steps in {_duration(outcome.wall_s)}{begun}: {out / 'log.csv'}, {out / 'loss.png'}")
    else:
        _say(f"nothing to do: all {outcome.steps} steps are done")
    for path in outcome.files:
        typer.echo(path)


def main() -> None:
    """Run the command line: a fault of the user's is one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _interrupted)
    _speak_utf8()
    try:
        try:
            app()
        finally:
            _flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        _refuse(f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error))
    except ImportError as error:
        sentence = _unloadable(error)
        if not sentence:
            raise
        _refuse(sentence)
    except Exception as error:
        if not _foreseen(error):
            raise
        _refuse(str(error))


def _speak_utf8() -> None:
    """Write UTF-8 to files and pipes whatever the locale: what reads them expects it, and a C locale has no ±."""
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):  # it is None where whoever started this closed it
            if stream.isatty():
                stream.reconfigure(errors="replace")  # a terminal has its own encoding
            else:
                stream.reconfigure(encoding="utf-8", errors=errors)


def _flush() -> None:
    """Write out what was printed, so that a full disk is told as any other fault, and not by Python on its way out."""
    if sys.stdout is None:  # closed by whoever started this
        return
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()
        raise


def _drop_stdout() -> None:
    """Have what could not be written go nowhere: it is still buffered, and would be tried again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


FORESEEN = (
    *("analysis.figures.NothingToDraw", "analysis.heatmap.NoHeatmap", "analysis.ranking.NotComparable"),
    *("codecs.described.BadDescription", "codecs.neural.recipe.TrainingError", "codecs.protocol.CodecUnavailable"),
    *(
        "codecs.registry.UnknownCodec",
        "corruptions.download.DownloadError",
        "corruptions.sets.generated.GeneratedError",
    ),
    *("corruptions.pixels.UnreadableImage", "corruptions.sets.SetError", "corruptions.sets.UnknownSet"),
    *("benchmark.bands.MeasurementError", "benchmark.cell.UnknownName", "benchmark.matching.WrongTarget"),
    "benchmark.store.RunFileError",
)
"""The errors whose message is meant for the user."""


def _foreseen(error: Exception) -> bool:
    """Say whether the message of an error is meant for the user.

    Nothing is imported for that: what was raised has been, and what is broken may not be importable.
    """
    root = __package__.rpartition(".")[0]
    for name in FORESEEN:
        module, _, kind = name.rpartition(".")
        loaded = sys.modules.get(f"{root}.{module}")
        if loaded is not None and isinstance(error, getattr(loaded, kind)):
            return True
    return False


def _unloadable(error: ImportError) -> str:
    """Return what to do about a library that this system or this Python lacks; "" where the fault is our own."""
    while isinstance(error.__cause__, ImportError):  # packages raise one of their own, which hides what is lacking
        error = error.__cause__
    name = (error.name or "").partition(".")[0]
    lacking = re.match(r"(lib\S+): cannot open shared object file", str(error))
    if lacking and lacking[1].startswith(("libGL", "libgthread", "libglib", "libSM", "libX")):
        return (
            f"OpenCV needs {lacking[1]}, which this system lacks: another build of OpenCV was installed over the one "
            "without a desktop: pip uninstall opencv-python opencv-contrib-python, then pip install --force-reinstall "
            "--no-deps opencv-python-headless"
        )
    if lacking:
        return f"this system lacks {lacking[1]}, which {name or 'a library'} needs: install the package it comes in"
    if name.removeprefix("_") in sys.stdlib_module_names or name in sys.stdlib_module_names:
        module = name.removeprefix("_")
        return (
            f"this Python ({sys.executable}) was built without its module {module}: use another Python, or install the "
            f"headers of {_HEADERS.get(module, module)} and build it again"
        )
    if not name or name == "codecshift":
        return ""
    return f"{name} cannot be loaded ({error}): install codecshift again, pip install -c constraints.txt ."


_HEADERS = {"sqlite3": "SQLite", "lzma": "liblzma", "bz2": "bzip2", "ctypes": "libffi", "ssl": "OpenSSL"}
"""What the modules of the standard library that a build of Python may lack are made from."""


def _refuse(sentence: str) -> NoReturn:
    _say(f"codecshift: {sentence}")
    raise SystemExit(2)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _default_name(text: str) -> str:
    from .publish import file_name

    return f"{file_name(text)}.sqlite"


def _data_folder(data_dir: Path | None, download: bool | None) -> tuple[Path, bool]:
    """Return where sets lie, and whether what is missing may be fetched: unasked, only into the user's cache."""
    from ..corruptions.sets import SetError, default_data_dir

    chosen = data_dir is not None or "CODECSHIFT_DATA" in os.environ
    folder = data_dir or default_data_dir()
    if chosen and not folder.is_dir():
        raise SetError(f"no folder {folder}, which --data-dir or CODECSHIFT_DATA names")
    return folder, not chosen if download is None else download


def _described(files: Sequence[Path] | None) -> tuple[Spec, ...]:
    """Return the codecs that files describe: a name that is taken is the user's mistake."""
    from ..codecs.described import BadDescription, describe
    from ..codecs.registry import catalogue

    specs: dict[str, Spec] = {}
    for path in files or ():
        spec = describe(path)
        if spec.name in specs or spec.name in catalogue().specs:
            raise BadDescription(f"{path}: there is a codec {spec.name!r} already: give it another name")
        specs[spec.name] = spec
    return tuple(specs.values())


def _spectra_settings(channels: str, window: str) -> Settings:
    from ..analysis.spectrum import EVERY_CHANNEL, LUMINANCE, WINDOWS, Settings
    from .cell import named

    of = named("channels", channels, {"luminance": LUMINANCE, "rgb": EVERY_CHANNEL})
    named("window", window, dict.fromkeys(WINDOWS))
    return Settings(of, window)


def _prepare(
    plan: Any,
    data_dir: Path | None,
    download: bool | None,
    extra: Sequence[Spec],
    device: str,
    spectra: Settings | None = None,
) -> Job:
    from .run import prepare

    folder, fetch = _data_folder(data_dir, download)
    with _Progress("download") as progress:
        return prepare(
            plan, folder, download=fetch, progress=progress.task, extra=extra, device=device, spectra=spectra
        )


def _measure(
    job: Job,
    targets: Sequence[Target],
    path: Path,
    jobs: int | None,
    retry_failed: bool,
    time_limit: float,
) -> tuple[Job, Tally]:
    """Measure what a run file lacks of a job and say how it went; return the job, its points matched, and the tally."""
    from . import run as loop

    if job.device:
        _say(f"neural codecs on {job.device.name}, up to {job.device.batch} images together")
    try:
        if targets:
            job = _match(job, targets, path, jobs, retry_failed, time_limit)
        with _Progress("rows") as progress:
            tally = loop.run(
                job,
                path,
                jobs=jobs,
                retry_failed=retry_failed,
                time_limit=time_limit,
                report=lambda tally: progress.rows(tally.done, tally.total, tally.failed + tally.skipped),
            )
    except KeyboardInterrupt:
        _say(f"\nstopped: everything measured so far is in {path}; the same command goes on from there")
        raise typer.Exit(130) from None
    if tally.total:
        workers = jobs or loop.cores()
        _say(
            f"{tally.done} rows in {_duration(tally.wall_s)} with {workers} jobs, {tally.failed} failed, "
            f"{tally.skipped} skipped -> {path}"
        )
        if tally.wall_s > 30:  # in shorter runs the start of the workers hides the rest
            _say(f"{tally.overhead(workers):.2f} x the time inside encode, decode and measures")
    else:
        _say(f"nothing to do: all {job.rows()} rows are in {path}")
    reasons = tally.reasons if tally.total else _faults(path, job)
    for reason, times in reasons.most_common(5):
        _say(f"  {times} x {reason}")
    return job, tally


def _faults(path: Path, job: Job) -> Counter[str]:
    """Return why rows of a job's codecs and sets failed or were skipped in a run file, as a run counts it."""
    from .store import faults

    table = faults(path)
    table = table[table["codec"].isin(list(job.specs)) & table["set"].isin(list(job.sets))]
    return Counter(f"{codec}: {message}" for codec, message in zip(table["codec"], table["message"], strict=True))


def _match(
    job: Job, targets: Sequence[Target], path: Path, jobs: int | None, retry_failed: bool, time_limit: float
) -> Job:
    """Return the job with matched points in place of ladders, and say what was found; end here where nothing was."""
    from . import matching

    with _Progress("rows") as progress:
        found = matching.match(
            job,
            targets,
            path,
            jobs=jobs,
            retry_failed=retry_failed,
            time_limit=time_limit,
            report=lambda tally, open_: progress.matching(tally.done, tally.total, list(map(str, open_))),
        )
    _say_matches(found, path)
    if not found.job.points:
        raise typer.Exit(1)
    return found.job


def _say_matches(found: Matching, path: Path) -> None:
    """Say what points a search found, what they achieve, and where they miss the target."""
    tally = found.tally
    of = next(iter(found.job.sets))
    _say(
        f"matched on clean images of {of}: {tally.done} rows in {_duration(tally.wall_s)} -> {path}"
        if tally.total
        else f"matched on clean images of {of}: all rows of the search are in {path}"
    )
    lines = []
    for one in found.matches:
        means = one.achieved
        figures = ((means.bpp, 3), (means.psnr, 2), (means.ms_ssim, 4))
        shown = [f"{value:.{digits}f}" if one.point and value == value else "-" for value, digits in figures]  # noqa: PLR0124 - NaN
        point = one.point.name if one.point else "-"
        off = one.off if one.point else "-"
        lines.append([str(one.target), one.codec, point, *shown, off, str(means.images), str(one.looks)])
    headings = ["target", "codec", "point", "bpp", "PSNR dB", "MS-SSIM", "off", "n", "points looked at"]
    _print_table(headings, lines, ["left"] * 3 + ["right"] * 6, err=True)
    for one in found.matches:
        if one.point is None:
            _say(f"left out: {one.codec}: {one.target} could not be matched: {one.reason}")
        elif one.reason:
            _say(f"{one.codec}:{one.point.name} is {one.off} off {one.target}: {one.reason}")
    for name, spec in found.job.specs.items():
        if spec.lossless:
            _say(f"{name} stays as it is: a lossless codec has no rate or quality to choose")
    for reason, times in tally.reasons.most_common(5):
        _say(f"  {times} x {reason}")


def _print_estimate(job: Job, path: Path, jobs: int, retry_failed: bool, targets: Sequence[Target]) -> None:
    from .matching import LOOKS_EXPECTED, foresee
    from .run import estimate

    _say("trying one image of each set through every codec and point")
    foreseen = foresee(job, targets, path, retry_failed=retry_failed) if targets else None
    job = foreseen.job if foreseen else job
    guess = estimate(job, path, jobs, retry_failed=retry_failed)
    if foreseen and foreseen.pending:
        rows = foreseen.rows
        time = f", about {_duration(guess.seconds * rows / guess.rows)}" if guess.rows else ""
        typer.echo(f"search  {', '.join(map(str, foreseen.pending))}")
        typer.echo(f"        comes first: about {rows} rows, {LOOKS_EXPECTED} points a search{time}")
        typer.echo("        what follows is of the middle of each ladder in place of the point to be found")
    typer.echo(f"plan    {job.plan.name}: {', '.join(job.sets)}; {len(job.plan.conditions())} conditions")
    typer.echo(f"cells   {job.cells()}")
    typer.echo(f"rows    {job.rows()}, of which {job.rows() - guess.rows} are in {path}")
    if job.device:
        typer.echo(f"device  {job.device.name}, up to {job.device.batch} images together")
    typer.echo(f"time    about {_duration(guess.seconds)} with {jobs} jobs on this machine")
    typer.echo(f"disk    about {guess.nbytes / 1e6:.1f} MB")


def _print_codecs(entries: Sequence[Entry]) -> None:
    """Print the fairness table as two, each of which fits: what can be told in a word, and what cannot."""
    from .fairness import found, ladder, started

    lines = [
        [
            *(one.spec.name, ladder(one.spec), one.spec.chroma, f"{one.spec.bit_depth} bit", one.spec.colour),
            *(one.spec.effort, str(one.spec.threads), started(one.spec)),
            "-" if one.header_bytes is None else str(one.header_bytes),
        ]
        for one in entries
    ]
    headings = ["codec", "ladder", "chroma", "depth", "colour", "effort", "threads", "process start", "header"]
    _print_table(headings, lines, ["left"] * 6 + ["right", "left", "right"])
    typer.echo("header: bytes of an 8x8 black image. process start: whether encode_s and decode_s include one.")
    _print_table(["codec", "settings", "library"], [[one.spec.name, one.spec.settings, found(one)] for one in entries])


def _print_kinds(kinds: Sequence[Kind]) -> None:
    """Print kinds of figures with what they need."""
    lines = [[kind.name, kind.about, "; ".join(need.about for need in kind.needs)] for kind in kinds]
    _print_table(["figure", "what", "needs"], lines)


def _print_states(states: Sequence[State]) -> None:
    """Print how kinds of figures stand with a run file."""
    several = len({state.set for state in states}) > 1
    for state in states:
        where = f" ({state.set})" if several else ""
        typer.echo(f"{state.kind.name}{where}: {state.missing or 'can be drawn'}")


def _print_verdicts(codec: str, verdicts: Sequence[Verdict]) -> None:
    """Print what came of each law, with up to three counterexamples."""
    from ..codecs.contract import STATEMENTS

    for law, statement in STATEMENTS.items():
        own = [verdict for verdict in verdicts if verdict.law == law]
        if not own:
            continue
        faults = [verdict for verdict in own if verdict.fault]
        word = "BROKEN" if faults else "passed" if all(verdict.tried for verdict in own) else "untried"
        typer.echo(f"{word:<8}{law}: {statement}")
        for verdict in faults[:3]:
            typer.echo(f"        at {verdict.point}: {verdict.fault}")
    passed = sum(verdict.tried and not verdict.fault for verdict in verdicts)
    untried = sum(not verdict.tried for verdict in verdicts)
    typer.echo(
        f"{codec}: {passed} of {len(verdicts)} checks passed"
        + (f", {untried} not tried: its process died or hung three times in a row" if untried else "")
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _print_bands(measurement: Measurement, names: Sequence[str], severity: int) -> None:
    """Print the corruptions with what was measured of them, and how that sits with the paper's bands."""
    from ..corruptions.table import find
    from .bands import notes

    measured = measurement.at(severity)
    lines = []
    for name in names:
        one, row = find(name), measured.get(name)
        figures = ["-"] * 6
        if row is not None and row.band:
            mark = "*" if one.band not in {row.band, "extra"} else " "
            shares = (row.share_dc, row.share_low, row.share_medium, row.share_high)
            figures = [f"{row.band}{mark}", f"{row.centroid:.3f}", *(f"{100 * share:.1f}" for share in shares)]
        lines.append([name, _levels(one.levels), one.band, *figures])
    headings = ["corruption", "levels", "paper", "measured", "centroid", "dc %", "low %", "medium %", "high %"]
    _print_table(headings, lines, ["left"] * 4 + ["right"] * 5)
    for line in notes(measurement, names, severity):
        typer.echo(line)


def _levels(levels: Sequence[Any]) -> str:
    """Return the levels of a corruption in few columns: all five, or the first and the last."""
    from dataclasses import is_dataclass

    def text(level: Any) -> str:
        if isinstance(level, tuple):
            return "/".join(f"{one:g}" for one in level) if len(level) < 4 else f"{level[0]:g}-{level[-1]:g}"
        return f"{level:g}"

    if is_dataclass(levels[0]):
        return f"{len(levels[0].__dataclass_fields__)} numbers each"
    every = " ".join(map(text, levels))
    return every if len(every) <= 24 else f"{text(levels[0])} .. {text(levels[-1])}"


def _print_outcome(path: Path, job: Job) -> None:
    """Print the leaderboard of each set of a job, or its matched points, or with too few for either a line per cell."""
    from ..analysis.ranking import NotComparable
    from . import publish, store
    from .provenance import MATCHED

    record: Any = job.provenance.get(MATCHED)
    if record:
        table = publish.matched(path)
        targets = {one["target"] for one in record["points"]}
        _print_matched(table[table["set"].isin(job.sets) & table["target"].isin(targets)], path)
        return
    for name in job.sets:
        try:
            board = publish.leaderboard(path, of=name)
        except NotComparable as reason:
            _say(f"no leaderboard of {name}: {reason}")
            table = store.read(path)
            _print_points(publish.points(table[table["set"] == name]))
        else:
            _print_board(board, path)


def _print_heatmaps(heatmaps: Sequence[Heatmap], form: TextFormat, folder: Path | None) -> None:
    import textwrap

    from . import heatmap as maps

    if form is TextFormat.csv:
        maps.table(heatmaps).to_csv(sys.stdout, index=False)
    elif form is TextFormat.json:
        maps.table(heatmaps).to_json(sys.stdout, orient="records", lines=True, double_precision=15)
    else:
        for heading, some in maps.grouped(heatmaps):
            typer.echo(heading)
            lines = [line for one in some for line in maps.words(one)]
            _print_table(maps.HEADINGS, lines, ["left"] * 2 + ["right"] * 8)
            for line in (piece for note in maps.notes(some) for piece in textwrap.wrap(note, WIDTH)):
                typer.echo(line)
    if folder is not None:
        for path in maps.draw(heatmaps, folder):
            _say(str(path))


def _print_points(table: pd.DataFrame) -> None:
    most = 40
    lines = [
        [f"{one.corruption}@{one.severity}", f"{one.codec}:{one.point}", str(one.n), str(one.n_failed)]
        + [f"{value:.{digits}f}" if value == value else "-" for value, digits in _figures(one)]  # noqa: PLR0124 - NaN
        for one in table.head(most).itertuples()
    ]
    _print_table(["condition", "codec", "n", "failed", "bpp", "PSNR dB", "PSNR clean dB", "MS-SSIM"], lines)
    if len(table) > most:
        _say(f"... and {len(table) - most} more: codecshift rows FILE")


def _figures(one: Any) -> Iterable[tuple[float, int]]:
    return zip((one.bpp_mean, one.psnr_mean, one.psnr_clean_mean, one.ms_ssim_mean), (3, 2, 2, 4), strict=True)


def _print_board(board: Leaderboard, file: Path) -> None:
    import textwrap

    from .publish import COLUMNS, chroma_note, lines, notes, title

    typer.echo(title(board))
    _print_table(list(COLUMNS), lines(board), [column.side for column in COLUMNS.values()])
    for line in (*notes(board), *textwrap.wrap(chroma_note(file, (one.codec for one in board.entries)), WIDTH)):
        typer.echo(line)


def _print_tails(board: Leaderboard) -> None:
    import textwrap

    from .publish import TAIL_HEADINGS, TAIL_NOTES, TAIL_SIDES, tail_lines

    _print_table(TAIL_HEADINGS, tail_lines(board), TAIL_SIDES)
    for line in textwrap.wrap(TAIL_NOTES, WIDTH):
        typer.echo(line)


def _print_matched(table: pd.DataFrame, file: Path) -> None:
    import textwrap

    from .publish import MATCHED_COLUMNS, MATCHED_NOTES, chroma_note, matched_tables

    for heading, part in matched_tables(table):
        typer.echo(heading)
        lines = [[fill(one) for _, fill in MATCHED_COLUMNS.values()] for one in part.itertuples()]
        _print_table(list(MATCHED_COLUMNS), lines, [side for side, _ in MATCHED_COLUMNS.values()])
    for line in (*textwrap.wrap(MATCHED_NOTES, WIDTH), *textwrap.wrap(chroma_note(file, table["codec"]), WIDTH)):
        typer.echo(line)


def _print_matched_as(table: pd.DataFrame, form: TableFormat, file: Path) -> None:
    from .publish import matched_as_markdown

    if form is TableFormat.csv:
        table.to_csv(sys.stdout, index=False)
    elif form is TableFormat.json:
        typer.echo(table.to_json(orient="records", indent=2, double_precision=15))
    elif form is TableFormat.markdown:
        typer.echo(matched_as_markdown(table), nl=False)
    else:
        _print_matched(table, file)


def _print_table(
    headings: Sequence[str], lines: Iterable[Sequence[str]], sides: Sequence[str] = (), *, err: bool = False
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for place, heading in enumerate(headings):
        right = bool(sides) and sides[place] == "right"
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for line in _broken_at_hyphens([headings, *lines])[1:]:
        table.add_row(*line)
    console = Console(width=WIDTH, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    for row in capture.get().splitlines():
        typer.echo(row.rstrip(), err=err)


def _broken_at_hyphens(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Break the names of the widest column where a table is too wide for them: at hyphens, not anywhere."""
    columns = [list(column) for column in zip(*lines, strict=True)]
    widths = [max((len(part) for cell in column for part in cell.splitlines()), default=0) for column in columns]
    room = max(widths) - (sum(widths) + len(widths) + 1 - WIDTH)  # a space between columns, and one on each side
    names = columns[widths.index(max(widths))]
    if 12 <= room < max(widths) and not any(" " in name for name in names):
        names[:] = ["\n".join(textwrap.wrap(name, room)) for name in names]
    return [list(line) for line in zip(*columns, strict=True)]


class _Progress:
    """A progress bar with the time left on stderr; where that is no terminal, a line now and then."""

    def __init__(self, unit: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._unit = unit
        self._tasks: dict[str, Any] = {}
        self._first: dict[str, int] = {}
        self._next_line = 0.0
        amount = TextColumn("{task.percentage:>3.0f}%") if unit == "download" else MofNCompleteColumn()
        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            amount,
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def rows(self, done: int, total: int, failed: int) -> None:
        """Show how many rows are done, and how many of them failed."""
        self._show("measuring", done, total, f"{failed} failed")

    def matching(self, done: int, total: int, open_: Sequence[str]) -> None:
        """Show how many rows of those wanted so far are done, and which searches are not at their end."""
        shown = ", ".join(open_[:3]) + (f" and {len(open_) - 3} more" if len(open_) > 3 else "")
        self._show("matching", done, total, shown)

    def training(self, done: int, total: int, note: str) -> None:
        """Show how many steps are done, and what the log says of the last ones."""
        self._show("training", done, total, note)

    def task(self, name: str, done: int, total: int) -> None:
        """Show how far a download or another task is; a total of 0 means unknown."""
        self._show(name, done, total or None, "")

    def _show(self, name: str, done: int, total: int | None, note: str) -> None:
        import time

        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self._bar.add_task(name, total=total, note=note)
            self._bar.update(self._tasks[name], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        if name not in self._tasks:
            self._tasks[name] = now
            self._first[name] = done  # what was done before this call says nothing of the time that is left
            self._next_line = now + 15
        elif now >= self._next_line and done > self._first[name] and total:
            self._next_line = now + 15
            left = (now - self._tasks[name]) * (total - done) / (done - self._first[name])
            _say(f"{name}: {done} of {total} {self._unit}, {note + ', ' if note else ''}{_duration(left)} left")
