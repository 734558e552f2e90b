"""The claims of a run file: what they are held against, and how the verdicts are told."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..analysis.claims import CLAIMS, Records, Verdict, judged
from ..analysis.ranking import NotComparable
from ..analysis.statistics import Interval
from ..corruptions.table import CORRUPTIONS
from . import store
from .cell import named
from .provenance import conflict
from .publish import facts

INDENT = "    "


def verdicts(path: Path, names: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdict on each claim that a run file allows, or on those of `names`.

    Raises RunFileError; UnknownName for a name that is no claim's; NotComparable for rows of different versions.
    """
    wanted = [named("claim", name, CLAIMS).name for name in dict.fromkeys(names)]
    return judged(evidence(path), wanted)


def evidence(path: Path) -> Records:
    """Return all that claims are held against; raise RunFileError, or NotComparable for rows of different versions."""
    rows = store.read(path)
    provenances = store.runs(path)
    if reason := conflict(provenances.values()):
        raise NotComparable(f"the rows of {path} cannot be judged together: {reason}")
    return Records(
        rows=rows,
        bands={name: one.band for name, one in CORRUPTIONS.items()},
        spectra=store.spectra(path),
        kinds={line["codec"]: str(line["kind"]) for line in facts(provenances)},
        file=str(path),
    )


def as_text(found: Iterable[Verdict], width: int = 100) -> str:
    """Return verdicts to read: a claim, its rule, what was found, and the rows that say so."""
    parts = []
    for one in found:
        claim, finding = one.claim, one.finding
        head = f"{claim.name} {finding.decision}"
        lines = [f"{head}: {effect(one)}" if effect(one) else head, *_wrapped(claim.statement, width)]
        lines += _wrapped(f"Rule: {claim.rule}", width)
        lines += _wrapped(f"{'Found' if finding.count else 'Lacking'}: {finding.reason}", width)
        if finding.count:
            lines += _wrapped(f"From {counted(one)}: {finding.used}", width)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False)


def effect(one: Verdict) -> str:
    """Return the effect with its interval and unit, "" where none was found."""
    found = one.finding.effect
    if not one.finding.count or not math.isfinite(found.estimate):
        return ""
    ends = f" ({found.low:+.2f} to {found.high:+.2f})" if found.known else ""
    return f"{found.estimate:+.2f}{ends} {one.finding.unit}"


def counted(one: Verdict) -> str:
    """Return how many rows or spectra a verdict rests on."""
    return f"{one.finding.count} {one.claim.rests_on}"


COLUMNS = ("claim", "verdict", "effect and 95 % interval", "statement", "found")


def as_markdown(found: Iterable[Verdict]) -> str:
    """Return verdicts as a Markdown table, with the rules under it."""
    found = list(found)
    lines = [_bar(COLUMNS), _bar(["---"] * len(COLUMNS))]
    for one in found:
        rests = f" ({counted(one)}: {one.finding.used})" if one.finding.count else ""
        cells = (
            one.claim.name,
            one.finding.decision,
            effect(one) or "-",
            one.claim.statement,
            one.finding.reason + rests,
        )
        lines.append(_bar([cell.replace("|", "\\|") for cell in cells]))
    lines += ["", *(f"- {one.claim.name}: {one.claim.rule}" for one in found)]
    return "\n".join(lines) + "\n"


def _bar(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_json(found: Iterable[Verdict]) -> str:
    """Return verdicts as JSON, each number in full, null where it is not known."""
    return json.dumps({"claims": [_data(one) for one in found]}, indent=2) + "\n"


def _data(one: Verdict) -> dict[str, Any]:
    claim, finding = one.claim, one.finding
    return {
        "name": claim.name,
        "statement": claim.statement,
        "rule": claim.rule,
        "verdict": finding.decision,
        "effect": _ends(finding.effect),
        "unit": finding.unit,
        claim.rests_on: finding.count,
        "used": finding.used,
        "reason": finding.reason,
    }


def _ends(effect: Interval) -> dict[str, float | None]:
    ends = {"estimate": effect.estimate, "low": effect.low, "high": effect.high}
    return {name: value if math.isfinite(value) else None for name, value in ends.items()}
