"""The fairness table: what a fair comparison must state about each codec, as declared and as found on this machine."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...codecs.container import container_bytes
from ...codecs.contract import probe
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.protocol import CodecUnavailable, Spec
from ...codecs.registry import identify
from ..store.facts import FACTS, PROBE_LIMIT, stated
from .sheet import Column, Report, Sheet, number


@dataclass(frozen=True, slots=True)
class Entry:
    """A codec as found on this machine; `fault` says why it cannot be used or what is wrong with it, "" if nothing.

    `header_bytes` and `container_bytes` are None if the codec was not opened or failed.
    """

    spec: Spec
    library: str
    header_bytes: int | None
    fault: str
    container_bytes: int | None = None


def entries(
    specs: Iterable[Spec],
    limit: float = PROBE_LIMIT,
    report: Callable[[int, int], None] = lambda _done, _total: None,
    unopened: Container[str] = (),
) -> Iterator[Entry]:
    """Try each codec for at most `limit` seconds and yield the result.

    A separate process opens the codecs, so that a crash or a hang is reported as a fault. The codecs named in
    `unopened` are not opened; only their library is looked up.
    """
    return _tried(specs, limit, report, unopened, _container)


def entries_without_containers(
    specs: Iterable[Spec], limit: float, report: Callable[[int, int], None], unopened: Container[str]
) -> Iterator[Entry]:
    """Try each codec as `entries` does, but leave out the container bytes, which take longer than all else."""
    return _tried(specs, limit, report, unopened, lambda _child, _spec: None)


def _tried(
    specs: Iterable[Spec],
    limit: float,
    report: Callable[[int, int], None],
    unopened: Container[str],
    container: Callable[[Isolated, Spec], int | None],
) -> Iterator[Entry]:
    specs = list(specs)
    with Isolated(limit) as child:
        for done, spec in enumerate(specs):
            report(done, len(specs))
            try:
                library = identify(spec)
            except CodecUnavailable as error:
                yield Entry(spec, "", None, str(error))
                continue
            # A codec that needs preparation may download gigabytes of weights that nobody has asked for yet.
            if spec.name in unopened or spec.prepare or spec.estimated:
                yield Entry(spec, library, None, "")
                continue
            try:
                header, fault = child.call(probe, spec)
            except Raised as raised:
                header, fault = 0, f"raised {raised}"
            except NoAnswer as lost:
                header, fault = 0, str(lost)
            yield Entry(spec, library, header or None, fault, None if fault else container(child, spec))
        report(len(specs), len(specs))


def _container(child: Isolated, spec: Spec) -> int | None:
    try:
        return int(child.call(container_bytes, spec))
    except (Raised, NoAnswer):  # a slow codec may need longer for an image of this size than it has
        return None


# --- the table

_STATED = (
    *(Column("codec"), Column("ladder"), Column("chroma"), Column("depth", unit=" bit"), Column("colour")),
    *(Column("effort"), number("threads"), Column("process start")),
)
_HEADER = number("header")
_NOTES = (
    "header: bytes of an encoded 8x8 black image; - if the codec was not opened here (codecshift check NAME opens it). "
    "process start: whether encode_s and decode_s include the start of a process.",
)

_CONTAINER = "container: bytes of an encoded flat grey 768x512 image at the ladder's first point."


def _stated(spec: Spec) -> tuple[str | int, ...]:
    first, last = spec.points[0].name, spec.points[-1].name
    ladder = f"{first}..{last} ({len(spec.points)})" if len(spec.points) > 1 else first
    start = "in the times" if spec.process else "none"
    return spec.name, ladder, spec.chroma, spec.bit_depth, spec.colour, spec.effort, spec.threads, start


def stated_sheet(specs: Iterable[Spec]) -> Sheet:
    """Return the columns that are the same on every machine, as in the README's table."""
    return Sheet((*_STATED, Column("settings")), [(*_stated(spec), spec.settings) for spec in specs])


def report(entries: Iterable[Entry], faults: Mapping[str, str]) -> Report:
    """Return the fairness table as two sheets that each fit a page; `faults` are those of plugins without a codec."""
    entries = list(entries)
    stated_and_found = [
        (*_stated(entry.spec), "-" if entry.header_bytes is None else entry.header_bytes) for entry in entries
    ]
    sheets = [
        Sheet((*_STATED, _HEADER), stated_and_found, notes=_NOTES),
        Sheet(
            (Column("codec"), number("container"), *map(Column, ("settings", "library"))),
            [
                (
                    *(entry.spec.name, "-" if entry.container_bytes is None else entry.container_bytes),
                    *(entry.spec.settings, " - ".join(filter(None, (entry.library, entry.fault)))),
                )
                for entry in entries
            ],
            notes=[_CONTAINER, *(f"fault: {name}: {fault}" for name, fault in faults.items())],
        ),
    ]
    records = [record(entry) for entry in entries]
    return Report(sheets, records, {"codecs": records, "faults": dict(faults)})


def record(entry: Entry) -> dict[str, Any]:
    """Return one line of the table as data."""
    spec = entry.spec
    known = {**stated(spec), "library": entry.library, "header_bytes": entry.header_bytes}
    ladder = " ".join(point.name for point in spec.points)
    facts = {name: known[name] for name in FACTS}
    found = {"container_bytes": entry.container_bytes, "fault": entry.fault}
    return {"codec": spec.name, "ladder": ladder, **facts, **found}
