"""Commands that measure: run, heatmap; and merge, which joins what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..report.sheet import Format
from . import options
from .output import duration, refuse, say, show
from .progress import Progress, working
from .resolving import prepare, run_file, spectra_settings

if TYPE_CHECKING:
    from ..measure.job import Job
    from ..measure.search import Matching
    from ..measure.sitting import Tally
    from ..plan.targets import Target
    from ..store import Unshown

_REASONS = 5  # of failures, the most frequent first
_HIDES_THE_REST_S = 30  # in shorter runs the start of the workers takes most of the time


def run(
    plan: Annotated[str, typer.Argument(metavar="[PLAN]", help="quick, kodak-c, clic-c or paper.")] = "quick",
    sets: options.Sets = None,
    corruption: options.Corruptions = None,
    severity: options.Severities = None,
    codec: options.Codecs = None,
    codec_file: options.CodecFiles = None,
    images: options.FirstImages = None,
    image: options.Images = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The run file. Default: named after the plan.")
    ] = None,
    jobs: options.Jobs = None,
    download: options.Download = None,
    retry_failed: options.RetryFailed = False,
    remeasure_changed: options.RemeasureChanged = False,
    time_limit: options.TimeLimit = 300,
    device: options.DeviceName = "auto",
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="bpp=0.5, psnr=32, ms_ssim=0.97: not ladders, the points nearest to it."),
    ] = None,
    spectra: Annotated[bool, typer.Option("--spectra", help="Add up the power spectra of each codec's error.")] = False,
    channels: Annotated[
        str | None, typer.Option(metavar="luminance|rgb", help="Channels of the spectra; rgb: luminance, R, G and B.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="none|hann", help="Window on the pixels before their spectrum is taken.")
    ] = None,
    dry_run: options.DryRun = False,
) -> None:
    """Measure codecs on clean and corrupted images, and print the leaderboard. Goes on where it was stopped."""
    from ..plan.names import named
    from ..plan.plans import PLANS
    from ..plan.targets import Target

    chosen = named("plan", plan, PLANS).narrowed(
        sets or (), corruption or (), severity or (), codec or (), images, image or ()
    )
    targets = [Target.parse(text) for text in match or ()]
    if not spectra and (channels or window):
        refuse("--channels and --window go with --spectra")
    settings = spectra_settings(channels or "luminance", window or "none") if spectra else None
    job = prepare(chosen, data_dir, download, codec_file, device, settings)
    path = run_file(out, *(job.sets if sets else (chosen.name,)))
    if dry_run:
        _print_estimate(job, path, jobs, retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, remeasure_changed, time_limit)
    _print_outcome(path, job)
    _end(tally)


def heatmap(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A run file to show and not to add to.", show_default=False)
    ] = None,
    sets: options.Sets = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="jpeg:q75, or jpeg: its point nearest to --match. Default: jpeg, jpeg2000."),
    ] = None,
    codec_file: options.CodecFiles = None,
    rms: Annotated[
        list[float] | None,
        typer.Option(metavar="R", help="Strength of the waves: 1, 2, 4, 8 (default) or 16 grey levels."),
    ] = None,
    band: Annotated[
        str | None,
        typer.Option(metavar="full|low", help="All frequencies (default), or the lowest in cycles per image."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--of", metavar="N", help="full: in steps of 1/N cycle per pixel (32); low: the lowest N x N (64)."
        ),
    ] = None,
    images: options.FirstImages = None,
    image: options.Images = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="Where codecs named without a point are held. Default: bpp=0.5."),
    ] = None,
    format: options.OutputFormat = Format.text,  # noqa: A002
    figures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw them there too, as PNG and PDF with a caption.")
    ] = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The run file. Default: heatmap-<set>.sqlite.")
    ] = None,
    jobs: options.Jobs = None,
    download: options.Download = None,
    retry_failed: options.RetryFailed = False,
    remeasure_changed: options.RemeasureChanged = False,
    time_limit: options.TimeLimit = 300,
    device: options.DeviceName = "auto",
    dry_run: options.DryRun = False,
) -> None:
    """Show what a wave of each frequency does to codecs: measure what is not measured yet, or read a run file."""
    from ..report import heatmap as maps
    from ..report.evidence import Choice

    severities = [maps.severity(strength) for strength in rms or ()]
    frequencies = maps.frequencies(band or "full", steps)
    window = frequencies.window(frequencies.steps)
    if file is not None:
        names = ("--codec-file", "--images", "--image", "--match", "--out", "--data-dir", "--jobs", "--dry-run")
        values = (codec_file, images, image, match, out, data_dir, jobs, dry_run)
        more = {"--retry-failed": retry_failed, "--remeasure-changed": remeasure_changed}
        for option, value in zip((*names, *more), (*values, *more.values()), strict=True):
            if value:
                refuse(f"{file} is only read: {option} is for measuring, codecshift heatmap --out {quote(str(file))}")
        choice = Choice(sets=sets or (), severities=severities, codecs=codec or ())
        _show_heatmaps(file, choice, format, figures, shown=window if band or steps else None)
        return
    plan = maps.plan(frequencies, severities or [maps.severity(8)])
    plan = plan.narrowed(sets or (), codecs=codec or (), first=images, images=image or ())
    job = prepare(plan, data_dir, download, codec_file, device)
    targets = _heatmap_targets(job, match)
    path = run_file(out, "heatmap", *job.sets)
    if dry_run:
        _print_estimate(job, path, jobs, retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, remeasure_changed, time_limit)
    ids = {image_set.name: [source.id for source in image_set.sources] for image_set in job.sets.values()}
    labels = [f"{name}:{point.name}" for name, point in job.points]
    choice = Choice(sets=list(ids), severities=plan.severities, codecs=labels)
    _show_heatmaps(path, choice, format, figures, images=ids, shown=window)
    _end(tally)


def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Run files.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The run file to write.")],
) -> None:
    """Put the rows of several run files into a new one."""
    from .. import store

    with working("merging"):
        count, repeated = store.merge(files, out)
    say(f"{count} rows -> {out}" + (f" ({repeated} were in several files)" if repeated else ""))


def _heatmap_targets(job: Job, match: Sequence[str] | None) -> list[Target]:
    """Return the targets of the codecs that are named without a point: those asked for, else 0.5 bpp."""
    from ..plan.targets import Target
    from ..report.heatmap import TARGET

    if match is None and not any(label in job.specs and not job.specs[label].lossless for label in job.plan.codecs):
        return []
    return [Target.parse(text) for text in match or (TARGET,)]


def _measure(
    job: Job,
    targets: Sequence[Target],
    path: Path,
    jobs: int | None,
    retry_failed: bool,
    remeasure_changed: bool,
    time_limit: float,
) -> tuple[Job, Tally]:
    """Measure what a run file lacks of a job and say how it went; return the job, its points matched, and the tally."""
    from ..measure.pools.processes import cores
    from ..measure.sitting import run as measure
    from ..report.images import unshown_notes

    if job.device:
        say(f"neural codecs on {job.device.name}, up to {job.device.batch} images together")
    try:
        if targets:
            job = _match(job, targets, path, jobs, retry_failed, remeasure_changed, time_limit)
        with Progress("rows", "looking for what is not measured yet") as progress:
            tally = measure(
                job,
                path,
                jobs=jobs,
                retry_failed=retry_failed,
                remeasure_changed=remeasure_changed,
                time_limit=time_limit,
                report=lambda tally: progress.show(
                    "measuring", tally.done, tally.total, f"{tally.failed + tally.skipped} failed"
                ),
            )
    except KeyboardInterrupt:
        say(f"\nstopped: everything measured so far is in {path}; the same command goes on from there")
        raise typer.Exit(130) from None
    for note in tally.notes:
        say(note)
    unshown = _unshown(path, job)
    if tally.total or tally.unshown:
        workers = jobs or cores()
        say(
            f"{tally.done} rows in {duration(tally.wall_s)} with {workers} jobs, {tally.failed} failed, "
            f"{tally.skipped} skipped -> {path}"
        )
        if tally.wall_s > _HIDES_THE_REST_S:
            say(f"{tally.overhead(workers):.2f} x the time inside encode, decode and measures")
    else:
        say(f"nothing to do: all {job.rows(unshown)} rows are in {path}")
    for note in unshown_notes(unshown):
        say(note)
    _say_reasons(tally.reasons if tally.total else _faults(path, job))
    return job, tally


def _say_reasons(reasons: Counter[str]) -> None:
    for reason, times in reasons.most_common(_REASONS):
        say(f"  {times} x {reason}")


def _faults(path: Path, job: Job) -> Counter[str]:
    """Return why rows of a job's codecs and sets failed or were skipped in a run file, as a run counts it."""
    from ..store import faults

    table = faults(path)
    table = table[table["codec"].isin(list(job.specs)) & table["set"].isin(list(job.sets))]
    return Counter(f"{codec}: {message}" for codec, message in zip(table["codec"], table["message"], strict=True))


