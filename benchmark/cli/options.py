"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..report.sheet import Format


class QualityName(StrEnum):
    """The measures that curves are drawn over."""

    psnr = "psnr"
    ms_ssim = "ms_ssim"


# --- what is measured, or chosen of a run file

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SET", help="sample, kodak, clic2020-test, folder:PATH, generated:DIR."),
]
OneSet = Annotated[
    str | None, typer.Option("--set", metavar="SET", help="The set to show, where the file holds several.")
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

# --- where things lie

File = Annotated[Path, typer.Argument(metavar="FILE", help="A run file.")]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where kodak/ and clic/ lie. Default: $CODECSHIFT_DATA, else the user's cache."),
]
Download = Annotated[
    bool | None,
    typer.Option("--download/--no-download", help="Fetch missing images. Default: only into the user's cache."),
]

# --- how a run goes

Jobs = Annotated[int | None, typer.Option(metavar="N", min=1, help="Worker processes. Default: one a core.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try rows again that failed or were skipped.")]
RemeasureChanged = Annotated[
    bool,
    typer.Option("--remeasure-changed", help="Measure the rows of images again that changed since they were measured."),
]
TimeLimit = Annotated[
    float, typer.Option(metavar="SECONDS", min=1, help="The longest one image may take in one codec point.")
]
ProbeLimit = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, help="The longest one codec may take on an 8x8 image.")
]
DeviceName = Annotated[
    str, typer.Option(metavar="cpu|cuda|auto", help="Where neural codecs compute; auto: on CUDA if there is any.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and how long it might take.")]

# --- what is printed

OutputFormat = Annotated[Format, typer.Option("--format", help="Output format.")]
