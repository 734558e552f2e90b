"""A claim, what came of it, and how an effect and its threshold make a decision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ..counted import counted
from ..statistics import MINIMUM_IMAGES, Interval
from .records import Records

Decision = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a claim: `effect` in `unit`, how many rows or spectra it rests on, which those are, and why."""

    decision: Decision
    effect: Interval
    unit: str
    count: int
    used: str
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis, and the function that judges it; the function's docstring is the rule of decision.

    `rests_on` says what its finding counts.
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
    """Decide by an effect without an interval: supported from one threshold up, refuted from another down."""
    return "supported" if effect >= support else "refuted" if effect <= refutation else "undecided"


def together(decisions: Iterable[Decision]) -> Decision:
    """Return the decision on a claim of several parts: a refuted part refutes it, an undecided one leaves it open."""
    decisions = list(decisions)
    if "refuted" in decisions:
        return "refuted"
    return "undecided" if "undecided" in decisions else "supported"


def because(images: int, decision: Decision, result: str) -> str:
    """Return the result, and why it decides nothing if it does not."""
    if images < MINIMUM_IMAGES:
        return f"{result}; no intervals over {counted(images, 'image')}, at least {MINIMUM_IMAGES} are needed"
    return f"{result}; an interval holds its threshold" if decision == "undecided" else result


def between(decision: Decision, result: str) -> str:
    """Return the result of an effect without an interval, and why it decides nothing if it does not."""
    return f"{result}; between what supports and what refutes" if decision == "undecided" else result


def in_words(effect: Interval, form: str = "+.1f") -> str:
    """Return an effect with its interval in words, e.g. "+1.2 (+0.8 to +1.5)"."""
    if not effect.known:
        return f"{effect.estimate:{form}}"
    return f"{effect.estimate:{form}} ({effect.low:{form}} to {effect.high:{form}})"
