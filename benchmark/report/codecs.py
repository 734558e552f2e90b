"""The fairness table: what a comparison of codecs must state of each, as it is set and as it was found here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...codecs.contract import probe
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.protocol import CodecUnavailable, Spec
from ...codecs.registry import identify
from ..store.facts import FACTS, PROBE_LIMIT, stated


@dataclass(frozen=True, slots=True)
class Entry:
    """A codec as found on this machine: `fault` says why it cannot be used, or what is wrong with it."""

    spec: Spec
    library: str
    header_bytes: int | None
    fault: str


def entries(
    specs: Iterable[Spec],
    limit: float = PROBE_LIMIT,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Entry]:
    """Yield each codec with what came of trying it, in a process apart: one that dies or hangs there is a fault."""
    specs = list(specs)
    with Isolated(limit) as child:
        for done, spec in enumerate(specs):
            report(done, len(specs))
            try:
                library = identify(spec)
            except CodecUnavailable as error:
                yield Entry(spec, "", None, str(error))
                continue
            if spec.prepare or spec.estimated:  # its weights may be gigabytes that nobody has asked for yet
                yield Entry(spec, library, None, "")
                continue
            try:
                header, fault = child.call(probe, spec)
            except Raised as raised:
                header, fault = 0, f"raised {raised}"
            except NoAnswer as lost:
                header, fault = 0, str(lost)
            yield Entry(spec, library, header or None, fault)
        report(len(specs), len(specs))


def ladder(spec: Spec) -> str:
    """Return a codec's default ladder in few words, e.g. "q4..q96 (11)"."""
    first, last = spec.points[0].name, spec.points[-1].name
    return f"{first}..{last} ({len(spec.points)})" if len(spec.points) > 1 else first


def started(spec: Spec) -> str:
    """Return whether the times of a codec include the start of a program."""
    return "in the times" if spec.process else "none"


def found(entry: Entry) -> str:
    """Return the library behind a codec, and what is wrong with it."""
    return " - ".join(text for text in (entry.library, entry.fault) if text)


STATED: Mapping[str, Callable[[Spec], str]] = {
    "codec": lambda spec: f"`{spec.name}`",
    "ladder": ladder,
    "chroma": lambda spec: spec.chroma,
    "depth": lambda spec: f"{spec.bit_depth} bit",
    "colour": lambda spec: spec.colour,
    "effort": lambda spec: spec.effort,
    "threads": lambda spec: str(spec.threads),
    "process start": started,
    "settings": lambda spec: spec.settings,
}
MEASURED: Mapping[str, Callable[[Entry], str]] = {
    "header bytes": lambda entry: "-" if entry.header_bytes is None else str(entry.header_bytes),
    "library": found,
}


def stated_markdown(specs: Iterable[Spec]) -> str:
    """Return what is the same on every machine as a Markdown table: the README's."""
    return _markdown(STATED, ([fill(spec) for fill in STATED.values()] for spec in specs))


def as_markdown(entries: Iterable[Entry]) -> str:
    """Return the whole table in Markdown."""
    lines = (
        [*(fill(entry.spec) for fill in STATED.values()), *(fill(entry) for fill in MEASURED.values())]
        for entry in entries
    )
    return _markdown([*STATED, *MEASURED], lines)


def _markdown(headings: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    headings = list(headings)
    every = [headings, ["---"] * len(headings), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n" for cells in every)


def facts(entry: Entry) -> dict[str, Any]:
    """Return one line of the table as data."""
    spec = entry.spec
    known = {**stated(spec), "library": entry.library, "header_bytes": entry.header_bytes}
    ends = {"codec": spec.name, "ladder": " ".join(point.name for point in spec.points)}
    return {**ends, **{name: known[name] for name in FACTS}, "fault": entry.fault}


def as_csv(lines: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return lines of facts as CSV, empty where one is not known."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def as_json(entries: Iterable[Entry], faults: Mapping[str, str]) -> str:
    """Return the whole table as JSON, with the plugins that could not be taken in."""
    return json.dumps({"codecs": [facts(entry) for entry in entries], "faults": dict(faults)}, indent=2) + "\n"
