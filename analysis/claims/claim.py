"""A claim, its finding, and how effects and thresholds make a decision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from ..statistics import CONFIDENCE, MINIMUM_IMAGES, Interval, Resampled
from .records import Records

Decision = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a claim: the decision, and the effect in `unit`.

    `count` is the number of rows or spectra used, `used` describes them, `codecs` are those that the decision is of,
    and `reason` explains it. If rows or spectra are missing, `reason` names them, and `command` measures them.
    """

    decision: Decision
    effect: Interval
    unit: str
    count: int
    used: str
    reason: str
    codecs: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis, and the function that judges it; the function's docstring is the rule of decision.

    `version` rises whenever the rule changes what it can find, and `since` is the day of that change. `rests_on` says
    whether its finding counts rows or spectra.
    """

    name: str
    statement: str
    judge: Callable[[Records], Finding]
    version: int
    since: date
    rests_on: Literal["rows", "spectra"] = "rows"

    @property
    def rule(self) -> str:
        """The rule of decision, from the docstring of the function that applies it."""
        return " ".join((inspect.getdoc(self.judge) or "").split())


def above(effect: Interval, threshold: float) -> Decision:
    """Decide whether an effect is above a threshold by its interval; undecided without an interval."""
    if effect.low > threshold:
        return "supported"
    return "refuted" if effect.high < threshold else "undecided"


def below(effect: Interval, threshold: float) -> Decision:
    """Decide whether an effect is below a threshold by its interval; undecided without an interval."""
    return above(Interval(-effect.estimate, -effect.high, -effect.low), -threshold)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a claim: an effect that is claimed to lie above, or below, a threshold."""

    effect: Resampled
    side: Literal["above", "below"]
    threshold: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The decision on one part of a claim, and the interval that it rests on."""

    decision: Decision
    effect: Interval


def judged_together(parts: Sequence[Part]) -> list[Judged]:
    """Return the decision on each part of a claim, all of them right with the default confidence.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2), 1979: with
    m parts still to decide, each interval has the error rate of one part divided by m; the parts decided at that level
    are set aside, and the others are judged again, until no interval excludes its threshold.
    """
    judged: dict[int, Judged] = {}
    while remaining := [place for place in range(len(parts)) if place not in judged]:
        confidence = 1 - (1 - CONFIDENCE) / len(remaining)
        step = {place: _judged(parts[place], confidence) for place in remaining}
        decided = {place: part for place, part in step.items() if part.decision != "undecided"}
        judged |= decided or step
    return [judged[place] for place in range(len(parts))]


def _judged(part: Part, confidence: float) -> Judged:
    effect = part.effect.interval(confidence)
    return Judged((above if part.side == "above" else below)(effect, part.threshold), effect)


def together(decisions: Iterable[Decision]) -> Decision:
    """Return the decision on a claim of several parts: refuted if any part is, else undecided if any part is."""
    decisions = list(decisions)
    if "refuted" in decisions:
        return "refuted"
    return "undecided" if "undecided" in decisions else "supported"


def because(images: int, decision: Decision, result: str) -> str:
    """Return the result, with the reason if the intervals leave it undecided."""
    if images < MINIMUM_IMAGES:
        return (
            f"{result}; confidence intervals need at least {MINIMUM_IMAGES} images, and only {images} can be compared"
        )
    return f"{result}; a confidence interval contains its threshold" if decision == "undecided" else result


def in_words(effect: Interval, form: str = "+.1f") -> str:
    """Return an effect with its interval in words, e.g. "+1.2 (+0.8 to +1.5)"."""
    if not effect.known:
        return f"{effect.estimate:{form}}"
    return f"{effect.estimate:{form}} ({effect.low:{form}} to {effect.high:{form}})"
