"""Checking a codec against the laws in a separate process, so that a crash or a hang is a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...codecs.contract import DAMAGE, OPENINGS, Verdict, judge, opening, ready, trials
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.protocol import Point, Spec

LOST_IN_A_ROW = 3
"""A codec or law is not tried again after its process was lost this often in a row: each loss may cost a time limit."""

CHECKSUM = "store a checksum in the stream and verify it before decoding, to refuse damaged bytes without a crash"

_READY_LIMIT = 60.0  # seconds that a process has to import the laws, enough for a busy machine


@dataclass(frozen=True, slots=True)
class Opening:
    """How a codec opened at a point: the seconds it took, or the fault with its traceback."""

    point: str
    seconds: float
    fault: str = ""
    traceback: str = ""


def check(
    spec: Spec,
    points: Iterable[Point],
    limit: float,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Opening | Verdict]:
    """Yield how the codec opens at each point, then a verdict for each law and opened point, as `contract.check` does.

    Opening may take `limit` seconds, and so may each law, not counting the opening inside it. One process checks all
    laws; after a crash, the next law runs in a new process. A crash or a hang while opening ends the check.
    """
    points = list(points)
    report(0, len(trials(spec, points)))
    with Isolated(limit) as child:
        opened, first, again = [], 0.0, 0.0
        for point in points:
            try:
                _make_ready(child, limit)
                facts = child.call(opening, spec, point)
            except Raised as raised:
                yield Opening(point.name, 0, str(raised))
                continue
            except NoAnswer as lost:
                slow = str(lost).startswith("no answer")
                late = f"it did not open within {limit:g} s: allow more with --time-limit"
                yield Opening(point.name, 0, late if slow else str(lost))
                return
            yield Opening(point.name, facts["first"], facts["fault"], facts["traceback"])
            if not facts["fault"]:
                opened.append(point)
                first, again = max(first, facts["first"]), max(again, facts["again"])
        planned = trials(spec, opened)
        losses: Counter[str] = Counter()
        for done, trial in enumerate(planned, 1):
            if max(losses[""], losses[trial.law]) >= LOST_IN_A_ROW:
                yield Verdict(trial.law, trial.where, "", tried=False)
                report(done, len(planned))
                continue
            try:
                _make_ready(child, limit)
                child.limit = limit + round(again * max(OPENINGS, len(trial.points)) + first * bool(losses[""]))
                fault = child.call(judge, spec, trial)
            except Raised as raised:
                fault = f"raised {raised}"
            except NoAnswer as lost:
                fault = f"{lost}: {CHECKSUM}" if trial.law == DAMAGE else str(lost)
                losses.update(["", trial.law])
            else:
                losses[""] = losses[trial.law] = 0
            yield Verdict(trial.law, trial.where, fault)
            report(done, len(planned))


def _make_ready(child: Isolated, limit: float) -> None:
    """Let a process import the laws, so that the import does not count towards the codec's time limit."""
    child.limit = _READY_LIMIT
    child.call(ready)
    child.limit = limit