def _unshown(path: Path, job: Job) -> list[Unshown]:
    """Return the shots of a job's images and conditions that could not be made, as its run file has them."""
    from ...corruptions.corruption import CLEAN
    from ..store import unshown

    images = {(images.name, source.id) for images in job.sets.values() for source in images.sources}
    conditions = {(CLEAN, 0), *job.plan.conditions()}
    return [shot for shot in unshown(path) if shot[:2] in images and shot[2:4] in conditions]


def _match(
    job: Job,
    targets: Sequence[Target],
    path: Path,
    jobs: int | None,
    retry_failed: bool,
    remeasure_changed: bool,
    time_limit: float,
) -> Job:
    """Return the job with matched points in place of ladders, and say what was found; end here where nothing was."""
    from ..measure.search import match

    with Progress("rows", "looking for what is not measured yet") as progress:
        outcome = match(
            job,
            targets,
            path,
            jobs=jobs,
            retry_failed=retry_failed,
            remeasure_changed=remeasure_changed,
            time_limit=time_limit,
            report=lambda tally, searches: progress.matching(tally.done, tally.total, searches),
        )
    for note in outcome.tally.notes:
        say(note)
    _say_matches(outcome, path)
    if not outcome.job.points:
        raise typer.Exit(1)
    return outcome.job


