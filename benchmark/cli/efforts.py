"""The command that measures effort curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..report.sheet import Format
from .options import DataDir, Download, OutputFormat
from .output import refuse, say, show
from .progress import Progress
from .resolving import data_folder


def effort(
    codec: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CODEC]...", help="Codecs with an effort setting. Default: all.", show_default=False),
    ] = None,
    set_: Annotated[str, typer.Option("--set", metavar="SET", help="Image set; its images are used clean.")] = "sample",
    images: Annotated[int, typer.Option(metavar="N", min=1, help="Only the first N images of the set.")] = 6,
    data_dir: DataDir = None,
    download: Download = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="File to write the curves to, as CSV.")] = None,
    measured: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Show the curves of a file that --out wrote, instead of measuring."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to draw the curves to: .png, .pdf or .svg.")
    ] = None,
    format: OutputFormat = Format.text,  # noqa: A002
) -> None:
    """Measure what each value of a codec's effort setting saves and costs, and where its knee is."""
    from dataclasses import replace
    from functools import partial

    from ...codecs.registry import BUILT_IN, UnknownCodec, find, identify
    from ...corruptions.sets import open_set
    from ..measure.effort import curve, with_curves
    from ..report import efforts as told
    from ..store.files import write_whole

    for path in (out, figure):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            refuse(f"{path} cannot be written: expected the path of a file in an existing folder")
    if figure is not None and figure.suffix not in {".png", ".pdf", ".svg"}:
        refuse(f"expected a figure called .png, .pdf or .svg, got {figure}")
    if measured is not None:
        if codec or out is not None:
            refuse("--measured shows a file as it is: leave out the codecs and --out")
        curves = told.read(measured)
        if figure is not None:
            told.draw(curves, figure)
        show(told.report(curves), format)
        return
    offered = with_curves(BUILT_IN)
    specs = [find(label)[0] for label in codec] if codec else offered
    for spec in specs:
        if not spec.efforts:
            names = ", ".join(spec.name for spec in offered)
            raise UnknownCodec(f"{spec.name} has no effort setting: expected one of {names}")
        identify(spec)
    folder, fetch = data_folder(data_dir, download)
    curves = []
    with Progress("trials", "looking for images") as progress:
        image_set = open_set(set_, folder, download=fetch, progress=progress.task)
        first = replace(image_set, sources=image_set.sources[:images])
        for spec in specs:
            curves += curve(spec, first, partial(progress.task, spec.name))
            if out is not None:  # a curve takes minutes: those that are complete are kept
                write_whole(out, told.table(curves).encode())
    if out is not None:
        say(f"{len(curves)} efforts -> {out}")
    if figure is not None:
        told.draw(curves, figure)
    show(told.report(curves), format)
