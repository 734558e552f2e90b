"""The claims of the paper, tested on a run file: the data they are judged by, and their verdicts as a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from ...analysis import claims as analysis
from ...analysis.claims import CLAIMS, Verdict, judged
from ..plan.names import named
from .evidence import BANDS, Evidence
from .sheet import Column, Report, Sheet

_NUMBERS = (
    "H1 to H12 restate findings of Lieberman et al., Neural Image Compression: Generalization, Robustness, and "
    "Spectral Biases, NeurIPS 2023, as hypotheses, numbered by this suite; H2, H8 and H11 have no test."
)
"""Where the claims and their numbers come from."""

_COLUMNS = tuple(map(Column, ("claim", "verdict", "effect and 95 % interval", "statement")))


def verdicts(evidence: Evidence, names: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdict on each claim, or on the claims in `names`; raise UnknownName for an unknown claim."""
    wanted = [named("claim", name, CLAIMS).name for name in dict.fromkeys(names)]
    return judged(judged_by(evidence), wanted)


def judged_by(evidence: Evidence) -> analysis.Records:
    """Return the data that the claims are judged by."""
    kinds = {line["codec"]: str(line["kind"]) for line in evidence.facts()}
    shifts, profiles = evidence.shifts(), evidence.profiles()
    return analysis.Records(evidence.rows, BANDS, shifts, profiles, kinds, str(evidence.path), evidence.asked())


def report(verdicts: Iterable[Verdict]) -> Report:
    """Return verdicts as a report: one line per claim, followed by the findings and the rules."""
    verdicts = list(verdicts)
    lines = [
        (verdict.claim.name, verdict.finding.decision, _effect(verdict) or "-", verdict.claim.statement)
        for verdict in verdicts
    ]
    notes = [note for verdict in verdicts for note in _notes(verdict)] + [_NUMBERS]
    records = [_record(verdict) for verdict in verdicts]
    return Report([Sheet(_COLUMNS, lines, notes=notes)], [_flat(verdict) for verdict in verdicts], {"claims": records})


def _effect(verdict: Verdict) -> str:
    effect, finding = verdict.finding.effect, verdict.finding
    if not finding.count or not math.isfinite(effect.estimate):
        return ""
    ends = f" ({effect.low:+.2f} to {effect.high:+.2f})" if effect.known else ""
    return f"{effect.estimate:+.2f}{ends} {finding.unit}"


def _notes(verdict: Verdict) -> tuple[str, str]:
    """Return the reason for a verdict, with the rows or spectra it is based on, and the rule of the claim."""
    claim, finding = verdict.claim, verdict.finding
    if finding.count:
        outcome = f"found: {finding.reason}. Based on {finding.count} {claim.rests_on}: {finding.used}."
    else:
        outcome = f"missing: {finding.reason}"  # which ends in a command
    return f"{claim.name} {outcome}", f"{claim.name} rule: {claim.rule}"


def _record(verdict: Verdict) -> dict[str, Any]:
    claim, finding = verdict.claim, verdict.finding
    return {
        "name": claim.name,
        "statement": claim.statement,
        "rule": claim.rule,
        "verdict": finding.decision,
        "effect": asdict(finding.effect),
        "unit": finding.unit,
        claim.rests_on: finding.count,
        "used": finding.used,
        "reason": finding.reason,
    }


def _flat(verdict: Verdict) -> dict[str, Any]:
    """Return a record of the CSV, in which every claim has the same columns."""
    claim, finding = verdict.claim, verdict.finding
    ends = {"effect": finding.effect.estimate, "effect_low": finding.effect.low, "effect_high": finding.effect.high}
    head = {"name": claim.name, "verdict": finding.decision, **ends, "unit": finding.unit}
    rows = {"count": finding.count, "rests_on": claim.rests_on, "used": finding.used, "reason": finding.reason}
    return {**head, **rows, "statement": claim.statement, "rule": claim.rule}
