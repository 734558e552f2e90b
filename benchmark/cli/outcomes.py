"""What is printed about a measurement: how long it would take, how it went, and its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..report.sheet import Format
from .output import duration, say, show
from .progress import Progress, working

if TYPE_CHECKING:
    from ..measure.job import Job
    from ..measure.search import Matching
    from ..measure.sitting import Tally
    from ..plan.targets import Target
    from ..store import Unshown

_REASONS = 5  # of failures, the most frequent first


def say_reasons(reasons: Counter[str]) -> None:
    """Say why rows failed or were skipped, the most frequent reasons first."""
    for reason, times in reasons.most_common(_REASONS):
        say(f"  {times} x {reason}")


def faults_of(path: Path, job: Job) -> Counter[str]:
    """Return why rows of a job's codecs and sets failed or were skipped in a run file, counted as by a run."""
    from ..store import faults

    table = faults(path)
    table = table[table["codec"].isin(list(job.specs)) & table["set"].isin(list(job.sets))]
    return Counter(f"{codec}: {message}" for codec, message in zip(table["codec"], table["message"], strict=True))


def unshown_of(path: Path, job: Job) -> list[Unshown]:
    """Return the shots of a job's images and conditions that could not be made, from its run file."""
    from ...corruptions.corruption import CLEAN
    from ..store import unshown

    images = {(images.name, source.id) for images in job.sets.values() for source in images.sources}
    conditions = {(CLEAN, 0), *job.plan.conditions()}
    return [shot for shot in unshown(path) if shot[:2] in images and shot[2:4] in conditions]


def say_matches(outcome: Matching, path: Path) -> None:
    """Print the points that a search found, what they achieve, and how far they miss the target."""
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
            say(f"{name} is not searched: a lossless codec has no rate or quality to match")
    say_reasons(tally.reasons)


def print_estimate(job: Job, path: Path, jobs: int | None, retry_failed: bool, targets: Sequence[Target]) -> None:
    """Print what a run would measure, and how long it would take."""
    from ..measure.estimate import estimate
    from ..measure.pools.processes import cores
    from ..measure.search import LOOKS_EXPECTED, foresee
    from ..measure.trial import SECONDS

    say(f"timing a sample of the remaining rows, for at most {SECONDS:g} s")
    workers = jobs or cores()
    foreseen = foresee(job, targets, path, retry_failed=retry_failed) if targets else None
    job = foreseen.job if foreseen else job
    with Progress("seconds") as progress:
        guess = estimate(
            job,
            path,
            workers,
            retry_failed=retry_failed,
            report=lambda done, total: progress.task("timing", round(done), round(total)),
        )
    if foreseen and foreseen.pending:
        rows = foreseen.rows
        time = f", about {duration(guess.seconds * rows / guess.rows)}" if guess.rows else ""
        typer.echo(f"search  {', '.join(map(str, foreseen.pending))}")
        typer.echo(f"        runs first: about {rows} rows, {LOOKS_EXPECTED} points per search{time}")
        typer.echo(
            "        the numbers below assume the middle of each ladder instead of the setting still to be found"
        )
    typer.echo(f"plan    {job.plan.name}: {', '.join(job.sets)}; {len(job.plan.conditions())} conditions")
    typer.echo(f"points  {len(job.points)} codec settings, each under every condition")
    typer.echo(f"rows    {job.rows()}, of which {job.rows() - guess.rows} are in {path}")
    if job.device:
        typer.echo(f"device  {job.device.name}, up to {job.device.batch} images per batch")
    between = f", between {duration(guess.low)} and {duration(guess.high)}," if guess.rows else ""
    typer.echo(f"time    about {duration(guess.seconds)}{between} with {workers} jobs on this machine")
    typer.echo(f"disk    about {guess.nbytes / 1e6:.1f} MB")


def print_outcome(path: Path, job: Job) -> None:
    """Print the leaderboard of each set, or the matched points of a search; with too few points, a line per cell."""
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
            say(f"no leaderboard for {name}: {reason}")
            show(leaderboard.points_report(part))
        else:
            show(leaderboard.report(board, part))


def show_heatmaps(path: Path, choice: Any, form: Format, folder: Path | None, **shown: Any) -> None:
    """Show the heatmaps of a run file, and draw them into a folder if there is one."""
    from ..report import heatmap as maps
    from ..report.evidence import Evidence

    with working(f"reading {path}"):
        heatmaps = maps.read(Evidence.open(path, choice), **shown)
    show(maps.report(heatmaps), form)
    if folder is not None:
        with working("drawing heatmaps"):
            for drawn in maps.draw(heatmaps, folder):
                say(str(drawn))


def end(tally: Tally) -> None:
    """End with exit code 1 if something was measured and no row is ok."""
    if (tally.total or tally.unshown) and tally.failed + tally.skipped == tally.total:
        raise typer.Exit(1)
