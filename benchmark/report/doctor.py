"""What this machine has and lacks: one finding per topic."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...codecs.registry import catalogue
from ...corruptions import textures
from ...corruptions.sets import SetError, SetMissing, default_data_dir, open_set
from ..measure.pools.processes import cores
from ..store.facts import PROBE_LIMIT
from ..store.provenance import LIBRARIES, cpu, git_state
from .codecs import entries

SPACE_WANTED = 2_000_000_000  # bytes: the two archives of clic2020-test and their images come close

OTHER_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


def findings(limit: float = PROBE_LIMIT) -> Iterator[tuple[bool, str, str]]:
    """Yield (sound, topic, what was found); each codec is tried for at most `limit` seconds."""
    yield True, "codecshift", importlib.metadata.version("codecshift") + _checkout()
    yield True, "python", f"{platform.python_version()} on {platform.platform()}"
    yield True, "processor", f"{cpu()}, {cores()} cores usable"
    for name in LIBRARIES:
        try:
            yield True, name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield False, name, f"not installed: pip install {name}"
    yield _opencv()
    kept = textures.wheel()
    yield True, "frost textures", str(kept) if kept else "not here yet: fetched by the first run with frost"
    found = catalogue()
    for entry in entries(found.specs.values(), limit):
        # What the user has to bring is told of, and is nothing amiss.
        lacking = f"not here: {entry.fault}" if entry.fault and entry.spec.hint and not entry.library else ""
        told = lacking or entry.fault or entry.library or "available"
        yield bool(lacking) or not entry.fault, f"codec {entry.spec.name}", told
    for name, fault in found.faults.items():
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
    others = [name for name in OTHER_OPENCV if _installed(name)]
    if not others:
        return True, "opencv builds", "one, without a desktop"
    names = " ".join(others)
    mend = f"pip uninstall {names} && pip install --force-reinstall --no-deps opencv-python-headless"
    return False, "opencv builds", f"{names} and opencv-python-headless overwrite each other: {mend}"


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _checkout() -> str:
    state = git_state(Path(__file__).parents[2])
    return f", commit {state['commit'][:12]}{' and changes' if state['changed'] else ''}" if state else ""


def _space(folder: Path) -> tuple[bool, str, str]:
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    return free > SPACE_WANTED, "data folder", f"{folder}, {free / 1e9:.0f} GB free"
