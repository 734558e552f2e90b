"""Holding a codec to the laws in a process of its own, so that one that crashes or hangs is a finding, not an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ...codecs.contract import Verdict, judge, trials
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.protocol import Point, Spec

LOST_IN_A_ROW = 3
"""A codec, or a law, whose process was lost this often in a row is not tried further: each may cost a time limit."""


def check(
    spec: Spec,
    points: Iterable[Point],
    limit: float,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Verdict]:
    """Yield a verdict per law and point, as `contract.check` does, each within `limit` seconds.

    One process works them all as long as none takes it with it; the next then goes on in a fresh one.
    """
    every = trials(spec, points)
    losses: Counter[str] = Counter()
    with Isolated(limit) as child:
        for done, trial in enumerate(every):
            report(done, len(every))
            if max(losses[""], losses[trial.law]) >= LOST_IN_A_ROW:
                yield Verdict(trial.law, trial.where, "", tried=False)
                continue
            try:
                fault = child.call(judge, spec, trial)
            except Raised as raised:
                fault = f"raised {raised}"
            except NoAnswer as lost:
                fault = str(lost)
                losses.update(["", trial.law])
            else:
                losses[""] = losses[trial.law] = 0
            yield Verdict(trial.law, trial.where, fault)
        report(len(every), len(every))
