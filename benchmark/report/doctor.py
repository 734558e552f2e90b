"""What this machine has and lacks: one finding per topic, and the findings as a report."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...codecs.registry import catalogue
from ...corruptions import textures
from ...corruptions.sets import SetError, SetMissing, default_data_dir, open_set
from ..measure.pools.processes import cores
from ..store.facts import PROBE_LIMIT
from ..store.provenance import LIBRARIES, cpu, git_state
from .codecs import entries
from .sheet import Column, Report, Sheet

SPACE_WANTED = 2_000_000_000  # bytes: the two archives of clic2020-test and their images come close

OTHER_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


Finding = tuple[bool, str, str]
"""Whether a topic is in order, the topic, and what was found."""


def report(findings: Iterable[Finding]) -> Report:
    """Return findings as a report; what needs attention is marked with "!!"."""
    findings = list(findings)
    lines = [("ok" if sound else "!!", topic, what) for sound, topic, what in findings]
    wrong = sum(not sound for sound, _, _ in findings)
    summary = f"{wrong} of these need attention" if wrong else "all is well"
    return Report([Sheet(tuple(map(Column, ("state", "topic", "what"))), lines, notes=[summary])])


def findings(
    limit: float = PROBE_LIMIT, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Finding]:
    """Yield what was found of each topic; each codec is tried for at most `limit` seconds."""
    yield True, "codecshift", importlib.metadata.version("codecshift") + _checkout()
    yield True, "python", f"{platform.python_version()} on {platform.platform()}"
    yield True, "processor", f"{cpu()}, {cores()} cores usable"
    for name in LIBRARIES:
        version = _version(name)
        yield bool(version), name, version or f"not installed: pip install {name}"
    yield _opencv()
    kept = textures.wheel()
    yield True, "frost textures", str(kept) if kept else "not here yet: fetched by the first run with frost"
    known = catalogue()
    for entry in entries(known.specs.values(), limit, progress):
        # A program that the user may bring is no fault where it is absent.
        lacking = f"not here: {entry.fault}" if entry.fault and entry.spec.hint and not entry.library else ""
        what = lacking or entry.fault or entry.library or "available"
        yield bool(lacking) or not entry.fault, f"codec {entry.spec.name}", what
    for name, fault in known.damaged.items():
        yield False, f"codec {name}", fault
    for name, fault in known.faults.items():
        yield False, f"plugin {name}", fault
    folder = default_data_dir()
    for name in ("sample", "kodak", "clic2020-test"):
        try:
            yield True, f"set {name}", f"{len(open_set(name, folder, download=False).sources)} images"
        except SetMissing as error:
            yield True, f"set {name}", f"not here yet: {error}"
        except SetError as error:
            yield False, f"set {name}", str(error)
    yield _space(folder)


def _opencv() -> tuple[bool, str, str]:
    """Say whether another build of OpenCV is installed over the one this suite uses: they write into one folder."""
    others = [name for name in OTHER_OPENCV if _version(name)]
    if not others:
        return True, "opencv builds", "one, without a desktop"
    names = " ".join(others)
    mend = f"pip uninstall {names} && pip install --force-reinstall --no-deps opencv-python-headless"
    return False, "opencv builds", f"{names} and opencv-python-headless overwrite each other: {mend}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _checkout() -> str:
    state = git_state(Path(__file__).parents[2])
    return f", commit {state['commit'][:12]}{' and changes' if state['changed'] else ''}" if state else ""


def _space(folder: Path) -> tuple[bool, str, str]:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return free > SPACE_WANTED, "data folder", f"{folder}, {free / 1e9:.0f} GB free"