def _say_matches(outcome: Matching, path: Path) -> None:
    """Say which points a search found, what they achieve, and where they miss the target."""
    from ..report.matched import search_report

    tally, image_set = outcome.tally, next(iter(outcome.job.sets))
    say(
        f"matched on clean images of {image_set}: {tally.done} rows in {duration(tally.wall_s)} -> {path}"
        if tally.total
        else f"matched on clean images of {image_set}: all rows of the search are in {path}"
    )
    show(search_report(outcome.matches), err=True)
    for match in outcome.matches:
        if match.point is None:
            say(f"left out: {match.codec}: {match.target} could not be matched: {match.reason}")
        elif match.reason:
            say(f"{match.codec}:{match.point.name} is {match.off} off {match.target}: {match.reason}")
    for name, spec in outcome.job.specs.items():
        if spec.lossless:
            say(f"{name} stays as it is: a lossless codec has no rate or quality to choose")
    _say_reasons(tally.reasons)


def _print_estimate(job: Job, path: Path, jobs: int | None, retry_failed: bool, targets: Sequence[Target]) -> None:
    from ..measure.estimate import estimate
    from ..measure.pools.processes import cores
    from ..measure.search import LOOKS_EXPECTED, foresee
    from ..measure.trial import SECONDS

    say(f"trying parts of what is left, for at most {SECONDS:g} s")
    workers = jobs or cores()
    foreseen = foresee(job, targets, path, retry_failed=retry_failed) if targets else None
    job = foreseen.job if foreseen else job
    with Progress("seconds") as progress:
        guess = estimate(
            job,
            path,
            workers,
            retry_failed=retry_failed,
            report=lambda done, total: progress.task("trying", round(done), round(total)),
        )
    if foreseen and foreseen.pending:
        rows = foreseen.rows
        time = f", about {duration(guess.seconds * rows / guess.rows)}" if guess.rows else ""
        typer.echo(f"search  {', '.join(map(str, foreseen.pending))}")
        typer.echo(f"        comes first: about {rows} rows, {LOOKS_EXPECTED} points a search{time}")
        typer.echo("        what follows is of the middle of each ladder in place of the point to be found")
    typer.echo(f"plan    {job.plan.name}: {', '.join(job.sets)}; {len(job.plan.conditions())} conditions")
    typer.echo(f"cells   {job.cells()}")
    typer.echo(f"rows    {job.rows()}, of which {job.rows() - guess.rows} are in {path}")
    if job.device:
        typer.echo(f"device  {job.device.name}, up to {job.device.batch} images together")
    between = f", between {duration(guess.low)} and {duration(guess.high)}," if guess.rows else ""
    typer.echo(f"time    about {duration(guess.seconds)}{between} with {workers} jobs on this machine")
    typer.echo(f"disk    about {guess.nbytes / 1e6:.1f} MB")


def _print_outcome(path: Path, job: Job) -> None:
    """Print the leaderboard of each set of a job, or its matched points, or with too few for either a line per cell."""
    from ...analysis.ranking import NotComparable
    from ..report import leaderboard, matched
    from ..report.evidence import Choice, Evidence

    with working(f"reading {path}"):
        evidence = Evidence.open(path, Choice(sets=list(job.sets)))
    if job.matched:
        table = matched.matched(evidence)
        targets = {str(match.target) for match in job.matched.matches}
        show(matched.report(table[table["target"].isin(targets)], evidence))
        return
    for part in evidence.by_set():
        name = str(part.rows["set"].iloc[0])
        try:
            with working("ranking codecs"):
                board = leaderboard.leaderboard(part)
        except NotComparable as reason:
            say(f"no leaderboard of {name}: {reason}")
            show(leaderboard.points_report(part))
        else:
            show(leaderboard.report(board, part))


def _show_heatmaps(path: Path, choice: Any, form: Format, folder: Path | None, **shown: Any) -> None:
    from ..report import heatmap as maps
    from ..report.evidence import Evidence

    with working(f"reading {path}"):
        heatmaps = maps.read(Evidence.open(path, choice), **shown)
    show(maps.report(heatmaps), form)
    if folder is not None:
        with working("drawing heatmaps"):
            for drawn in maps.draw(heatmaps, folder):
                say(str(drawn))


def _end(tally: Tally) -> None:
    """End with exit code 1 where something was tried and not one row is ok."""
    if (tally.total or tally.unshown) and tally.failed + tally.skipped == tally.total:
        raise typer.Exit(1)
