"""A claim, its finding, and how an effect and a threshold make a decision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..statistics import MINIMUM_IMAGES, Interval
from .records import Records

Decision = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a claim: the decision, and the effect in `unit`.

    `count` is the number of rows or spectra used, `used` describes them, and `reason` explains the decision.
    """

    decision: Decision
    effect: Interval
    unit: str
    count: int
    used: str
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis, and the function that judges it; the function's docstring is the rule of decision.

    `rests_on` says whether its finding counts rows or spectra.
    """

    name: str
    statement: str
    judge: Callable[[Records], Finding]
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


def by_size(effect: float, support: float, refutation: float) -> Decision:
    """Decide by an effect without an interval: supported at `support` or above, refuted at `refutation` or below."""
    return "supported" if effect >= support else "refuted" if effect <= refutation else "undecided"


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


def between(decision: Decision, result: str) -> str:
    """Return the result of an effect without an interval, with the reason if it is undecided."""
    if decision != "undecided":
        return result
    return f"{result}; the effect lies between the thresholds of support and refutation"


def in_words(effect: Interval, form: str = "+.1f") -> str:
    """Return an effect with its interval in words, e.g. "+1.2 (+0.8 to +1.5)"."""
    if not effect.known:
        return f"{effect.estimate:{form}}"
    return f"{effect.estimate:{form}} ({effect.low:{form}} to {effect.high:{form}})"
