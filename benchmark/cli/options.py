"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..report.sheet import Format

MEASURED, PLACES, COURSE, OUTPUT = "Selection", "Files and folders", "Running", "Output"
"""The groups of options that `--help` shows."""

# --- what is measured, or chosen of a run file

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SET",
        help="Image set: sample, kodak, clic2020-test, folder:PATH or generated:DIR; folder:PATH@crop512x768 takes the "
        "centre of each image. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        metavar="NAME",
        help="Measure to take beside PSNR; codecshift measures lists them. Default: ms_ssim. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
QualityName = Annotated[
    str,
    typer.Option(
        "--quality",
        metavar="MEASURE",
        help="Measure of rate curves and rankings: psnr, ms_ssim, or any of codecshift measures that the file has.",
    ),
]
OneSet = Annotated[
    str | None,
    typer.Option(
        "--set", metavar="SET", help="Which image set to show if the file has several.", rich_help_panel=MEASURED
    ),
]
Corruptions = Annotated[
    list[str] | None,
    typer.Option(
        "--corruption",
        metavar="NAME",
        help="Corruption (fog), band of corruptions (low, medium, high), or none for clean images. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
Severities = Annotated[
    list[int] | None,
    typer.Option(
        "--severity",
        metavar="N",
        help="Severity of the corruptions, from 1 to 5. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
FirstImages = Annotated[
    int | None,
    typer.Option(
        "--images",
        metavar="N",
        min=1,
        help="Only the first N images of each set. Default: all images.",
        rich_help_panel=MEASURED,
    ),
]
Images = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="ID",
        help="Only the image of this name, e.g. kodim01. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
Codecs = Annotated[
    list[str] | None,
    typer.Option(
        "--codec",
        metavar="LABEL",
        help="Codec: jpeg is its ladder (the list of its quality settings), jpeg:q75 a single setting. "
        "Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]
CodecFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--codec-file",
        metavar="FILE.toml",
        help="Add a codec that is a program, described in a TOML file. Can be repeated.",
        rich_help_panel=MEASURED,
    ),
]

# --- where things are

File = Annotated[Path, typer.Argument(metavar="FILE", help="Run file to read: what codecshift run wrote.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder that holds kodak/ and clic/. Default: $CODECSHIFT_DATA, or else the user's cache.",
        rich_help_panel=PLACES,
    ),
]
Download = Annotated[
    bool | None,
    typer.Option(
        "--download/--no-download",
        help="Download missing images. Default: yes into the user's cache, no into a folder you named.",
        rich_help_panel=PLACES,
    ),
]

# --- how a run goes

Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Number of worker processes. Default: one per core.", rich_help_panel=COURSE),
]
RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Measure again what failed or was skipped.", rich_help_panel=COURSE),
]
RemeasureChanged = Annotated[
    bool,
    typer.Option(
        "--remeasure-changed",
        help="Remove the rows of images whose content changed since they were measured, and measure them again.",
        rich_help_panel=COURSE,
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=1,
        help="Longest time for one image at one setting of a codec; longer counts as failed.",
        rich_help_panel=COURSE,
    ),
]
ProbeLimit = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, help="Longest time for one codec to start and code an 8x8 image."),
]
DeviceName = Annotated[
    str,
    typer.Option(
        metavar="cpu|cuda|auto",
        help="Where neural codecs run; auto uses a CUDA GPU if there is one.",
        rich_help_panel=COURSE,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Measure nothing; say what would be run and about how long it takes.", rich_help_panel=COURSE
    ),
]

# --- what is printed

OutputFormat = Annotated[Format, typer.Option("--format", help="Output format.", rich_help_panel=OUTPUT)]
