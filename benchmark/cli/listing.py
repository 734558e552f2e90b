"""Commands that look things up: codecs, measures, sets, corruptions, plans, check, doctor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from ..report.sheet import Format
from .options import CodecFiles, Corruptions, DataDir, Download, OutputFormat, ProbeLimit
from .output import refuse, say, show
from .progress import Progress, working
from .resolving import data_folder, described, say_left_out

if TYPE_CHECKING:
    from ...codecs.contract import Verdict
    from ..measure.checking import Opening


def codecs(
    format: OutputFormat = Format.text,  # noqa: A002
    codec_file: CodecFiles = None,
    time_limit: ProbeLimit = 30,
) -> None:
    """List the codecs: their settings, their ladders, and whether they work on this machine."""
    from ...codecs.registry import NEURAL, catalogue
    from ..report import codecs as fairness

    neural = [spec.name for spec in NEURAL]  # they take seconds to open
    with Progress("codecs", "looking for codecs") as progress:
        known = catalogue()
        specs = (*known.specs.values(), *described(codec_file))
        trying = fairness.entries(
            specs, time_limit, lambda done, total: progress.task("trying", done, total), unopened=neural
        )
        entries = list(trying)
    show(fairness.report(entries, {**known.damaged, **known.faults}), format)
    if format is not Format.text:
        _say_faults()


def measures(
    format: OutputFormat = Format.text,  # noqa: A002
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Longest time for one measure to load and score an image.")
    ] = 60,
) -> None:
    """List the measures of quality: what each costs on this machine, and how far it is from its referee."""
    from ..plan.measures import catalogue
    from ..report import measures as measure_report

    with Progress("measures", "looking for measures") as progress:
        known = catalogue()
        trying = measure_report.entries(
            known.measures.values(), time_limit, lambda done, total: progress.task("trying", done, total)
        )
        entries = list(trying)
    show(measure_report.report(entries, known.faults), format)


def sets(format: OutputFormat = Format.text) -> None:  # noqa: A002
    """List the image sets and where they come from."""
    from ..report import listings

    show(listings.sets(), format)


def corruptions(
    severity: Annotated[
        int, typer.Option(metavar="N", help="Severity, from 1 to 5, at which the spectra were measured.")
    ] = 3,
    measure: Annotated[
        str | None,
        typer.Option(metavar="SET", help="Measure the bands on this image set instead of showing those of Kodak."),
    ] = None,
    corruption: Corruptions = None,
    data_dir: DataDir = None,
    download: Download = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to keep the measurement of --measure in.")
    ] = None,
    format: OutputFormat = Format.text,  # noqa: A002
) -> None:
    """List the corruptions: levels, the band of the spectrum in the paper, and the band measured on images."""
    from ...corruptions.corruption import CLEAN, SEVERITIES
    from ...corruptions.sets import open_set
    from ...corruptions.table import CORRUPTIONS
    from ..plan.plans import corruptions_named
    from ..report import listings
    from ..sets import bands

    names = list(dict.fromkeys(name for text in corruption or CORRUPTIONS for name in corruptions_named(text)))
    if CLEAN in names:
        refuse(f"{CLEAN} means clean images: expected a corruption")
    if severity not in SEVERITIES:
        refuse(f"expected a severity from 1 to 5, got {severity}")
    if measure is None:
        if any(option is not None for option in (out, data_dir, download)):
            refuse("--out, --data-dir and --download need --measure SET")
        show(listings.corruptions(bands.read(), names, severity), format)
        return
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        refuse(f"{out} cannot be written: expected the path of a file in an existing folder")
    folder, fetch = data_folder(data_dir, download)
    with Progress("corrupted images") as progress:
        images = open_set(measure, folder, download=fetch, progress=progress.task)
        say_left_out(images)
        measurement = bands.measure(images, names, progress=progress.task)
    if out is not None:
        bands.write(measurement, out)
        say(f"{len(measurement.rows)} rows -> {out}")
    show(listings.corruptions(measurement, names, severity), format)


def plans(format: OutputFormat = Format.text) -> None:  # noqa: A002
    """List the named plans of codecshift run."""
    from ..report import listings

    show(listings.plans(), format)


def check(
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help="Codec to check (jpeg), or one setting of it (jpeg:q75).")
    ],
    codec_file: CodecFiles = None,
    time_limit: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, help="Longest time for opening the codec, and for one law at one setting."
        ),
    ] = 60,
) -> None:
    """Test a codec against the laws that every codec obeys, and show a counterexample to each broken one."""
    from ...codecs.registry import find, identify, prepare
    from ..measure.checking import Opening, check

    with working("looking for codecs"):
        spec, points = find(label, described(codec_file))
        _say_faults()
        identify(spec)
    with Progress("checks") as progress:
        prepare(spec, points, progress.task)
        outcomes = list(check(spec, points, time_limit, lambda done, total: progress.task("checking", done, total)))
    _print_openings(spec.name, [outcome for outcome in outcomes if isinstance(outcome, Opening)])
    _print_verdicts(spec.name, [outcome for outcome in outcomes if not isinstance(outcome, Opening)])
    if any(outcome.fault for outcome in outcomes):
        raise typer.Exit(1)


def doctor(format: OutputFormat = Format.text, time_limit: ProbeLimit = 30) -> None:  # noqa: A002
    """Report what this machine has: versions, codecs, image sets, free space."""
    from ..report import doctor

    with Progress("codecs", "looking for codecs") as progress:
        findings = list(doctor.findings(time_limit, lambda done, total: progress.task("trying", done, total)))
    show(doctor.report(findings), format)


def _say_faults() -> None:
    """Print which plugins provide no codec and which codecs are damaged, with the reasons."""
    from ...codecs.registry import catalogue

    known = catalogue()
    for name, fault in (*known.damaged.items(), *known.faults.items()):
        say(f"fault: {name}: {fault}")


def _print_openings(codec: str, openings: Sequence[Opening]) -> None:
    """Print each distinct reason why a codec does not open, with the points that it applies to."""
    points: dict[tuple[str, str], list[str]] = {}
    for opening in openings:
        if opening.fault:
            points.setdefault((opening.fault, opening.traceback), []).append(opening.point)
    for (fault, traceback), names in points.items():
        typer.echo(f"{codec} cannot be opened at {', '.join(names)}: {fault}")
        if traceback:
            typer.echo(indent(traceback, "        "))
    slowest = max((opening.seconds for opening in openings), default=0)
    if slowest >= _SLOW:
        typer.echo(f"{codec} took {slowest:.1f} s to open; this does not count towards the time of the laws")


_SLOW = 1.0  # opening times from this many seconds are mentioned


def _print_verdicts(codec: str, verdicts: Sequence[Verdict]) -> None:
    from ...codecs.contract import STATEMENTS

    for law, statement in STATEMENTS.items():
        own = [verdict for verdict in verdicts if verdict.law == law]
        if not own:
            continue
        faults = [verdict for verdict in own if verdict.fault]
        word = "BROKEN" if faults else "passed" if all(verdict.tried for verdict in own) else "untried"
        typer.echo(f"{word:<8}{law}: {statement}")
        for verdict in faults[:3]:
            typer.echo(f"        at {verdict.point}: {verdict.fault}")
    if any(verdict.fault.startswith("no answer") for verdict in verdicts):
        typer.echo("A codec that is only slow needs a longer --time-limit.")
    if not verdicts:
        typer.echo(f"{codec}: no law was tested")
        return
    passed = sum(verdict.tried and not verdict.fault for verdict in verdicts)
    untried = sum(not verdict.tried for verdict in verdicts)
    typer.echo(
        f"{codec}: {passed} of {len(verdicts)} checks passed"
        + (f", {untried} not tried: its process died or hung three times in a row" if untried else "")
    )
