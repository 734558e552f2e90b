"""The figures of a run file: the data they are drawn from, which of them can be drawn, and their files."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...analysis import figures as analysis
from ...analysis.counted import counted
from ...analysis.figures import FIGURES, Chosen, Drawing, Kind, NothingToDraw
from ...analysis.figures.parts.style import TWO_COLUMNS, lay_out, plain
from ...analysis.measures.table import PSNR
from ...codecs.protocol import Spec
from ..measure.remade import Remade
from ..plan.names import file_name, named
from ..store.files import write_whole
from .evidence import BANDS, Choice, Evidence
from .sheet import Column, Report, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_DATES = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
"""The metadata that each format leaves out, so that the same run file gives the same bytes."""


def drawn_from(
    evidence: Evidence,
    data_dir: Path,
    extra: Sequence[Spec] = (),
    anchor: str | None = None,
    *,
    image: str = "",
    width: float = TWO_COLUMNS,
    quality: str = PSNR.name,
) -> Iterator[tuple[str, analysis.Material]]:
    """Yield the name of each set with the data that its figures are drawn from.

    The images of the set are looked up in `data_dir`. `extra` are codecs in addition to those of the catalogue.
    `anchor` is the codec that others are compared with, by default that of the leaderboard. `image` is shown where a
    figure shows one image. `width` is that of a page of figures in inches. `quality` is the measure of rate curves and
    rankings. Raises UnknownName for an unknown image, and NotComparable if the rows lack the measure.
    """
    evidence.require(quality)
    if image:
        named("image", image, {str(name): name for name in evidence.rows["image"].unique()})
    asked = evidence.choice
    chosen = Chosen(
        tuple(name for name in asked.corruptions if name in BANDS),
        tuple((codec, point) for codec, at, point in (label.partition(":") for label in asked.codecs) if at),
        image,
        width,
        quality,
    )
    for part in evidence.by_set():
        image_set = str(part.rows["set"].iloc[0])
        runs = tuple(sorted(part.rows["run"].unique()))
        opened = [options.sets[image_set] for options in part.asked() if image_set in options.sets]
        yield (
            image_set,
            analysis.Material(
                rows=part.rows,
                bands=BANDS,
                spectra=_of_rows(part.spectra(), part.rows),
                shifts=part.shifts(),
                pictures=Remade(part.path, image_set, [part.runs[run] for run in runs], data_dir, extra, opened),
                runs=runs,
                codecs={line["codec"]: line for line in part.facts() if line["run"] in runs},
                window=part.spectra_settings().get("window", "none"),
                file=str(part.path),
                asked=part.asked(),
                anchor=anchor,
                chosen=chosen,
            ),
        )


def _of_rows(spectra: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the spectra of conditions and settings that have rows; those of images and shifts belong to no setting."""
    conditions = set(zip(rows["corruption"], rows["severity"], strict=True))
    settings = {("", ""), *zip(rows["codec"], rows["point"], strict=True)}
    kept = [
        (name, severity) in conditions and (codec, point) in settings
        for name, severity, codec, point in zip(
            *(spectra[column] for column in ("corruption", "severity", "codec", "point")), strict=True
        )
    ]
    return spectra[np.array(kept, np.bool_)]


def kinds(names: Sequence[str] = ()) -> list[Kind]:
    """Return the kinds of figures with these names, or all kinds; raise UnknownName for an unknown name."""
    return [named("figure", name, FIGURES) for name in dict.fromkeys(names)] or list(FIGURES.values())


def kinds_report(kinds: Sequence[Kind]) -> Report:
    """Return a list of kinds of figures with the data that each needs."""
    lines = [(kind.name, kind.about, "; ".join(need.about for need in kind.needs)) for kind in kinds]
    return Report([Sheet(tuple(map(Column, ("figure", "what", "needs"))), lines)])


