"""Where rows come from: everything that can change a result, recorded and hashed into the run id."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis.distortion import MEASURES
from ...analysis.spectrum import GRID_VERSION, Settings
from ...codecs.protocol import Spec
from ...codecs.registry import identify
from ...corruptions import textures
from ...corruptions.corruption import CLEAN
from ...corruptions.sets import ImageSet
from ...corruptions.table import find
from ..plan.plans import EVERY_MEASURE
from ..plan.targets import Matched
from .facts import headers, stated

LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "pillow", "scikit-image")
"""The libraries that corrupt and measure, by the names they are installed under."""

DEVICE = "device"
"""The key under which a provenance names the device of its neural codecs; without it, that was the CPU."""

MATCHED = "matched"
"""The key under which a provenance records matched points and what they achieved."""

SPECTRA = "spectra"
"""The key under which a provenance records how spectra were taken."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that one process at a time holds: its name in provenance, and the most images it takes together.

    `use` is what `codecs.neural.device` is told.
    """

    use: str
    name: str
    batch: int = 16


def describe(
    sets: Iterable[ImageSet],
    corruptions: Iterable[str],
    specs: Iterable[Spec],
    device: Device | None = None,
    measures: Iterable[str] = EVERY_MEASURE,
    *,
    spectra: Settings | None = None,
    matched: Matched | None = None,
) -> dict[str, Any]:
    """Return everything that determines the results of a run over these sets, corruptions, codecs and measures.

    Time, number of workers and folders are left out: the same command on the same machine gives the same answer. The
    device is named only where neural codecs compute on one that is not the CPU, and then with the most images that they
    take together, as the time of a batch is divided equally among its rows.
    """
    specs, wanted = list(specs), set(measures)
    header_bytes = headers(specs)
    described: dict[str, Any] = {
        "codecshift": importlib.metadata.version("codecshift"),
        "git": git_state(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "libraries": libraries(),
        "sets": {images.name: {"digest": images.digest, "images": len(images.sources)} for images in sets},
        "corruptions": {name: find(name).version for name in corruptions if name != CLEAN},
        "measures": {measure.name: measure.version for measure in MEASURES if measure.name in wanted},
        "codecs": {
            spec.name: {**stated(spec), "library": identify(spec), "header_bytes": header_bytes[spec.name]}
            for spec in specs
        },
    }
    neural = [spec for spec in specs if spec.kind == "neural"]
    if device and neural:
        described[DEVICE] = device.name
        for spec in neural:
            described["codecs"][spec.name]["batch"] = device.batch
    if spectra:
        described[SPECTRA] = {"grid": GRID_VERSION, "channels": list(spectra.channels), "window": spectra.window}
    if matched:
        described[MATCHED] = matched.record()
    return described


def libraries() -> dict[str, str]:
    """Return the versions of LIBRARIES, and of imagecorruptions, whose files are used without installing it."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES} | {"imagecorruptions": textures.VERSION}


def run_id(provenance: Mapping[str, Any]) -> str:
    """Return the id of a run: twelve hexadecimal digits of a hash of its provenance."""
    text = json.dumps(provenance, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def git_state(root: Path) -> dict[str, Any] | None:
    """Return the commit of a checkout and whether files were changed since, None where `root` is not a checkout."""
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
    """Return the name of the processor where the system gives it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def conflict(provenances: Iterable[Mapping[str, Any]]) -> str:
    """Return why rows of these runs cannot be compared, "" if they can.

    They cannot where a set, corruption, measure or codec of the same name differs in content or version, where spectra
    were taken with different settings, and where a neural codec computed on the CPU in one run and on an accelerator in
    another: latents are then rounded from different floats, and seconds are those of another machine. Models of one
    kind of accelerator are not told apart, as processors are not either.
    """
    seen: dict[tuple[str, str], object] = {}
    for provenance in provenances:
        codecs = provenance["codecs"]
        device = provenance.get(DEVICE, "cpu").partition(":")[0]  # "cuda" of "cuda: NVIDIA H200, torch 2.13.0"
        for kind, versions in (
            ("set", {name: facts["digest"] for name, facts in provenance["sets"].items()}),
            ("corruption", provenance["corruptions"]),
            ("measure", provenance["measures"]),
            ("codec", {name: (facts["version"], facts["library"]) for name, facts in codecs.items()}),
            ("device of codec", {name: device for name, facts in codecs.items() if facts.get("kind") == "neural"}),
            ("setting of spectra", provenance.get(SPECTRA, {})),
        ):
            for name, version in versions.items():
                if seen.setdefault((kind, name), version) != version:
                    return f"{kind} {name!r} is not the same in all its runs ({seen[kind, name]} and {version})"
    return ""
