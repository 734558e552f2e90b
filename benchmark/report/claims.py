"""The claims of the paper, tested on a run file: the data they are judged by, and their verdicts as a report."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from ...analysis import claims as analysis
from ...analysis.claims import CLAIMS, Verdict, judged
from ...analysis.commands import merged
from ...analysis.counted import counted
from ..plan.names import named
from .evidence import BANDS, Evidence
from .sheet import Column, Report, Sheet

_NUMBERS = (
    "H1 to H12 restate findings of Lieberman et al., Neural Image Compression: Generalization, Robustness, and "
    "Spectral Biases, NeurIPS 2023, as hypotheses, numbered by this suite; H2, H8 and H11 have no test."
)
"""Where the claims and their numbers come from."""

_FOUND = (*map(Column, ("claim", "verdict", "effect and 95 % interval", "rule", "statement")),)
_UNDECIDED = (*map(Column, ("undecided", "rule", "statement", "missing")),)


def verdicts(evidence: Evidence, names: Sequence[str] = ()) -> list[Verdict]:
    """Return the verdict on each claim, or on the claims in `names`; raise UnknownName for an unknown claim."""
    wanted = [named("claim", name, CLAIMS).name for name in dict.fromkeys(names)]
    return judged(judged_by(evidence), wanted)


def judged_by(evidence: Evidence) -> analysis.Records:
    """Return the data that the claims are judged by."""
    facts = evidence.facts()
    return analysis.Records(
        rows=evidence.rows,
        bands=BANDS,
        shifts=evidence.shifts(),
        profiles=evidence.profiles(),
        kinds={line["codec"]: str(line["kind"]) for line in facts},
        settings={line["codec"]: str(line["settings"] or "") for line in facts},
        file=str(evidence.path),
        asked=evidence.asked(),
    )


def report(verdicts: Iterable[Verdict], rules: Container[str] = ()) -> Report:
    """Return verdicts as a report: the claims with findings, then those that lack rows or spectra.

    The rules of the claims named in `rules` are written out. The commands that measure what is missing come last.
    """
    verdicts = list(verdicts)
    findings = [verdict for verdict in verdicts if verdict.finding.count]
    lacking = [verdict for verdict in verdicts if not verdict.finding.count]
    sheets = []
    if findings:
        lines = [
            (verdict.claim.name, verdict.finding.decision, _effect(verdict), _version(verdict), verdict.claim.statement)
            for verdict in findings
        ]
        sheets.append(Sheet(_FOUND, lines, notes=[_note(verdict) for verdict in findings]))
    if lacking:
        needs = [
            (verdict.claim.name, _version(verdict), verdict.claim.statement, verdict.finding.reason)
            for verdict in lacking
        ]
        commands = merged(verdict.finding.command for verdict in lacking if verdict.finding.command)
        sheets.append(Sheet(_UNDECIDED, needs, notes=[f"Measure what is missing: {command}" for command in commands]))
    written = [verdict.claim for verdict in verdicts if verdict.claim.name in rules]
    notes = [f"{claim.name} rule: {claim.rule}" for claim in written] + [_NUMBERS]
    sheets[-1] = replace(sheets[-1], notes=[*sheets[-1].notes, *notes])
    records = [_record(verdict) for verdict in verdicts]
    return Report(sheets, [_flat(verdict) for verdict in verdicts], {"claims": records})


def _version(verdict: Verdict) -> str:
    return f"v{verdict.claim.version}, {verdict.claim.since}"


def _effect(verdict: Verdict) -> str:
    effect, finding = verdict.finding.effect, verdict.finding
    if not math.isfinite(effect.estimate):
        return "-"
    ends = f" ({effect.low:+.2f} to {effect.high:+.2f})" if effect.known else ""
    return f"{effect.estimate:+.2f}{ends} {finding.unit}"


def _note(verdict: Verdict) -> str:
    """Return the reason for a verdict, with the codecs it is of and the rows or spectra it is based on."""
    claim, finding = verdict.claim, verdict.finding
    codecs = f"{counted(len(finding.codecs), 'codec')} ({', '.join(finding.codecs)})"
    return f"{claim.name} of {codecs}: {finding.reason}. Based on {finding.count} {claim.rests_on}: {finding.used}."


def _record(verdict: Verdict) -> dict[str, Any]:
    claim, finding = verdict.claim, verdict.finding
    return {
        "name": claim.name,
        "statement": claim.statement,
        "rule": claim.rule,
        "version": claim.version,
        "since": claim.since.isoformat(),
        "verdict": finding.decision,
        "codecs": list(finding.codecs),
        "effect": asdict(finding.effect),
        "unit": finding.unit,
        claim.rests_on: finding.count,
        "used": finding.used,
        "reason": finding.reason,
        "command": finding.command,
    }


def _flat(verdict: Verdict) -> dict[str, Any]:
    """Return a record of the CSV, in which every claim has the same columns."""
    claim, finding = verdict.claim, verdict.finding
    ends = {"effect": finding.effect.estimate, "effect_low": finding.effect.low, "effect_high": finding.effect.high}
    head = {"name": claim.name, "verdict": finding.decision, **ends, "unit": finding.unit}
    rows = {"count": finding.count, "rests_on": claim.rests_on, "used": finding.used, "reason": finding.reason}
    rule = {"statement": claim.statement, "rule": claim.rule, "version": claim.version, "since": str(claim.since)}
    return {**head, **rows, **rule, "codecs": " ".join(finding.codecs), "command": finding.command}
