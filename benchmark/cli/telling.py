"""Commands that report on a run file: leaderboard, rows, claims, spectra, figures, export."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..report.sheet import Format
from .options import (
    MEASURED,
    CodecFiles,
    Codecs,
    Corruptions,
    DataDir,
    File,
    FirstImages,
    Images,
    OneSet,
    OutputFormat,
    QualityName,
    Severities,
)
from .output import drop_stdout, refuse, say, show
from .progress import working
from .resolving import data_folder, described

if TYPE_CHECKING:
    from ..report.evidence import Evidence

_NARROWEST, _WIDEST = 3.3, 14.0  # inches of a figure
_FEWEST_RESAMPLES = 100  # fewer do not determine the ends of an interval


class RowsFormat(StrEnum):
    """The formats of the raw rows."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


class FigureFormat(StrEnum):
    """The formats of figures."""

    png = "png"
    pdf = "pdf"
    svg = "svg"


def leaderboard(
    file: File,
    format: OutputFormat = Format.text,  # noqa: A002
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="CODEC",
            help="Codec that the others are compared with; it sets the zero, not the order. Default: jpeg2000, or else "
            "jpeg.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Columns to show, by their names in csv, e.g. rank,codec,score,bd_rate; csv and json have all.",
        ),
    ] = None,
    image_set: OneSet = None,
    quality: QualityName = "psnr",
    corruption: Corruptions = None,
    severity: Severities = None,
    codec: Codecs = None,
    images: FirstImages = None,
    image: Images = None,
    matched: Annotated[
        bool, typer.Option("--matched", help="Show the settings that run --match found, instead of a ranking.")
    ] = False,
    tails: Annotated[
        bool,
        typer.Option(
            "--tails", help="Also show the worst cases over images and corruptions; csv and json always have them."
        ),
    ] = False,
    resamples: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Bootstrap resamples for the confidence intervals, 0 for none. Default: 10000."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Seed of the bootstrap. Default: 24.")] = None,
) -> None:
    """Rank codecs by the bits that each needs at equal quality under corruption, compared with all others."""
    from ...analysis.ranking import NotComparable
    from ..plan.measures import find
    from ..report import leaderboard as board_report
    from ..report import matched as matched_report
    from ..report.evidence import Choice, Evidence

    drawn: dict[str, Any] = {
        name: value for name, value in (("resamples", resamples), ("seed", seed)) if value is not None
    }
    if matched and (anchor or columns or tails or drawn):
        refuse("--anchor, --columns, --tails, --resamples and --seed apply to rankings only: leave them out")
    if resamples is not None and 0 < resamples < _FEWEST_RESAMPLES:
        refuse(f"expected --resamples 0 (no intervals) or at least {_FEWEST_RESAMPLES}, got {resamples}")
    measure = find(quality).name
    names = board_report.SHOWN if columns is None else board_report.columns_named(columns)
    if images is not None and image:
        refuse("expected --images or --image, got both")
    chosen = Choice(_one(image_set), corruption or (), severity or (), codec or (), image or (), images)
    with working(f"reading {file}"):
        evidence = Evidence.open(file, chosen)
        points = matched_report.matched(evidence)
    if matched:
        if points.empty:
            refuse(f"{file} has no matched points: measure them with codecshift run --match TARGET")
        show(matched_report.report(points, evidence), format)
        return
    try:
        with working("ranking codecs"):
            board = board_report.leaderboard(evidence, anchor=anchor, quality=measure, **drawn)
    except NotComparable:
        # A file with only matched points has no curves, but its points can be shown.
        if format is not Format.text or anchor is not None or points["set"].nunique() != 1:
            raise
        show(matched_report.report(points, evidence))
        return
    if format is Format.text and all(entry.rank is None for entry in board.entries) and not points.empty:
        show(matched_report.report(points, evidence))
        return
    settings = format in {Format.markdown, Format.html}  # too wide for a terminal or a page of paper
    show(board_report.report(board, evidence, columns=names, tails=tails, settings=settings), format)


def rows(
    file: File,
    format: Annotated[RowsFormat, typer.Option(help="Output format.")] = RowsFormat.csv,  # noqa: A002
) -> None:
    """Print every row of a run file: one line per image, corruption, severity and codec setting."""
    from .. import store

    if format is RowsFormat.parquet and sys.stdout.isatty():
        refuse("parquet is binary and not for a terminal: use codecshift rows FILE --format parquet > rows.parquet")
    with working(f"reading {file}"):
        table = store.read(file)
    try:
        if format is RowsFormat.csv:
            table.to_csv(sys.stdout, index=False)
        elif format is RowsFormat.json:
            table.to_json(sys.stdout, orient="records", lines=True, double_precision=15)
        else:
            # Given a buffered stdout, pandas would open a file of its name, `<stdout>`, in this folder.
            sys.stdout.buffer.write(table.to_parquet(None, index=False))
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        drop_stdout()


def claims(
    file: File,
    format: OutputFormat = Format.text,  # noqa: A002
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this claim, with its rule, e.g. H9. Can be repeated.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Write out the rule of each claim.")] = False,
) -> None:
    """Judge claims of the paper by a run file: supported, refuted or undecided, with effects and intervals."""
    from ..report import claims as claims_report

    evidence = _evidence(file)
    with working("testing claims"):
        verdicts = claims_report.verdicts(evidence, only or ())
    show(claims_report.report(verdicts, [verdict.claim.name for verdict in verdicts] if rules or only else ()), format)


