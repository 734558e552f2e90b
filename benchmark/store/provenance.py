"""Where rows come from: everything that can change a result, written down, and hashed into the run's id."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...analysis.distortion import MEASURES
from ...analysis.spectrum import GRID_VERSION, Settings
from ...codecs.protocol import Spec
from ...codecs.registry import identify
from ...corruptions import textures
from ...corruptions.sets import ImageSet
from ...corruptions.table import find
from ..measure.lane.device import Device, kind_of
from ..plan.plans import CLEAN, EVERY_MEASURE
from ..report.codecs import headers, stated

LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "pillow", "scikit-image")
"""What corrupts and measures, by the names the packages are installed under."""

DEVICE = "device"
"""Where the provenance of a run says on what its neural codecs computed; without it, that was the CPU."""

MATCHED = "matched"
"""Where the provenance of a run with matched points says what each of them is and what it achieved."""

SPECTRA = "spectra"
"""Where the provenance of a run with spectra says how they were taken."""


def describe(
    sets: Iterable[ImageSet],
    corruptions: Iterable[str],
    specs: Iterable[Spec],
    device: Device | None = None,
    measures: Iterable[str] = EVERY_MEASURE,
) -> dict[str, Any]:
    """Return what determines the results of a run over these sets, corruptions, codecs and measures.

    It says nothing of time, number of workers or folders: the same command on the same machine gives the same answer.
    Of the device it speaks only where neural codecs compute on one that is not the CPU, and then also of how many
    images they take together at most, of which the seconds of a row are an equal part.
    """
    specs, wanted = list(specs), set(measures)
    neural = [spec for spec in specs if spec.kind == "neural"] if device else []
    header_bytes = headers(specs)
    described: dict[str, Any] = {
        "codecshift": importlib.metadata.version("codecshift"),
        "git": git_state(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "libraries": libraries(),
        "sets": {one.name: {"digest": one.digest, "images": len(one.sources)} for one in sets},
        "corruptions": {name: find(name).version for name in corruptions if name != CLEAN},
        "measures": {measure.name: measure.version for measure in MEASURES if measure.name in wanted},
        "codecs": {
            spec.name: {**stated(spec), "library": identify(spec), "header_bytes": header_bytes[spec.name]}
            for spec in specs
        },
    }
    if device and neural:
        described[DEVICE] = device.name
        for spec in neural:
            described["codecs"][spec.name]["batch"] = device.batch
    return described


def libraries() -> dict[str, str]:
    """Return the versions of what corrupts and measures; imagecorruptions is read from and not installed."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES} | {"imagecorruptions": textures.VERSION}


def run_id(provenance: Mapping[str, Any]) -> str:
    """Return the id of a run: twelve hexadecimal digits of a hash of its provenance."""
    text = json.dumps(provenance, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def git_state(root: Path) -> dict[str, Any] | None:
    """Return the commit a checkout is at and whether it was changed since, None where `root` is not a checkout."""
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed}


def _git(root: Path, *arguments: str) -> str:
    command = ("git", "-C", str(root), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout


def cpu() -> str:
    """Return the processor's name where the system tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def conflict(provenances: Iterable[Mapping[str, Any]]) -> str:
    """Return why rows of these runs may not stand in one table, "" if they may.

    They may not where a set, a corruption, a measure or a codec of one name is of different content or version; nor
    where a neural codec computed on the CPU in one and on an accelerator in another: the latents are rounded from other
    floats, and the seconds are those of another machine. Models of one kind of accelerator are no more apart than
    processors are, which are not compared either. Nor may spectra that were taken in different ways.
    """
    seen: dict[tuple[str, str], object] = {}
    for provenance in provenances:
        for kind, entries in (
            ("set", {name: one["digest"] for name, one in provenance["sets"].items()}),
            ("corruption", provenance["corruptions"]),
            ("measure", provenance["measures"]),
            ("codec", {name: (one["version"], one["library"]) for name, one in provenance["codecs"].items()}),
            ("device of codec", _devices(provenance)),
            ("setting of spectra", provenance.get(SPECTRA, {})),
        ):
            for name, value in entries.items():
                if seen.setdefault((kind, name), value) != value:
                    return f"{kind} {name!r} is not the same in all its runs ({seen[kind, name]} and {value})"
    return ""


def settings_of(spectra: Settings) -> dict[str, Any]:
    """Return what the provenance of a run says of how its spectra were taken."""
    return {"grid": GRID_VERSION, "channels": list(spectra.channels), "window": spectra.window}


def _devices(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of device of each neural codec."""
    device = kind_of(provenance.get(DEVICE, "cpu"))
    return {name: device for name, one in provenance["codecs"].items() if one.get("kind") == "neural"}
