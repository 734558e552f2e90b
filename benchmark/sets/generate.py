"""Generating corrupted sets: PNG files with a manifest, made by worker processes, resumable after any interruption."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import PIL.Image

from ...corruptions.corruption import Image
from ...corruptions.pixels import pixel_digest
from ...corruptions.sets import ImageSet
from ...corruptions.sets.generated import (
    MANIFEST,
    PNG_LEVEL,
    UNFINISHED,
    GeneratedError,
    Manifest,
    Place,
    Stored,
    file_of,
    in_order,
    read_manifest,
)
from ...corruptions.table import corrupt
from ..measure.pools.processes import cores
from ..measure.shots.images import Recent
from ..store.files import write_whole
from .files import each, holds, refuse_unfit
from .journal import JOURNAL, Journal, refuse_other
from .order import Order, recipes
from .verify import Report


@dataclass(frozen=True, slots=True)
class Made:
    """How a set was made: files in total, files kept from before, seconds summed over all workers, and bytes."""

    total: int
    kept: int
    corrupting_s: float
    writing_s: float
    wall_s: float
    nbytes: int


def generate(order: Order, out: Path, *, jobs: int | None = None, report: Report = lambda _done, _total: None) -> Made:
    """Write the files of an order and their manifest to the folder `out`, and return a summary.

    The call may be interrupted at any time. The next call keeps each file whose bytes are unchanged and makes the rest,
    even if images of the set were changed, added or removed. A finished set with the same recipe is repaired, and
    extended by the further conditions of the order.

    Raises GeneratedError, before anything is changed, if the folder holds anything else or cannot hold a file with one
    of the names; and if a worker dies.
    """
    started = time.perf_counter()
    wanted = order.manifest()
    finished = _existing(out)
    if finished is not None:
        refuse_other(out, finished, wanted)
    refuse_unfit(out, (original.id for original in wanted.images))
    with Journal.open(out, wanted) as journal:
        known = (dict(finished.files) if finished else {}) | journal.files()
        places = order.places()
        files, done, kept, corrupting_s, writing_s = dict(known), 0, 0, 0.0, 0.0
        report(0, len(places))
        with each(_make, places, jobs or cores(), _start, order.images, out, known) as works:
            for place, work in works:
                if finished and place in finished.files and work.stored.pixels != finished.files[place].pixels:
                    raise GeneratedError(
                        f"{file_of(place)}, made again, differs from the one in {out / MANIFEST}: give another --out"
                    )
                if work.stored != known.get(place):
                    journal.add(place, work.stored)
                files[place] = work.stored
                done += 1
                kept += work.kept
                corrupting_s += work.corrupting_s
                writing_s += work.writing_s
                report(done, len(places))
        conditions = in_order([*(finished.conditions if finished else ()), *order.conditions])
        manifest = replace(wanted, conditions=conditions, recipes=recipes(conditions), files=files)
        write_whole(out / MANIFEST, manifest.text().encode(), by_way_of=out / UNFINISHED / MANIFEST)
    shutil.rmtree(out / UNFINISHED)
    nbytes = sum(files[place].nbytes for place in places)
    return Made(len(places), kept, corrupting_s, writing_s, time.perf_counter() - started, nbytes)


def _existing(out: Path) -> Manifest | None:
    """Return the manifest of the finished set in `out`, None if the folder is empty, unfinished or missing."""
    if not out.exists():
        return None
    if not out.is_dir():
        raise GeneratedError(f"{out} is a file, expected a folder: give another --out")
    if (out / MANIFEST).exists():
        try:
            return read_manifest(out)
        except GeneratedError as error:
            raise GeneratedError(f"{error}; nothing was changed: give another --out") from error
    strangers = [path.name for path in out.iterdir() if path.name != UNFINISHED]
    if strangers and not (out / UNFINISHED / JOURNAL).is_file():
        raise GeneratedError(f"{out} holds other files ({min(strangers)}): give another --out")
    return None


@dataclass(frozen=True, slots=True)
class _Work:
    """A file of the set, whether it was kept from before, and the seconds it took."""

    stored: Stored
    kept: bool = False
    corrupting_s: float = 0.0
    writing_s: float = 0.0


class _Maker:
    """Makes the files in one worker process; keeps the clean images it loaded last."""

    def __init__(self, images: ImageSet, out: Path, known: Mapping[Place, Stored]) -> None:
        self._set_name = images.name
        self._out = out
        self._known = known
        self._clean = Recent(images.load, 2)

    def make(self, place: Place) -> _Work:
        target = self._out / file_of(place)
        known = self._known.get(place)
        if known and holds(target, known):
            return _Work(known, kept=True)
        clean = self._clean(place[0])
        started = time.perf_counter()
        shown = corrupt(clean, self._set_name, *place)
        corrupting_s = time.perf_counter() - started
        data = as_png(shown)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data, by_way_of=self._out / UNFINISHED / f"{os.getpid()}.png")
        stored = Stored(len(data), hashlib.sha256(data).hexdigest(), pixel_digest(shown))
        return _Work(stored, False, corrupting_s, time.perf_counter() - started - corrupting_s)


def as_png(image: Image) -> bytes:
    """Return an image (H, W, 3) as a PNG file; the same pixels give the same bytes with one version of Pillow."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


_maker: _Maker | None = None


def _start(images: ImageSet, out: Path, known: Mapping[Place, Stored]) -> None:
    global _maker  # noqa: PLW0603 - a worker process has exactly one
    cv2.setNumThreads(1)
    _maker = _Maker(images, out, known)


def _make(place: Place) -> _Work:
    assert _maker is not None  # noqa: S101 - pebble runs the start of a worker before any task
    return _maker.make(place)
