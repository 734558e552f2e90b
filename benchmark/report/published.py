"""Published tables: how they are read, and how the lines of a new export are joined with them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...analysis.ranking import NotComparable
from ..store.provenance import MATCHED, SPECTRA, conflict

LINE_KEY = ("corruption", "severity", "point")
"""The columns that name a line of a published table."""

Runs = Mapping[str, Mapping[str, Any]]
"""The provenance of runs, by run id."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The lines of a published table after an export, as text, and a note on what happened to the earlier lines."""

    lines: pd.DataFrame
    note: str = ""


def csv_of(table: pd.DataFrame) -> bytes:
    """Return a table as it is published."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()


def lines_of(path: Path) -> pd.DataFrame:
    """Return the lines of a published table as text. Raises NotComparable if the file is not a published table."""
    try:
        lines = _lines(path.read_bytes())
        lines[["severity", "n"]].astype(int)
        is_table = {*LINE_KEY, "n", "run"} <= set(lines.columns) and not lines.duplicated([*LINE_KEY]).any()
    except (ValueError, LookupError):
        is_table = False
    if not is_table:
        raise NotComparable(f"{path} is not a published table: move it elsewhere")
    return lines


def runs_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of every run published in a folder, by run id.

    Raises NotComparable for a file that is not the provenance of a run.
    """
    runs = {}
    for path in sorted(folder.glob("*.json")):
        try:
            provenance = json.loads(path.read_text(encoding="utf-8"))
            runs[path.stem] = {
                **provenance,
                "codecs": {name: dict(known) for name, known in provenance["codecs"].items()},
            }
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotComparable(f"{path} is not the provenance of a run: move it elsewhere") from error
    return runs


def runs_of(lines: pd.DataFrame) -> set[str]:
    """Return the ids of the runs that made the lines."""
    return {run for runs in lines["run"] for run in runs.split()}


def has_no_lines_of_its_own(provenance: Mapping[str, Any]) -> bool:
    """Return whether a run is published even if no line names it, because it recorded matched points or spectra."""
    return MATCHED in provenance or SPECTRA in provenance


def merged(path: Path, table: pd.DataFrame, name: tuple[str, str], runs: Runs, published: Runs) -> Joined:
    """Return the lines of a table joined with those published at `path` for the same set and codec.

    A new line replaces the published line with the same key (corruption, severity, point) unless it covers fewer images
    or leaves a field empty that was filled. `name` is the set and codec, `runs` are the runs of the table, `published`
    those of the folder. Raises NotComparable if a line that is kept cannot be combined with those of the table.
    """
    fresh = _lines(csv_of(table))
    if not path.exists():
        return Joined(fresh)
    old = lines_of(path)
    for run in sorted(runs_of(old) - set(runs)):
        if run not in published:
            raise NotComparable(
                f"{path} names run {run}, whose provenance is not published: export its run file again, or replace the "
                "table with --replace"
            )
        if name[0] not in published[run].get("sets", ()) or name[1] not in published[run]["codecs"]:
            raise NotComparable(f"{path} is for another set or codec than {' '.join(name)}: export to another folder")
    columns = [*fresh.columns, *(column for column in old.columns if column not in fresh.columns)]
    by_key = [lines.reindex(columns=columns, fill_value="").set_index([*LINE_KEY]) for lines in (old, fresh)]
    old, fresh = by_key
    both = old.index.intersection(fresh.index)
    was, would_be = old.loc[both], fresh.loc[both]
    is_less = (would_be["n"].astype(int) < was["n"].astype(int)) | ((would_be == "") & (was != "")).any(axis=1)
    changed = int(((was != would_be).any(axis=1) & ~is_less).sum())
    stays = ~old.index.isin(both[~is_less])
    kept = old[stays]
    _refuse_strangers(path, kept, name, runs, published)
    lines = pd.concat([fresh[~fresh.index.isin(kept.index)], kept]).reset_index()[columns]
    order = lines.assign(severity=lines["severity"].astype(int)).sort_values([*LINE_KEY]).index
    fuller = int(is_less.sum())
    counts = {
        "added": len(fresh) - len(both),
        "replaced": changed,
        "kept because the run file lacks them": len(kept) - fuller,
        "kept because they cover more images or measures than the run file": fuller,
    }
    note = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return Joined(lines.loc[order], f"lines of {path}: {note}" if note else "")


def replaced(path: Path, table: pd.DataFrame, _name: tuple[str, str], _runs: Runs, _published: Runs) -> Joined:
    """Return only the lines of the table, and replace anything that is published at `path`."""
    fresh = _lines(csv_of(table))
    if not path.exists() or path.read_bytes() == csv_of(fresh):
        return Joined(fresh)
    try:
        before = str(len(lines_of(path)))
    except NotComparable:
        before = "something else"
    return Joined(fresh, f"lines of {path}: {before} replaced by {len(fresh)}")


def _lines(content: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, index_col=False)


def _refuse_strangers(path: Path, kept: pd.DataFrame, name: tuple[str, str], runs: Runs, published: Runs) -> None:
    """Raise NotComparable if the kept lines were made by another codec, set, corruption or measure."""
    kept_runs = {run: published[run] for run in runs_of(kept) - set(runs)}
    corruptions = set(kept.index.get_level_values("corruption"))
    parts = [
        _part(provenance, name, corruptions)
        for provenance in (*kept_runs.values(), *(runs.values() if kept_runs else ()))
    ]
    if reason := conflict(parts):
        raise NotComparable(
            f"{path} holds lines that cannot be combined with those of this run file: {reason}; export to another "
            "folder, or replace the table with --replace"
        )


def _part(provenance: Mapping[str, Any], name: tuple[str, str], corruptions: set[str]) -> dict[str, Any]:
    """Return the part of a provenance that concerns one set, one codec and some corruptions, without spectra."""
    part = {"measures": {}} | {key: value for key, value in provenance.items() if key != SPECTRA}
    for key, wanted in (("sets", {name[0]}), ("codecs", {name[1]}), ("corruptions", corruptions)):
        part[key] = {key_name: known for key_name, known in part.get(key, {}).items() if key_name in wanted}
    return part
