"""A codec is held to the laws in a process of its own: a crash or a hang there is a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ...codecs.contract import Verdict, judge, trials
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.protocol import Point, Spec

LOST_IN_A_ROW = 3
"""A codec, or a law, whose process was lost this often in a row is not tried further: a loss may cost a time limit."""


def check(
    spec: Spec,
    points: Iterable[Point],
    limit: float,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Verdict]:
    """Yield a verdict per law and point, as `contract.check` does, each within `limit` seconds.

    One process works them all; after a crash, the next law goes on in a fresh one.
    """
    planned = trials(spec, points)
    losses: Counter[str] = Counter()
    with Isolated(limit) as child:
        for done, trial in enumerate(planned):
            report(done, len(planned))
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
        report(len(planned), len(planned))
