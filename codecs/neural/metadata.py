"""Metadata of checkpoint files, read without torch: architecture, size, lambda, and the digest of the file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .. import content

Metric = Literal["mse", "ms-ssim"]
METRICS: tuple[Metric, ...] = ("mse", "ms-ssim")

FORMAT = "1"
"""The version of the metadata format, stored under "codecshift" in every file."""

_LARGEST_HEADER = 1 << 26  # bytes; safetensors allows 100 MB, and our headers take tens of kB
_RESERVED = ("codecshift", "architecture", "config", "lambda", "metric")


class BadCheckpoint(ValueError):
    """A file is not a codecshift checkpoint; the message names the file and says what was expected."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of a checkpoint.

    `lam` is the lambda of the loss, None for a model that serves all rates. `config` holds the constructor's arguments,
    e.g. {"N": 128, "M": 192}, and `about` all other entries.
    """

    architecture: str
    config: Mapping[str, int]
    lam: float | None
    metric: Metric
    about: Mapping[str, str]


def as_metadata(facts: Facts) -> dict[str, str]:
    """Return the metadata as strings, as safetensors stores it; raise ValueError if `about` uses a reserved name."""
    if taken := sorted(set(_RESERVED) & set(facts.about)):
        raise ValueError(f"expected other names than {', '.join(_RESERVED)} in about, got {taken[0]!r}")
    return {
        "codecshift": FORMAT,
        "architecture": facts.architecture,
        "config": json.dumps(dict(facts.config), sort_keys=True),
        "lambda": "" if facts.lam is None else repr(float(facts.lam)),
        "metric": facts.metric,
        **facts.about,
    }


def read_facts(path: Path) -> Facts:
    """Return the metadata in a .safetensors file; raise BadCheckpoint."""
    if path.suffix != ".safetensors":
        raise BadCheckpoint(
            f"{path}: expected a .safetensors file; pickle files (.pth, .pt, .ckpt) are refused, because loading them "
            "can run any program: `codecshift convert` reads only their tensors"
        )
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = file.read(size) if size <= _LARGEST_HEADER else b""
            length = os.fstat(file.fileno()).st_size
        tensors = json.loads(header) if header else {}
        metadata = tensors.pop("__metadata__", {}) if header else None
        missing_bytes = 8 + size + max((facts["data_offsets"][1] for facts in tensors.values()), default=0) - length
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, RecursionError, KeyError, IndexError, TypeError):
        metadata, missing_bytes = None, 0
    if metadata is not None and missing_bytes:
        fault = f"{missing_bytes} bytes are missing" if missing_bytes > 0 else f"it is {-missing_bytes} bytes too long"
        raise BadCheckpoint(f"{path} is not a safetensors file, or is damaged: {fault}")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadCheckpoint(f"{path} is not a safetensors file, or is damaged")
    try:
        return _facts(metadata)
    except ValueError as error:
        raise BadCheckpoint(f"{path}: {error}") from error


def _facts(metadata: Mapping[str, str]) -> Facts:
    if "codecshift" not in metadata:
        raise ValueError(
            "expected the metadata that `codecshift train` writes, found none: `codecshift convert` adds it"
        )
    if metadata["codecshift"] != FORMAT:
        raise ValueError(
            f"expected metadata of version {FORMAT}, got {metadata['codecshift']!r}: a newer codecshift wrote this "
            "file, pip install -U codecshift"
        )
    missing = [key for key in _RESERVED if key not in metadata]
    if missing:
        raise ValueError(f"expected {missing[0]!r} in the metadata")
    config = json.loads(metadata["config"])
    if not isinstance(config, dict) or not all(type(value) is int and 0 < value < 2**16 for value in config.values()):
        raise ValueError(f"expected a config of whole numbers such as {{'N': 128}}, got {metadata['config'][:80]}")
    lam = float(metadata["lambda"]) if metadata["lambda"] else None
    if lam is not None and not (math.isfinite(lam) and lam > 0):
        raise ValueError(f"expected a lambda above 0, got {metadata['lambda'][:20]}")
    metric = next((name for name in METRICS if name == metadata["metric"]), None)
    if metric is None:
        raise ValueError(f"expected a metric, {' or '.join(METRICS)}, got {metadata['metric'][:20]!r}")
    about = {key: value for key, value in metadata.items() if key not in _RESERVED}
    return Facts(metadata["architecture"], config, lam, metric, about)


def digest(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal digits; raise BadCheckpoint if it cannot be read."""
    try:
        return content.digest(path)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from error
