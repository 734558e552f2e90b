"""The published tables of a run file: a line per cell, the provenance of each run, and the settings of each codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ...analysis.ranking import NotComparable
from ...analysis.statistics import summarise
from ..plan.names import file_name
from ..store.facts import FACTS
from ..store.files import write_whole
from .evidence import Evidence, facts

RESULTS_VERSION = 1


def export(evidence: Evidence, folder: Path) -> list[Path]:
    """Write the published tables below `folder` and return the files, e.g. v1/kodak/jpeg.csv.

    One line per (corruption, severity, point) in `<set>/<codec>.csv`, the provenance of each run in `runs/<run>.json`,
    and in `codecs.csv` the settings of each codec in every run that is published there. The same run file gives the
    same bytes. Raises NotComparable for names that would share a file, and for a stranger among the published runs.
    """
    root = folder / f"v{RESULTS_VERSION}"
    tables: dict[Path, pd.DataFrame] = {}
    for (image_set, codec), table in summarise(evidence.rows).groupby(["set", "codec"], sort=True):
        target = root / file_name(str(image_set)) / f"{file_name(str(codec))}.csv"
        if target in tables:
            raise NotComparable(
                f"two sets or codecs of {evidence.path} would both be written to {target}: export them apart"
            )
        tables[target] = table.drop(columns=["set", "codec"])
    runs = dict(sorted(evidence.runs.items()))
    published = _published(root / "runs") | runs
    for target, table in tables.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    (root / "runs").mkdir(exist_ok=True)
    files = list(tables)
    for run, provenance in runs.items():
        files.append(root / "runs" / f"{run}.json")
        write_whole(files[-1], (json.dumps(provenance, indent=2, sort_keys=True) + "\n").encode())
    files.append(root / "codecs.csv")
    write_whole(files[-1], codecs_csv(published).encode())
    return files


def codecs_csv(runs: dict[str, Any]) -> str:
    """Return the settings of each codec in each run as CSV."""
    table = pd.DataFrame(facts(runs), columns=["codec", "run", *FACTS], dtype=object)
    return str(table.to_csv(index=False, lineterminator="\n"))


def _published(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the codecs of every run published in a folder."""
    runs = {}
    for path in folder.glob("*.json"):
        try:
            provenance = json.loads(path.read_text(encoding="utf-8"))
            runs[path.stem] = {"codecs": {str(name): dict(known) for name, known in provenance["codecs"].items()}}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotComparable(f"{path} is not the provenance of a run: move it elsewhere") from error
    return runs
