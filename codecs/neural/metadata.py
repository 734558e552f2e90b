"""What a checkpoint file says of itself, read without torch: architecture, size, lambda, and the file's digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Metric = Literal["mse", "ms-ssim"]
METRICS: tuple[Metric, ...] = ("mse", "ms-ssim")

FORMAT = "1"
"""Version of the keys below; written under "codecshift" in the metadata of every file."""

_LARGEST_HEADER = 1 << 26  # bytes; safetensors itself allows 100 MB, and ours take some tens of kB
_OURS = ("codecshift", "architecture", "config", "lambda", "metric")


class BadCheckpoint(ValueError):
    """A file that is no checkpoint of ours; the sentence names the file and says what was expected."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of a checkpoint: `lam` is the lambda of its rate-distortion loss, None where it knows many rates.

    `config` holds the constructor's arguments, e.g. {"N": 128, "M": 192}; `about` whatever else was written.
    """

    architecture: str
    config: Mapping[str, int]
    lam: float | None
    metric: Metric
    about: Mapping[str, str]


def written(facts: Facts) -> dict[str, str]:
    """Return the metadata as safetensors keeps it, text by text; raise ValueError where `about` uses a name of ours."""
    taken = sorted(set(_OURS) & set(facts.about))
    if taken:
        raise ValueError(f"expected other names than {', '.join(_OURS)} in about, got {taken[0]!r}")
    return {
        "codecshift": FORMAT,
        "architecture": facts.architecture,
        "config": json.dumps(dict(facts.config), sort_keys=True),
        "lambda": "" if facts.lam is None else repr(float(facts.lam)),
        "metric": facts.metric,
        **facts.about,
    }


def read_facts(path: Path) -> Facts:
    """Return what the file says of itself; raise BadCheckpoint."""
    if path.suffix != ".safetensors":
        raise BadCheckpoint(
            f"{path}: expected a .safetensors file; files that must be unpickled (.pth, .pt, .ckpt) can run any "
            "program when they are loaded, and are refused: `codecshift convert` reads their tensors, and nothing else"
        )
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = file.read(size) if size <= _LARGEST_HEADER else b""
        said = json.loads(header).get("__metadata__", {}) if header else None
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, RecursionError):
        said = None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise BadCheckpoint(f"{path} is no safetensors file, or a damaged one")
    try:
        return _facts(said)
    except ValueError as error:
        raise BadCheckpoint(f"{path}: {error}") from error


def _facts(said: Mapping[str, str]) -> Facts:
    if "codecshift" not in said:
        raise ValueError(
            "expected the metadata that `codecshift train` writes, found none: `codecshift convert` adds it"
        )
    if said["codecshift"] != FORMAT:
        raise ValueError(
            f"expected metadata of version {FORMAT}, got {said['codecshift']!r}: a newer codecshift wrote this file"
        )
    missing = [key for key in _OURS if key not in said]
    if missing:
        raise ValueError(f"expected {missing[0]!r} in the metadata")
    config = json.loads(said["config"])
    if not isinstance(config, dict) or not all(type(one) is int and 0 < one < 2**16 for one in config.values()):
        raise ValueError(f"expected a config of whole numbers such as {{'N': 128}}, got {said['config'][:80]}")
    lam = float(said["lambda"]) if said["lambda"] else None
    if lam is not None and not (math.isfinite(lam) and lam > 0):
        raise ValueError(f"expected a lambda above 0, got {said['lambda'][:20]}")
    metric = next((one for one in METRICS if one == said["metric"]), None)
    if metric is None:
        raise ValueError(f"expected a metric, {' or '.join(METRICS)}, got {said['metric'][:20]!r}")
    about = {key: value for key, value in said.items() if key not in _OURS}
    return Facts(said["architecture"], config, lam, metric, about)


def digest(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits; raise BadCheckpoint if it cannot be read."""
    try:
        told = path.stat()
        return _digest(path, told.st_mtime_ns, told.st_size, told.st_ino)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=256)
def _digest(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
