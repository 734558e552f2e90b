"""Verifying a corrupted set: the bytes and the pixels of every file are hashed and compared with the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...corruptions.pixels import UnreadableImage, pixel_digest, read_pixels
from ...corruptions.sets.generated import MANIFEST, UNFINISHED, GeneratedError, Place, Stored, file_of, read_manifest
from ..measure.pools.processes import cores
from .files import each, holds

Report = Callable[[int, int], None]
"""Called with (files done, files in total)."""

Kind = Literal["missing", "unreadable", "pixels", "bytes", "extra"]
"""What can be wrong with a file; only "bytes" is harmless: the same pixels, compressed differently."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file of a set that differs from its manifest, and how."""

    kind: Kind
    file: str
    about: str = ""


def verify(
    folder: Path, *, jobs: int | None = None, report: Report = lambda _done, _total: None
) -> tuple[int, list[Finding]]:
    """Return the number of files of the set in `folder` and its differences from the manifest, in manifest order.

    Raises GeneratedError if the folder has no finished set.
    """
    manifest = read_manifest(folder)
    if (folder / UNFINISHED).exists():
        raise GeneratedError(f"{folder} is not finished: run the same codecshift generate again to finish it")
    places = manifest.places()
    findings: dict[Place, Finding | None] = {}
    report(0, len(places))
    with each(_inspect, places, jobs or cores(), _start, folder, manifest.files) as inspected:
        for place, finding in inspected:
            findings[place] = finding
            report(len(findings), len(places))
    expected = {MANIFEST, *map(file_of, places)}
    present = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    extra = [Finding("extra", file) for file in present if file not in expected]
    return len(places), [finding for place in places if (finding := findings[place])] + extra


_set: tuple[Path, Mapping[Place, Stored]] | None = None


def _start(folder: Path, files: Mapping[Place, Stored]) -> None:
    global _set  # noqa: PLW0603 - a worker process has exactly one
    _set = folder, files


def _inspect(place: Place) -> Finding | None:
    """Return what is wrong with one file of the set, None if nothing is."""
    assert _set is not None  # noqa: S101 - pebble runs the start of a worker before any task
    folder, files = _set
    file, stored = file_of(place), files[place]
    path = folder / file
    if not path.is_file():
        return Finding("missing", file)
    try:
        if pixel_digest(read_pixels(path)) != stored.pixels:
            return Finding("pixels", file, "its pixels differ")
    except UnreadableImage as error:
        return Finding("unreadable", file, str(error))
    return None if holds(path, stored) else Finding("bytes", file, "its pixels are right, but its bytes differ")
