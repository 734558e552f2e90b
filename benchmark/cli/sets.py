"""Commands for corrupted sets on disk: generate and verify."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from .options import DataDir, Download, Jobs
from .output import duration, refuse, say
from .progress import Progress
from .resolving import data_folder, say_left_out


def generate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SET-c",
            help="Set to corrupt: kodak-c, clic-c, sample-c, folder:PATH or folder:PATH@crop512x768.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write, or to continue.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Corruption (fog) or band of corruptions (low, medium, high). Default: all fifteen. Can be repeated.",
        ),
    ] = None,
    severity: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Severity from 1 to 5. Default: all five. Can be repeated.")
    ] = None,
    jobs: Jobs = None,
    data_dir: DataDir = None,
    download: Download = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw one image under every corruption into this file; with or without --out."
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="ID", help="Image of the preview. Default: the first one of the set.")
    ] = None,
) -> None:
    """Write a corrupted set as DIR/<corruption>/<severity>/<image>.png, with a manifest. Continues if stopped."""
    from ..sets.generate import generate as make
    from ..sets.order import order as ordered

    if out is None and preview is None:
        refuse("expected --out DIR to write the files, or --preview FILE.png to draw one image under every corruption")
    if preview is not None and preview.suffix.lower() != ".png":
        refuse(f"expected --preview FILE.png, got {preview}")
    if preview is not None and not preview.parent.is_dir():
        refuse(f"there is no folder {preview.parent} to write {preview.name} in")
    if image is not None and preview is None:
        refuse("--image chooses the image of --preview: add --preview FILE.png")
    folder, fetch = data_folder(data_dir, download)
    with Progress("download", "looking for images") as progress:
        order = ordered(name, folder, corruption or (), severity or (), download=fetch, progress=progress.task)
    say_left_out(order.images)
    if preview is not None:
        from ..sets.preview import preview as draw

        with Progress("cells") as progress:
            draw(order, preview, image or "", lambda done, total: progress.task("drawing", done, total))
        typer.echo(preview)
    if out is None:
        return
    try:
        with Progress("files") as progress:
            made = make(order, out, jobs=jobs, report=lambda done, total: progress.task("generating", done, total))
    except KeyboardInterrupt:
        say(f"\nstopped: every file written so far is in {out}; the same command continues from there")
        raise typer.Exit(130) from None
    say(
        f"{made.total} files, {made.nbytes / 1e6:.1f} MB, {made.kept} of them already there, in "
        f"{duration(made.wall_s)} -> {out}"
    )
    if made.wall_s > 30:
        say(f"the workers' time: {duration(made.corrupting_s)} corrupting, {duration(made.writing_s)} writing PNG")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that codecshift generate wrote.")],
    jobs: Jobs = None,
) -> None:
    """Check every file of a corrupted set against its manifest, and name those that differ."""
    from ..sets.verify import verify as inspect

    with Progress("files") as progress:
        total, findings = inspect(folder, jobs=jobs, report=lambda done, total: progress.task("verifying", done, total))
    for finding in findings:
        typer.echo(f"{finding.kind:<12}{finding.file}" + (f"  {finding.about}" if finding.about else ""))
    counts = Counter(finding.kind for finding in findings)
    wrong = {kind: count for kind, count in counts.items() if kind != "bytes"}
    same = total - sum(counts[kind] for kind in ("missing", "unreadable", "pixels"))
    typer.echo(
        f"{same} of {total} files have the right pixels"
        + (f", {counts['bytes']} of them stored as different bytes" if counts["bytes"] else "")
        + "".join(f", {count} {'have wrong pixels' if kind == 'pixels' else kind}" for kind, count in wrong.items())
    )
    if wrong:
        raise typer.Exit(1)
