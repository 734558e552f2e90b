"""What has been claimed of codecs under shift, each held against a run file: supported, refuted or undecided.

The claims are hypotheses of "Neural Image Compression: Generalization, Robustness, and Spectral Biases" (Lieberman et
al., 2023), and keep their numbers. Each has a rule that was set before any row was looked at: an effect, and a
threshold it must be beyond. Where rows of single images tell it, its 95 % bootstrap interval over images must be, as a
whole.
Spectra are kept as means over images, so claims of their shape have no interval: between the threshold of support and
that of refutation lies a gap, in which they stay undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import noise, rates, shapes
from .records import NO_INTERVAL, Claim, Decision, Evidence, Finding, Lacking

__all__ = ["CLAIMS", "Claim", "Decision", "Evidence", "Finding", "Verdict", "judged"]

CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        claim.name: claim
        for claim in sorted((*shapes.CLAIMS, *noise.CLAIMS, *rates.CLAIMS), key=lambda claim: int(claim.name[1:]))
    }
)
"""Every claim by name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim and what came of it."""

    claim: Claim
    finding: Finding


def judged(evidence: Evidence, names: Iterable[str] = ()) -> list[Verdict]:
    """Return the verdict on each claim, or on those of `names`; raise KeyError for a name that is no claim's."""
    return [Verdict(CLAIMS[name], _finding(CLAIMS[name], evidence)) for name in list(names) or CLAIMS]


def _finding(claim: Claim, evidence: Evidence) -> Finding:
    try:
        return claim.judge(evidence)
    except Lacking as reason:
        return Finding("undecided", NO_INTERVAL, "", 0, "", str(reason))
