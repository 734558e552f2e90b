"""The command that adds missing rows to a run file, for messages about what is missing."""

from __future__ import annotations

import pandas as pd


def run_command(rows: pd.DataFrame, file: str, *options: str) -> str:
    """Return the `codecshift run` command that adds rows to a run file, for the first set of its rows."""
    return " ".join(["codecshift run", f"--set {first_set(rows)}", *options, f"--out {file}"])


def first_set(rows: pd.DataFrame) -> str:
    """Return the first set of rows, "SET" for no rows."""
    return str(next(iter(rows["set"]), "SET"))
