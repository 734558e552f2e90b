"""Commands that measure: run, heatmap; and merge, which joins what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from ..report.sheet import Format
from . import options
from .outcomes import end, faults_of, print_estimate, print_outcome, say_matches, say_reasons, show_heatmaps, unshown_of
from .output import duration, refuse, say
from .progress import Progress, working
from .resolving import prepare, run_file, spectra_settings

if TYPE_CHECKING:
    from ..measure.job import Job
    from ..measure.sitting import Tally
    from ..plan.targets import Target

_MINIMUM_FOR_OVERHEAD_S = 30  # in shorter runs, starting the workers takes most of the time


def run(
    plan: Annotated[
        str,
        typer.Argument(
            metavar="[PLAN]", help="Named plan: quick, kodak-c, clic-c or paper; codecshift plans lists them."
        ),
    ] = "quick",
    sets: options.Sets = None,
    corruption: options.Corruptions = None,
    severity: options.Severities = None,
    codec: options.Codecs = None,
    codec_file: options.CodecFiles = None,
    measure: options.Measures = None,
    images: options.FirstImages = None,
    image: options.Images = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Run file to write or to continue. Default: named after the plan or the sets."
        ),
    ] = None,
    jobs: options.Jobs = None,
    download: options.Download = None,
    retry_failed: options.RetryFailed = False,
    remeasure_changed: options.RemeasureChanged = False,
    time_limit: options.TimeLimit = 300,
    device: options.DeviceName = "auto",
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="Instead of ladders, measure each codec at the one setting nearest this target on "
            "clean images: bpp=0.5, psnr=32 or ms_ssim=0.97. Can be repeated.",
        ),
    ] = None,
    spectra: Annotated[
        bool, typer.Option("--spectra", help="Also store the mean power spectrum of each codec's error.")
    ] = False,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="luminance|rgb",
            help="Channels of the spectra: luminance (default), or rgb for luminance, R, G and B.",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="none|hann",
            help="Window multiplied with the pixels before the spectrum is computed: none (default) or hann.",
        ),
    ] = None,
    dry_run: options.DryRun = False,
) -> None:
    """Measure codecs on clean and corrupted images, and print the leaderboard. Continues a run that was stopped."""
    from ..plan.names import named
    from ..plan.plans import PLANS
    from ..plan.targets import Target

    chosen = named("plan", plan, PLANS).narrowed(
        sets or (), corruption or (), severity or (), codec or (), images, image or (), measure or ()
    )
    targets = [Target.parse(text) for text in match or ()]
    if not spectra and (channels or window):
        refuse("--channels and --window need --spectra")
    settings = spectra_settings(channels or "luminance", window or "none") if spectra else None
    job = prepare(chosen, data_dir, download, codec_file, device, settings)
    path = run_file(out, *(job.sets if sets else (chosen.name,)))
    if dry_run:
        print_estimate(job, path, jobs, retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, remeasure_changed, time_limit)
    print_outcome(path, job)
    end(tally)


def heatmap(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Run file to show, without measuring anything.", show_default=False),
    ] = None,
    sets: options.Sets = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Codec setting (jpeg:q75), or codec (jpeg), which is held at its setting nearest "
            "--match. Default: jpeg and jpeg2000. Can be repeated.",
        ),
    ] = None,
    codec_file: options.CodecFiles = None,
    rms: Annotated[
        list[float] | None,
        typer.Option(
            metavar="R",
            help="Strength of the waves as RMS in grey levels: 1, 2, 4, 8 (default) or 16. Can be repeated.",
        ),
    ] = None,
    band: Annotated[
        str | None,
        typer.Option(
            metavar="full|low",
            help="Which frequencies: full for the whole plane (default), low for the lowest ones, in cycles per image.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--of",
            metavar="N",
            help="Resolution: with full, steps of 1/N cycle per pixel (default 32); with low, the "
            "lowest N x N frequencies (default 64).",
        ),
    ] = None,
    images: options.FirstImages = None,
    image: options.Images = None,
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="Target for codecs named without a setting: bpp=0.5 (default), psnr=32 or ms_ssim=0.97.",
        ),
    ] = None,
    format: options.OutputFormat = Format.text,  # noqa: A002
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also draw the heatmaps into this folder, as PNG and PDF with captions."),
    ] = None,
    data_dir: options.DataDir = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run file to write or to continue. Default: heatmap-<set>.sqlite."),
    ] = None,
    jobs: options.Jobs = None,
    download: options.Download = None,
    retry_failed: options.RetryFailed = False,
    remeasure_changed: options.RemeasureChanged = False,
    time_limit: options.TimeLimit = 300,
    device: options.DeviceName = "auto",
    dry_run: options.DryRun = False,
) -> None:
    """Measure and show what a wave of each frequency does to codecs. With FILE, only show what that holds."""
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
                refuse(
                    f"{option} is for measuring, but {file} is only read: to measure into it, use codecshift heatmap "
                    f"--out {quote(str(file))}"
                )
        choice = Choice(sets=sets or (), severities=severities, codecs=codec or ())
        show_heatmaps(file, choice, format, figures, shown=window if band or steps else None)
        return
    plan = maps.plan(frequencies, severities or [maps.severity(8)])
    plan = plan.narrowed(sets or (), codecs=codec or (), first=images, images=image or ())
    job = prepare(plan, data_dir, download, codec_file, device)
    targets = _heatmap_targets(job, match)
    path = run_file(out, "heatmap", *job.sets)
    if dry_run:
        print_estimate(job, path, jobs, retry_failed, targets)
        return
    job, tally = _measure(job, targets, path, jobs, retry_failed, remeasure_changed, time_limit)
    ids = {image_set.name: [source.id for source in image_set.sources] for image_set in job.sets.values()}
    labels = [f"{name}:{point.name}" for name, point in job.points]
    choice = Choice(sets=list(ids), severities=plan.severities, codecs=labels)
    show_heatmaps(path, choice, format, figures, images=ids, shown=window)
    end(tally)


def merge(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Run files to merge.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Run file to write; it must not exist yet.")],
) -> None:
    """Merge the rows of several run files into a new one."""
    from .. import store

    with working("merging"):
        count, repeated = store.merge(files, out)
    say(f"{count} rows -> {out}" + (f" ({repeated} were in several files)" if repeated else ""))


def _heatmap_targets(job: Job, match: Sequence[str] | None) -> list[Target]:
    """Return the targets for codecs named without a point: those of --match, by default 0.5 bpp."""
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
    """Measure what a run file lacks of a job and print how it went; return the matched job and the tally."""
    from ..measure.pools.processes import cores
    from ..measure.sitting import run as measure
    from ..report.images import unshown_notes

    if job.device:
        say(f"neural codecs on {job.device.name}, up to {job.device.batch} images per batch")
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
                    "measuring",
                    tally.done,
                    tally.total,
                    tally.waiting or f"{tally.failed + tally.skipped} failed",
                ),
            )
    except KeyboardInterrupt:
        say(f"\nstopped: everything measured so far is in {path}; the same command continues from there")
        raise typer.Exit(130) from None
    for note in tally.notes:
        say(note)
    unshown = unshown_of(path, job)
    if tally.total or tally.unshown:
        workers = jobs or cores()
        say(
            f"{tally.done} rows in {duration(tally.wall_s)} with {workers} jobs, {tally.failed} failed, "
            f"{tally.skipped} skipped -> {path}"
        )
        if tally.wall_s > _MINIMUM_FOR_OVERHEAD_S:
            say(f"total time of all jobs: {tally.overhead(workers):.2f} x the time inside encode, decode and measures")
    else:
        say(f"nothing to do: all {job.rows(unshown)} rows are in {path}")
    for note in unshown_notes(unshown):
        say(note)
    say_reasons(tally.reasons if tally.total else faults_of(path, job))
    return job, tally


def _match(
    job: Job,
    targets: Sequence[Target],
    path: Path,
    jobs: int | None,
    retry_failed: bool,
    remeasure_changed: bool,
    time_limit: float,
) -> Job:
    """Return the job with matched points in place of ladders, and print them; end the command if none was found."""
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
            report=lambda tally, searches: progress.matching(
                tally.done, tally.total, [tally.waiting] if tally.waiting else searches
            ),
        )
    for note in outcome.tally.notes:
        say(note)
    say_matches(outcome, path)
    if not outcome.job.points:
        raise typer.Exit(1)
    return outcome.job