def spectra(
    file: File,
    format: OutputFormat = Format.text,  # noqa: A002
    image_set: OneSet = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only this codec (jpeg) or setting (jpeg:q75). Can be repeated."),
    ] = None,
    corruption: Corruptions = None,
    severity: Severities = None,
) -> None:
    """Show where in the spectrum each codec's error lies, in a run file measured with run --spectra."""
    from ..report import spectra as spectra_report

    evidence = _evidence(
        file, sets=_one(image_set), corruptions=corruption or (), severities=severity or (), codecs=codec or ()
    )
    with working("adding up spectra"):
        table = spectra_report.table(evidence)
    show(spectra_report.report(table, evidence.spectra_settings(), evidence.spectra_notes()), format)


def figures(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Run file to draw from.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to draw into. Default: figures.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this figure. Can be repeated.")] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Draw nothing; list the figures, and with FILE what each of them lacks.")
    ] = False,
    format: Annotated[  # noqa: A002
        list[FigureFormat] | None, typer.Option(help="File format. Default: png and pdf. Can be repeated.")
    ] = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Only this codec (jpeg), or only this setting of it (jpeg:q75). Can be repeated. Default: all codecs; "
            "where a figure shows one setting of each, the one nearest 0.5 bpp on clean images.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this corruption, or band of corruptions. Can be repeated. Default: all; where a figure shows "
            "one of each band, the one under which the anchor has the median PSNR against clean images.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    severity: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Only this severity. Can be repeated. Default: all; where a figure shows one, the middle one.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    quality: QualityName = "psnr",
    image: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Image to show where a figure shows one. Default: the one on which the anchor has the median PSNR.",
            rich_help_panel=MEASURED,
        ),
    ] = None,
    width: Annotated[
        str,
        typer.Option(
            metavar="INCHES|column|page",
            help="Width of a figure that fills the page: a column is 3.5 inches wide, a page 7.16. "
            "Figures with fixed columns, such as psd-radial, are at least 5.2 inches wide.",
        ),
    ] = "page",
    data_dir: DataDir = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="CODEC",
            help="Codec that sets the zero, and that decides which images and corruptions are typical. "
            "Default: that of the leaderboard.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="ARCH@FILE", help="Checkpoint of a codec in the run file. Can be repeated."),
    ] = None,
    codec_file: CodecFiles = None,
) -> None:
    """Draw the figures of a run file, with captions, and say what is missing for the others."""
    from ...codecs.registry import find
    from ..plan.measures import find as find_measure
    from ..report import figures as drawing

    measure = find_measure(quality).name
    images, _ = data_folder(data_dir, None)
    extra = (*described(codec_file), *(find(label)[0] for label in checkpoint or ()))
    choice = {"codecs": codec or (), "corruptions": corruption or (), "severities": severity or ()}
    inches = _inches(width)
    if list_:
        if file:
            evidence = _evidence(file, **choice)
            with working("looking for what each figure needs"):
                states = drawing.states_report(evidence, images, only or (), extra)
            show(states)
        else:
            show(drawing.kinds_report(drawing.kinds(only or ())))
        return
    if file is None:
        refuse("expected a run file: codecshift figures FILE, or --list to see which figures exist")
    formats = [kind.value for kind in format or (FigureFormat.png, FigureFormat.pdf)]
    folder = out or Path("figures")
    _echo_each(
        "drawing figures",
        drawing.figures(
            _evidence(file, **choice),
            folder,
            only or (),
            formats,
            images,
            extra=extra,
            anchor=anchor,
            image=image or "",
            width=inches,
            quality=measure,
            skipped=say,
        ),
    )


def export(
    file: File,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to publish into, e.g. results.")],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Replace the published tables of these codecs instead of adding to them, and remove "
            "runs that no table names.",
        ),
    ] = False,
) -> None:
    """Write the published tables: DIR/v1/<set>/<codec>.csv, DIR/v1/codecs.csv and DIR/v1/runs/<run>.json.

    Existing tables are added to: a line is replaced only by one over at least as many images and measures.
    """
    from ..report import published
    from ..report.export import export, orphans, remove_orphans

    evidence = _evidence(file)
    with working("writing tables"):
        written = export(evidence, folder, published.replaced if replace else published.merged)
    for note in written.notes:
        say(note)
    for path in remove_orphans(folder) if replace else orphans(folder):
        say(f"{path}: no table refers to this run; {'removed' if replace else '--replace removes it'}")
    for path in written.files:
        typer.echo(path)


def _inches(width: str) -> float:
    """Return the width of a page of figures in inches; refuse one that is no number or on which text would not fit."""
    from ...analysis.figures.parts.style import ONE_COLUMN, TWO_COLUMNS

    known = {"column": ONE_COLUMN, "page": TWO_COLUMNS}
    try:
        inches = known[width] if width in known else float(width)
    except ValueError:
        inches = math.nan
    if not _NARROWEST <= inches <= _WIDEST:
        refuse(f"expected --width column, page, or {_NARROWEST:g} to {_WIDEST:g} (inches), got {width}")
    return inches


def _one(image_set: str | None) -> tuple[str, ...]:
    return () if image_set is None else (image_set,)


def _evidence(file: Path, **choice: Any) -> Evidence:
    from ..report.evidence import Choice, Evidence

    with working(f"reading {file}"):
        return Evidence.open(file, Choice(**choice))


def _echo_each(task: str, paths: Iterable[Path]) -> None:
    """Print paths as they are written."""
    paths = iter(paths)
    while True:
        with working(task):
            path = next(paths, None)
        if path is None:
            return
        typer.echo(path)
