"""Listing image files: the images in a folder, their ids and digests, and the manifest that stores both."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from ..corruption import Progress
from ..pixels import SUFFIXES

_SIDECARS = frozenset({".aae", ".db", ".ini", ".thm", ".xmp"})
"""The endings of files that cameras, editors and file managers store next to images; they are skipped silently."""

_SHOWN_KINDS = 6


def files_below(root: Path) -> tuple[list[Path], list[Path]]:
    """Return (images, other files) below a folder at any depth; endings tell images, and hidden files are skipped."""
    files = sorted(
        path
        for path in root.rglob("*")
        if not any(part.startswith(".") for part in path.relative_to(root).parts) and path.is_file()
    )
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    return images, [path for path in files if path.suffix.lower() not in SUFFIXES]


def left_out(others: Sequence[Path]) -> str:
    """Return how many of the other files are left out, and of which kinds, "" if all are sidecars of images."""
    kinds = Counter(path.suffix.lower() or "without an ending" for path in others)
    counts = sorted((-count, kind) for kind, count in kinds.items() if kind not in _SIDECARS)
    if not counts:
        return ""
    total = -sum(count for count, _ in counts)
    parts = [f"{-count} {kind}" for count, kind in counts[:_SHOWN_KINDS]]
    if rest := -sum(count for count, _ in counts[_SHOWN_KINDS:]):
        parts.append(f"{rest} of other kinds")
    return f"{total} {'file is' if total == 1 else 'files are'} left out: {', '.join(parts)}"


def distinct_ids(short: Sequence[str], full: Sequence[str]) -> list[str]:
    """Return the id of each image: its short name, or its full name if two images share the short name."""
    counts = Counter(short)
    ids = [brief if counts[brief] == 1 else whole for brief, whole in zip(short, full, strict=True)]
    return ids if len(set(ids)) == len(ids) else list(full)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(files: Sequence[Path], task: str, progress: Progress | None) -> list[str]:
    """Return the sha256 of each file; "" for an unreadable file, which raises its error when it is loaded."""
    sizes = [path.stat().st_size for path in files]
    digests: list[str] = []
    for path, done in zip(files, accumulate(sizes), strict=True):
        try:
            digests.append(file_digest(path))
        except OSError:
            digests.append("")
        if progress is not None:
            progress(task, done, sum(sizes))
    return digests


def read_rows(manifest: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV manifest."""
    with manifest.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_rows(manifest: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a CSV manifest atomically; do nothing if the folder is not writable, as the manifest only saves time."""
    partial = manifest.with_name(f".{manifest.name}.{os.getpid()}")
    try:
        with partial.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(manifest)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
