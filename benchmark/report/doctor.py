"""What this machine has and lacks: one finding per topic, and the findings as a report."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from ...codecs.registry import NEURAL, catalogue
from ...corruptions import textures
from ...corruptions.sets import SetError, SetMissing, default_data_dir, open_set
from ..measure.pools.processes import cores
from ..store.facts import PROBE_LIMIT
from ..store.provenance import LIBRARIES, cpu, git_state
from .codecs import Entry, entries_without_containers
from .sheet import Column, Report, Sheet

SPACE_WANTED = 2_000_000_000  # bytes: the two archives of clic2020-test and their images take almost as much

OTHER_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


State = Literal["ok", "--", "!!"]
""""ok": in order; "--": optional, not on this machine; "!!": needs attention."""

Finding = tuple[State, str, str]
"""The state of a topic, the topic, and what was found."""


def report(findings: Iterable[Finding]) -> Report:
    """Return findings as a report."""
    findings = list(findings)
    states = [state for state, _, _ in findings]
    legend = ["--: optional, not on this machine."] if "--" in states else []
    wrong = states.count("!!")
    summary = f"{wrong} of these {'needs' if wrong == 1 else 'need'} attention" if wrong else "all is well"
    return Report([Sheet(tuple(map(Column, ("state", "topic", "what"))), findings, notes=[*legend, summary])])


def findings(
    limit: float = PROBE_LIMIT, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Finding]:
    """Yield a finding for each topic; each codec is tried for at most `limit` seconds."""
    yield "ok", "codecshift", importlib.metadata.version("codecshift") + _checkout()
    yield "ok", "python", f"{platform.python_version()} on {platform.platform()}"
    yield "ok", "processor", f"{cpu()}, {cores()} cores usable"
    for name in LIBRARIES:
        version = _version(name)
        yield "ok" if version else "!!", name, version or f"not installed: pip install {name}"
    yield _opencv()
    kept = textures.wheel()
    yield "ok" if kept else "--", "frost textures", str(kept) if kept else "downloaded by the first run with frost"
    known = catalogue()
    # All neural codecs open in the same way, so trying the first one is enough.
    unopened = [spec.name for spec in NEURAL[1:]]
    yield from _codecs(entries_without_containers(known.specs.values(), limit, progress, unopened))
    for name, fault in known.damaged.items():
        yield "!!", f"codec {name}", fault
    for name, fault in known.faults.items():
        yield "!!", f"plugin {name}", fault
    folder = default_data_dir()
    for name in ("sample", "kodak", "clic2020-test"):
        try:
            yield "ok", f"set {name}", f"{len(open_set(name, folder, download=False).sources)} images"
        except SetMissing as error:
            yield "--", f"set {name}", str(error)
        except SetError as error:
            yield "!!", f"set {name}", str(error)
    yield _space(folder)


def _codecs(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Yield the findings on codecs; codecs with the same finding share a line."""
    names: dict[tuple[State, str], list[str]] = {}
    for entry in entries:
        # The absence of an optional program or extra is not a fault.
        is_absent = bool(entry.fault and entry.spec.hint and not entry.library)
        state: State = "--" if is_absent else "!!" if entry.fault else "ok"
        names.setdefault((state, entry.fault or entry.library or "works"), []).append(entry.spec.name)
    for (state, what), alike in names.items():
        yield state, f"{'codec' if len(alike) == 1 else 'codecs'} {', '.join(alike)}", what


def _opencv() -> Finding:
    """Return whether another build of OpenCV is installed beside ours: both write into the same folder."""
    others = [name for name in OTHER_OPENCV if _version(name)]
    if not others:
        return "ok", "opencv builds", "only opencv-python-headless"
    names = " ".join(others)
    mend = f"pip uninstall {names} && pip install --force-reinstall --no-deps opencv-python-headless"
    return "!!", "opencv builds", f"{names} and opencv-python-headless overwrite each other: {mend}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _checkout() -> str:
    state = git_state(Path(__file__).parents[2])
    return f", commit {state['commit'][:12]}{' and changes' if state['changed'] else ''}" if state else ""


def _space(folder: Path) -> Finding:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return "ok" if free > SPACE_WANTED else "!!", "data folder", f"{folder}, {free / 1e9:.0f} GB free"
