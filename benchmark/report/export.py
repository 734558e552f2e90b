"""The published tables of a run file: a line per cell, the provenance of each run, and the settings of each codec."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...analysis.ranking import NotComparable
from ...analysis.statistics import summarise
from ..plan.names import file_name
from ..store.facts import FACTS
from ..store.files import write_together, write_whole
from .evidence import Evidence, facts
from .published import Joined, Runs, csv_of, has_no_lines_of_its_own, lines_of, merged, runs_in, runs_of

RESULTS_VERSION = 1
UNFINISHED = ".unfinished"
"""The folder, beside the published ones, in which files are written before they are moved into place."""

Join = Callable[[Path, pd.DataFrame, tuple[str, str], Runs, Runs], Joined]
"""Joins new lines with those already published: `published.merged` or `published.replaced`."""


@dataclass(frozen=True, slots=True)
class Export:
    """The files of an export, and notes on what happened to the lines that were published before."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def export(evidence: Evidence, folder: Path, join: Join = merged) -> Export:
    """Write the published tables below `folder`, e.g. v1/kodak/jpeg.csv, joined with the tables already there.

    `<set>/<codec>.csv` has one line per (corruption, severity, point), `runs/<run>.json` the provenance of a run, and
    `codecs.csv` the settings of each codec in every published run. The same run file gives the same bytes.

    All files are written to a temporary folder and then moved into place, provenance before the tables that name it.
    After an interruption each table is either the old or the new one, and the same command finishes the export.

    Raises NotComparable, before anything is written, if two names would share a file, if a published file is not one
    of ours, or if published lines cannot be combined with those of the run file.
    """
    root = _root(folder)
    published = runs_in(root / "runs")
    tables = {
        target: join(target, table, name, evidence.runs, published)
        for target, (name, table) in _tables(evidence, root).items()
    }
    named = {run for joined in tables.values() for run in runs_of(joined.lines)}
    other_tables = {path: runs_of(lines_of(path)) for path in sorted(root.glob("*/*.csv")) if path not in tables}
    named = named.union(*other_tables.values())
    runs = {run: known for run, known in evidence.runs.items() if run in named or has_no_lines_of_its_own(known)}
    contents = {_place(root, run): _json(known) for run, known in sorted(runs.items())}
    contents[root / "codecs.csv"] = codecs_csv({**published, **runs}).encode()
    contents |= {target: csv_of(joined.lines) for target, joined in tables.items()}
    write_together(contents, root / UNFINISHED)
    notes = [joined.note for joined in tables.values() if joined.note]
    notes += [
        f"{path} names run {run}, whose provenance is not published: export its run file again"
        for path, known in other_tables.items()
        for run in sorted(known - published.keys() - runs.keys())
    ]
    return Export((*tables, *(path for path in contents if path not in tables)), tuple(notes))


def orphans(folder: Path) -> list[Path]:
    """Return the published provenance files that no table below `folder` names and that record nothing else."""
    root = _root(folder)
    named: set[str] = set().union(*(runs_of(lines_of(path)) for path in root.glob("*/*.csv")))
    published = runs_in(root / "runs")
    return [
        _place(root, run)
        for run, known in sorted(published.items())
        if run not in named and not has_no_lines_of_its_own(known)
    ]


def remove_orphans(folder: Path) -> list[Path]:
    """Remove the files that `orphans` returns and their lines in `codecs.csv`; return the removed files."""
    root, removed = _root(folder), orphans(folder)
    if removed:
        stems = {path.stem for path in removed}
        others = {run: known for run, known in runs_in(root / "runs").items() if run not in stems}
        write_whole(root / "codecs.csv", codecs_csv(others).encode())
    for path in removed:
        path.unlink()
    return removed


def _tables(evidence: Evidence, root: Path) -> dict[Path, tuple[tuple[str, str], pd.DataFrame]]:
    """Return, by the path of each published table, its set, its codec and its lines."""
    tables: dict[Path, tuple[tuple[str, str], pd.DataFrame]] = {}
    for (image_set, codec), table in summarise(evidence.rows).groupby(["set", "codec"], sort=True):
        target = root / file_name(str(image_set)) / f"{file_name(str(codec))}.csv"
        if target in tables:
            raise NotComparable(
                f"two sets or codecs of {evidence.path} would both be written to {target}: export them separately"
            )
        tables[target] = (str(image_set), str(codec)), table.drop(columns=["set", "codec"])
    return tables


def _root(folder: Path) -> Path:
    return folder / f"v{RESULTS_VERSION}"


def _place(root: Path, run: str) -> Path:
    return root / "runs" / f"{run}.json"


def _json(provenance: Mapping[str, Any]) -> bytes:
    return (json.dumps(provenance, indent=2, sort_keys=True) + "\n").encode()


def codecs_csv(runs: Runs) -> str:
    """Return the settings of each codec in each run as CSV."""
    table = pd.DataFrame(facts(runs), columns=["codec", "run", *FACTS], dtype=object)
    return str(table.to_csv(index=False, lineterminator="\n"))
