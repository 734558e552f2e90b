"""Claims about codecs under shift, each judged by a run file: supported, refuted or undecided.

The claims restate findings of "Neural Image Compression: Generalization, Robustness, and Spectral Biases" (Lieberman et
al., 2023) as hypotheses that rows can decide. H1 to H12 are the numbers of this suite, not of the paper; H2, H8 and H11
have no test. Each claim has a rule that was set before any row was seen: an effect, and a threshold that it must
exceed. Its whole 95 % bootstrap interval over images must lie beyond the threshold; the intervals of a claim of several
parts hold together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import kept, noise, pruning, rates, sets, shapes
from .claim import Claim, Decision, Finding
from .records import NO_INTERVAL, Lacking, Records

__all__ = ["CLAIMS", "Claim", "Decision", "Finding", "Records", "Verdict", "judged"]

CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        claim.name: claim
        for claim in sorted(
            (claim for theme in (shapes, noise, kept, pruning, rates, sets) for claim in theme.CLAIMS),
            key=lambda claim: int(claim.name[1:]),
        )
    }
)
"""Every claim by name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim and its finding."""

    claim: Claim
    finding: Finding


def judged(records: Records, names: Iterable[str] = ()) -> list[Verdict]:
    """Return the verdict on each claim, or on those of `names`; raise KeyError for an unknown name."""
    return [Verdict(CLAIMS[name], _finding(CLAIMS[name], records)) for name in list(names) or CLAIMS]


def _finding(claim: Claim, records: Records) -> Finding:
    try:
        return claim.judge(records)
    except Lacking as reason:
        return Finding("undecided", NO_INTERVAL, "", 0, "", reason.missing, command=reason.command)
