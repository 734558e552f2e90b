"""The table of measures: what is known of each, and what it costs on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from ...analysis.distortion import squared_error
from ...analysis.measures.measure import Measure
from ...analysis.measures.table import load
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...corruptions.sets import open_set
from ...corruptions.table import corrupt
from .sheet import Column, Report, Sheet, number

ROUNDS = 3
"""The times that the cost is taken; the least of them counts."""

_COLUMNS = (
    *(Column("measure"), number("version"), Column("unit"), Column("better"), number("smallest"), Column("extra")),
    *(number("cost", ".1f", " ms/MP"), Column("referee"), Column("disagreement")),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A measure as found on this machine: its cost in milliseconds per megapixel, None with the reason in `fault`."""

    measure: Measure
    cost: float | None
    fault: str = ""


def entries(
    measures: Iterable[Measure], limit: float, report: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Entry]:
    """Try each measure for at most `limit` seconds in a separate process and yield the result."""
    measures = list(measures)
    with Isolated(limit) as child:
        for done, measure in enumerate(measures):
            report(done, len(measures))
            try:
                yield Entry(measure, child.call(cost, measure))
            except (NoAnswer, Raised) as fault:
                yield Entry(measure, None, str(fault))


def cost(measure: Measure) -> float:
    """Return the milliseconds per megapixel of scoring an image against a prepared reference, in one thread.

    The image is the first of the set `sample` with Gaussian noise; a first call keeps the start-up cost out.
    """
    images = open_set("sample", Path())
    reference = images.load(images.sources[0].id)
    seen = corrupt(reference, images.name, images.sources[0].id, "gaussian_noise", 1)
    if measure.is_derived:

        def score() -> object:
            return squared_error(reference, seen)

    else:
        instrument = load(measure)
        prepared = instrument.prepare(reference)

        def score() -> object:
            return instrument.compare(prepared, instrument.prepare(seen))

    cv2.setNumThreads(1)
    score()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        score()
        seconds.append(time.perf_counter() - start)
    return 1e9 * min(seconds) / (seen.shape[0] * seen.shape[1])


def report(tried: Iterable[Entry], faults: Mapping[str, str]) -> Report:
    """Return the measures as a report; `faults` says which plugins offer none, with the reasons."""
    tried = list(tried)
    lines = [
        (
            *(entry.measure.name, entry.measure.version, entry.measure.unit, entry.measure.better),
            *(entry.measure.smallest, entry.measure.extra, entry.cost),
            *(entry.measure.referee, entry.measure.disagreement),
        )
        for entry in tried
    ]
    reasons = {**{entry.measure.name: entry.fault for entry in tried if entry.fault}, **faults}
    notes = [
        "cost: the time to score one image against a prepared reference in one thread, measured now on the set sample, "
        "in milliseconds per megapixel. smallest: pixels a side; a smaller image has no value. referee: what the "
        "measure was compared with, and disagreement: the largest difference found.",
        *(f"fault: {name}: {fault}" for name, fault in reasons.items()),
    ]
    return Report([Sheet(_COLUMNS, lines, notes=notes)], [_record(entry) for entry in tried])


def _record(entry: Entry) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(entry.measure).items() if name not in {"load", "hint"}}
    return {**facts, "cost_ms_per_megapixel": entry.cost, "fault": entry.fault}