def states_report(evidence: Evidence, data_dir: Path, names: Sequence[str] = (), extra: Sequence[Spec] = ()) -> Report:
    """Return which kinds of figures (all, or those in `names`) can be drawn for each set, and what the others lack."""
    chosen, sets = kinds(names), list(drawn_from(evidence, data_dir, extra))
    missing = {
        f"{kind.name} of {image_set}" if len(sets) > 1 else kind.name: kind.missing(material)
        for image_set, material in sets
        for kind in chosen
    }
    lines = [(name, "cannot be drawn" if lacking else "can be drawn") for name, lacking in missing.items()]
    notes = [f"{name}: {lacking}" for name, lacking in missing.items() if lacking]
    return Report([Sheet(tuple(map(Column, ("figure", "state"))), lines, notes=notes)])


def figures(
    evidence: Evidence,
    folder: Path,
    names: Sequence[str],
    formats: Sequence[str],
    data_dir: Path,
    *,
    extra: Sequence[Spec] = (),
    anchor: str | None = None,
    image: str = "",
    width: float = TWO_COLUMNS,
    quality: str = PSNR.name,
    skipped: Callable[[str], None] = lambda _line: None,
) -> Iterator[Path]:
    """Draw figures into `folder`, each with a caption, and yield the files as they are written.

    Without `names`, every figure that can be drawn is drawn; `skipped` is called with a line for each of the others
    that gives the reason. The same run file gives the same bytes. Raises UnknownName for an unknown name or
    image, and NothingToDraw if a figure in `names` can be drawn for no set, or if no figure can be drawn at all.
    """
    chosen = kinds(names)
    sets = list(drawn_from(evidence, data_dir, extra, anchor, image=image, width=width, quality=quality))
    folder.mkdir(parents=True, exist_ok=True)
    drawn: set[str] = set()
    reasons: dict[str, str] = {}
    for image_set, material in sets:
        for kind in chosen:
            title = f"{kind.name} of {image_set}" if len(sets) > 1 else kind.name
            try:
                with plain():
                    for drawing in kind.draw(material):
                        stem = "-".join(part for part in (kind.name, drawing.suffix, file_name(image_set)) if part)
                        caption = _caption(kind, image_set, material, drawing, evidence.choice)
                        yield from save(drawing.figure, folder / stem, formats, caption)
            except NothingToDraw as error:
                reasons.setdefault(kind.name, str(error))
                if not names or len(sets) > 1:
                    skipped(f"{title} is not drawn: {error}")
                continue
            drawn.add(kind.name)
    lacking = [name for name in reasons if name not in drawn]
    if lacking and (names or not drawn):
        raise NothingToDraw(f"{lacking[0]}: {reasons[lacking[0]]}")


def save(figure: Figure, stem: Path, formats: Sequence[str], caption: str) -> Iterator[Path]:
    """Write a figure in each format and its caption as a text file; yield the files as they are written."""
    for form in formats:
        target = stem.with_name(f"{stem.name}.{form}")
        write_picture(figure, target)
        yield target
    target = stem.with_name(f"{stem.name}.txt")
    write_whole(target, caption.encode())
    yield target


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's ending, without dates: the same figure gives the same bytes."""
    form = path.suffix[1:]
    lay_out(figure)
    image = io.BytesIO()
    figure.savefig(image, format=form, metadata=_NO_DATES[form])
    write_whole(path, image.getvalue())


def _restriction(choice: Choice) -> str:
    """Return a sentence on the rows that were chosen by codec, corruption or severity, "" if all were."""
    parts = {"codecs": choice.codecs, "corruptions": choice.corruptions, "severities": choice.severities}
    chosen = [f"{what} {', '.join(map(str, names))}" for what, names in parts.items() if names]
    return f"Chosen: {'; '.join(chosen)}." if chosen else ""


def _caption(kind: Kind, image_set: str, material: analysis.Material, drawing: Drawing, choice: Choice) -> str:
    rows = material.rows
    ok = int((rows["status"] == "ok").sum())
    lines = (
        f"{drawing.about or kind.about}. Set {image_set}: {counted(rows['image'].nunique(), 'image')}.",
        kind.rule,
        drawing.note,
        _restriction(choice),
        f"Drawn from {drawing.used}. Rows in all: {ok} measured, {len(rows) - ok} failed or skipped.",
        f"Run {', '.join(material.runs)}.",
    )
    return "\n".join(textwrap.fill(line, 100) for line in lines if line) + "\n"
