"""The figures of a run file: what there is to draw from, which can be drawn, and the files they are written to."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..analysis.figures import FIGURES, Drawing, Kind, Material, NothingToDraw
from ..analysis.figures.style import plain
from ..analysis.ranking import NotComparable
from ..codecs.protocol import Spec
from ..corruptions.table import CORRUPTIONS
from . import store
from .cell import named
from .pictures import Remade
from .provenance import SPECTRA, conflict
from .publish import facts, file_name

NO_DATES = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
"""What is kept out of each format's metadata, so that the same run file gives the same bytes."""


@dataclass(frozen=True, slots=True)
class State:
    """How a kind of figure stands with one set of a run file: what is missing, "" where it can be drawn."""

    kind: Kind
    set: str
    missing: str


def evidence(path: Path, data_dir: Path, extra: Sequence[Spec] = ()) -> Iterator[tuple[str, Material]]:
    """Yield each set of a run file with all there is to draw from.

    Its images are looked for in `data_dir`; `extra` are codecs known beside those of the catalogue.

    Raises RunFileError, and NotComparable for rows that may not stand in one figure.
    """
    rows = store.read(path)
    provenances = store.runs(path)
    if rows.empty:
        raise NotComparable(f"{path} holds no rows")
    reason = conflict(provenances.values())
    if reason:
        raise NotComparable(f"the rows of {path} cannot be drawn in one figure: {reason}")
    bands = {name: one.band for name, one in CORRUPTIONS.items()}
    spectra = store.spectra(path)
    for of, part in rows.groupby("set", sort=True):
        runs = tuple(sorted(part["run"].unique()))
        stated = {line["codec"]: line for line in facts({run: provenances[run] for run in runs})}
        windows = {provenances[run][SPECTRA]["window"] for run in runs if SPECTRA in provenances[run]}
        yield (
            str(of),
            Material(
                rows=part,
                bands=bands,
                spectra=spectra[spectra["set"] == of],
                pictures=Remade(path, str(of), [provenances[run] for run in runs], data_dir, extra),
                runs=runs,
                codecs=stated,
                window=next(iter(windows), "none"),
                file=str(path),
            ),
        )


def listing(path: Path, data_dir: Path, names: Sequence[str] = ()) -> list[State]:
    """Return how each kind of figure, or each of `names`, stands with each set of a run file; raises as `figures`."""
    chosen = kinds(names)
    return [State(kind, of, kind.missing(one)) for of, one in evidence(path, data_dir) for kind in chosen]


def figures(
    path: Path,
    folder: Path,
    names: Sequence[str],
    formats: Sequence[str],
    data_dir: Path,
    *,
    extra: Sequence[Spec] = (),
    report: Callable[[str], None] = lambda _line: None,
) -> Iterator[Path]:
    """Draw figures of a run file into `folder`, each with a caption, and yield the files as they are written.

    All that can be drawn without `names`; `report` is told of each that cannot, and why. The same run file gives the
    same bytes. Raises RunFileError; UnknownName for a name that is no figure; NotComparable as `evidence`;
    NothingToDraw for a figure of `names` that no set suffices for, or where nothing can be drawn at all.
    """
    chosen = kinds(names)
    sets = list(evidence(path, data_dir, extra))
    folder.mkdir(parents=True, exist_ok=True)
    drawn: set[str] = set()
    reasons: dict[str, str] = {}
    for of, one in sets:
        for kind in chosen:
            title = f"{kind.name} of {of}" if len(sets) > 1 else kind.name
            try:
                with plain():
                    for drawing in _drawn(kind, one):
                        yield from _written(folder, kind, of, one, drawing, formats)
            except NothingToDraw as error:
                reasons.setdefault(kind.name, str(error))
                if not names or len(sets) > 1:
                    report(f"{title} is not drawn: {error}")
                continue
            drawn.add(kind.name)
    lacking = [name for name in reasons if name not in drawn]
    if lacking and (names or not drawn):
        raise NothingToDraw(f"{lacking[0]}: {reasons[lacking[0]]}")


def kinds(names: Sequence[str] = ()) -> list[Kind]:
    """Return the kinds of figures of these names, all without names; raise UnknownName for one that is none."""
    return [named("figure", name, FIGURES) for name in dict.fromkeys(names)] or list(FIGURES.values())


def _drawn(kind: Kind, one: Material) -> tuple[Drawing, ...]:
    if lacking := kind.missing(one):
        raise NothingToDraw(lacking)
    return kind.draw(one)


def _written(
    folder: Path, kind: Kind, of: str, one: Material, drawing: Drawing, formats: Sequence[str]
) -> Iterator[Path]:
    stem = "-".join(part for part in (kind.name, drawing.suffix, file_name(of)) if part)
    for form in formats:
        target = folder / f"{stem}.{form}"
        drawing.figure.savefig(target, format=form, metadata=NO_DATES[form])
        yield target
    caption = folder / f"{stem}.txt"
    caption.write_text(_caption(kind, of, one, drawing), encoding="utf-8")
    yield caption


def _caption(kind: Kind, of: str, one: Material, drawing: Drawing) -> str:
    rows = one.rows
    ok = int((rows["status"] == "ok").sum())
    lines = (
        f"{drawing.about or kind.about}. Set {of}: {rows['image'].nunique()} images.",
        kind.rule,
        drawing.note,
        f"Drawn from {drawing.used}; in all {ok} rows were measured, {len(rows) - ok} failed or were skipped.",
        f"Run {', '.join(one.runs)}.",
    )
    return "\n".join(textwrap.fill(line, 100) for line in lines if line) + "\n"
