"""Provenance: a record of everything that can change a result; its hash is the run id."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...analysis.spectrum import GRID_VERSION, Settings
from ...codecs.protocol import Spec
from ...codecs.registry import identify
from ...corruptions import textures
from ...corruptions.corruption import CLEAN
from ...corruptions.digests import pixels
from ...corruptions.fourier import PREFIX
from ...corruptions.sets import ImageSet
from ...corruptions.table import find
from ..plan.measures import DEFAULT, RATE, RATE_VERSION, find_all
from ..plan.targets import Matched
from .facts import headers, stated

LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "pillow", "scikit-image")
"""The libraries that corrupt and measure images, by the names of their distributions."""

DEVICE = "device"
"""The key under which a provenance names the device of its neural codecs; it is absent for the CPU."""

PIXELS = "pixels"
"""The key under which a provenance records a digest of the pixels that each corruption makes on this machine."""

MATCHED = "matched"
"""The key under which a provenance records matched points and what they achieved."""

SPECTRA = "spectra"
"""The key under which a provenance records how spectra were computed."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device for neural codecs, used by one process at a time.

    `use` is the argument of `codecs.neural.device.use`, `name` the device in provenance, and `batch` the most images
    that are coded together.
    """

    use: str
    name: str
    batch: int = 16


def describe(
    sets: Iterable[ImageSet],
    corruptions: Iterable[str],
    specs: Iterable[Spec],
    device: Device | None = None,
    measures: Iterable[str] = DEFAULT,
    *,
    spectra: Settings | None = None,
    matched: Matched | None = None,
) -> dict[str, Any]:
    """Return everything that determines the results of a run over these sets, corruptions, codecs and measures."""
    specs = list(specs)
    described = comparable(sets, corruptions, specs, device, measures, spectra=spectra, matched=matched)
    for codec, nbytes in headers(specs).items():
        described["codecs"][codec]["header_bytes"] = nbytes
    return described


def comparable(
    sets: Iterable[ImageSet],
    corruptions: Iterable[str],
    specs: Iterable[Spec],
    device: Device | None = None,
    measures: Iterable[str] = DEFAULT,
    *,
    spectra: Settings | None = None,
    matched: Matched | None = None,
) -> dict[str, Any]:
    """Return the same as `describe`, except the header bytes, which require opening every codec.

    Time, number of workers and folders are left out, so that the same command on the same machine gives the same run
    id. The device is recorded only if neural codecs compute on an accelerator, together with the batch size, because
    the time of a batch is divided equally among its rows.
    """
    sets, specs = list(sets), list(specs)
    corrupting = [name for name in corruptions if name != CLEAN]
    described: dict[str, Any] = {
        "codecshift": importlib.metadata.version("codecshift"),
        "git": git_state(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "libraries": libraries(),
        "sets": {images.name: {"digest": images.digest, "images": len(images.sources)} for images in sets},
        "corruptions": {name: find(name).version for name in corrupting},
        PIXELS: _pixels(corrupting) if all(_has_pixels_of_here(images) for images in sets) else {},
        "measures": {RATE: RATE_VERSION} | {measure.name: measure.version for measure in find_all(measures)},
        "codecs": {spec.name: {**stated(spec), "library": identify(spec)} for spec in specs},
    }
    neural = [spec for spec in specs if spec.on_device]
    if device and neural:
        described[DEVICE] = device.name
        for spec in neural:
            described["codecs"][spec.name]["batch"] = device.batch
    if spectra:
        described[SPECTRA] = {"grid": GRID_VERSION, "channels": list(spectra.channels), "window": spectra.window}
    if matched:
        described[MATCHED] = matched.record()
    return described


def _has_pixels_of_here(images: ImageSet) -> bool:
    """Return whether the corrupted images of a set are made here, or were made by the same library versions."""
    here = libraries().items()
    return images.generated is None or here <= images.generated.made_with.items()


def _pixels(corruptions: Iterable[str]) -> dict[str, str]:
    """Return the digest of each corruption's pixels; the thousands of waves of a heatmap share one digest."""
    return {"fourier" if name.startswith(PREFIX) else name: pixels(name) for name in corruptions}


def libraries() -> dict[str, str]:
    """Return the versions of LIBRARIES and of imagecorruptions, whose data files are used without installing it."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES} | {"imagecorruptions": textures.VERSION}


def run_id(provenance: Mapping[str, Any]) -> str:
    """Return the id of a run: twelve hexadecimal digits of a hash of its provenance."""
    text = json.dumps(provenance, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def git_state(root: Path) -> dict[str, Any] | None:
    """Return the commit of a checkout and whether files were changed since, None if `root` is not a checkout."""
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
    """Return the name of the processor if the system gives it, otherwise its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def conflict(provenances: Iterable[Mapping[str, Any]], by_image: Container[str] = ()) -> str:
    """Return why rows of these runs cannot be compared, "" if they can.

    Rows cannot be compared if a set, corruption, measure or codec of the same name differs in content or version, if a
    corruption makes different pixels, if spectra were computed with different settings, or if a neural codec ran on the
    CPU in one run and on an accelerator in another: its latents are then rounded from different floats, and its times
    are those of other hardware. Different models of accelerators, or of processors, are not distinguished.

    Corruptions are compared by the pixels they make, not by the versions of their libraries; runs that did not record
    pixels are compared by the versions of their corruptions. The sets in `by_image` are skipped here, because their run
    file records every image and compares them one by one.
    """
    seen: dict[tuple[str, str], object] = {}
    makers: dict[tuple[str, str], Mapping[str, Any]] = {}
    for provenance in provenances:
        codecs = provenance.get("codecs", {})
        device = provenance.get(DEVICE, "cpu").partition(":")[0]  # "cuda" of "cuda: NVIDIA H200, torch 2.13.0"
        for kind, versions in (
            (
                "set",
                {name: facts["digest"] for name, facts in provenance.get("sets", {}).items() if name not in by_image},
            ),
            ("corruption", provenance.get("corruptions", {})),
            ("measure", provenance.get("measures", {})),
            ("codec", {name: (facts["version"], facts["library"]) for name, facts in codecs.items()}),
            ("device of codec", {name: device for name, facts in codecs.items() if _on_device(facts)}),
            ("setting of spectra", provenance.get(SPECTRA, {})),
            (PIXELS, provenance.get(PIXELS, {})),
        ):
            for name, version in versions.items():
                maker = makers.setdefault((kind, name), provenance)
                if seen.setdefault((kind, name), version) == version:
                    continue
                if kind == PIXELS:
                    causes = _differences(maker, provenance)
                    return f"corruption {name!r} makes different pixels in some of the runs ({causes})"
                return f"{kind} {name!r} is not the same in all runs ({seen[kind, name]} and {version})"
    return ""


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Return the likely cause of different pixels in two runs: libraries, otherwise processors, otherwise the code."""
    ours, theirs = first["libraries"], second["libraries"]
    changed = [
        f"{name} {ours.get(name, 'none')} and {theirs.get(name, 'none')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    if changed:
        return ", ".join(changed)
    if first["cpu"] != second["cpu"]:
        return f"processor {first['cpu']} and {second['cpu']}"
    commits = [(run["git"] or {}).get("commit", "unknown")[:12] for run in (first, second)]
    return f"commit {' and '.join(commits)}" if len(set(commits)) == 2 else "the same libraries, processor and commit"


def _on_device(facts: Mapping[str, Any]) -> bool:
    return facts.get("kind") == "neural" and not facts.get("process")
