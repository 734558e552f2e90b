"""Corrupted sets written to disk as PNG files with a manifest, and folders of them checked against theirs."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import pebble
import PIL.Image

from ..corruptions.corruption import MINIMUM_SIDE, Image, generator
from ..corruptions.pixels import UnreadableImage, pixel_digest, read_pixels
from ..corruptions.sets import KNOWN, ImageSet, SetError, open_set
from ..corruptions.sets.generated import (
    MANIFEST,
    PNG_LEVEL,
    UNFINISHED,
    GeneratedError,
    Manifest,
    Original,
    Place,
    Stored,
    file_of,
    in_order,
    read_manifest,
    recipe,
)
from ..corruptions.table import find, prepare
from .cell import CLEAN, PLANS, Plan, Shot, UnknownName, named
from .processes import IN_FLIGHT, Line, flown, processes
from .provenance import libraries
from .run import cores

_FOLDERS = "folder:"
_JOURNAL = "journal.sqlite"
_APPLICATION_ID = 0x43534A4C  # "CSJL"

Back = TypeVar("Back")
Report = Callable[[int, int], None]
"""Told (files done, files in all)."""


def clean_name(text: str) -> str:
    """Return the clean set that `text` is a corrupted one of: "kodak" of "kodak-c", "folder:PATH" as it stands.

    Raises UnknownName.
    """
    if text.startswith(_FOLDERS):
        return text
    clean = [name for name in KNOWN if ":" not in name]
    plans = {name: plan.sets[0] for name, plan in PLANS.items() if name.endswith("-c") and len(plan.sets) == 1}
    known = {f"{name}-c": name for name in clean} | plans | {"folder:PATH": ""} | {name: name for name in clean}
    return named("corrupted set", text, known)


@dataclass(frozen=True, slots=True)
class Order:
    """A clean set, and the (corruption, severity) pairs that are wanted of it, in the order of the table."""

    images: ImageSet
    conditions: tuple[tuple[str, int], ...]

    def manifest(self) -> Manifest:
        """Return the manifest of what is ordered, without a file yet."""
        return Manifest(
            set=self.images.name,
            digest=self.images.digest,
            view=str(self.images.view or ""),
            images=tuple(Original(one.id, one.sha256, one.height, one.width) for one in self.images.sources),
            made_with={"codecshift": version("codecshift")} | libraries(),
            recipes=_recipes(self.conditions),
            conditions=self.conditions,
            files={},
        )


def order(
    name: str,
    data_dir: Path,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    *,
    download: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Order:
    """Return what is wanted of the set `name`, e.g. "kodak-c", by default the fifteen at five severities each.

    Raises UnknownName, whatever opening the set raises, and SetError or UnreadableImage for an image that cannot be
    read or has a side under 32 pixels.
    """
    clean = clean_name(name)
    if CLEAN in corruptions:
        raise UnknownName(f"{CLEAN} is the clean image itself: expected corruptions or bands (low, medium, high)")
    plan = Plan(name, "", (clean,), ()).narrowed(corruptions=corruptions, severities=severities)
    conditions = in_order([one for one in plan.conditions() if one[0] != CLEAN])
    prepare((name for name, _ in conditions), progress)
    images = open_set(clean, data_dir, download=download, progress=progress)
    for source in images.sources:
        height, width = source.height, source.width
        if not height:
            height, width = source.load(images.view).shape[:2]  # which says what is wrong with it
        if min(height, width) < MINIMUM_SIDE:
            raise SetError(
                f"{source.id} of {images.name} is {width}x{height}: the corruptions need {MINIMUM_SIDE} pixels a side"
            )
    return Order(images, conditions)


@dataclass(frozen=True, slots=True)
class Made:
    """How a set was made: files in all, how many were there already, and the seconds spent by all workers together."""

    total: int
    kept: int
    corrupting_s: float
    writing_s: float
    wall_s: float
    nbytes: int


def generate(order: Order, out: Path, *, jobs: int | None = None, report: Report = lambda _done, _total: None) -> Made:
    """Write the files of an order and their manifest to the folder `out`, and return how it went.

    May be stopped at any instant: the next call keeps each file whose bytes are still those that were written, and
    makes the rest. A finished set of the same recipe is completed by further conditions, and mended. Raises
    GeneratedError for a folder that holds anything else, before it touches it; and for a worker that dies.
    """
    started = time.perf_counter()
    jobs = jobs or cores()
    wanted = order.manifest()
    finished = _existing(out)
    if finished is not None:
        _refuse_other(out, finished, wanted)
    with _Journal.open(out, wanted) as journal:
        known = (dict(finished.files) if finished else {}) | journal.files()
        # Image by image, so that a worker loads each clean image once.
        places = [(one.id, *condition) for one in order.images.sources for condition in order.conditions]
        files, done, kept, corrupting_s, writing_s = dict(known), 0, 0, 0.0, 0.0
        report(0, len(places))
        with _workers(jobs, _start_maker, order.images, out, known) as pool:
            for place, future in flown(Line(partial(_send, pool, _make), _each(places), IN_FLIGHT * jobs)):
                work = _result(place, future)
                if finished and place in finished.files and work.stored.pixels != finished.files[place].pixels:
                    raise GeneratedError(
                        f"{file_of(place)} made anew is not the one that {out / MANIFEST} tells of: give another --out"
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
        manifest = replace(wanted, conditions=conditions, recipes=_recipes(conditions), files=files)
        _write(out / UNFINISHED / MANIFEST, out / MANIFEST, manifest.text().encode())
    shutil.rmtree(out / UNFINISHED)
    nbytes = sum(files[place].nbytes for place in places)
    return Made(len(places), kept, corrupting_s, writing_s, time.perf_counter() - started, nbytes)


Kind = Literal["missing", "unreadable", "pixels", "bytes", "extra"]
"""What can be wrong with a file; `bytes` alone is harmless: the same pixels, compressed in another way."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of a set that is not as its manifest says, and how."""

    kind: Kind
    file: str
    about: str = ""


def verify(
    folder: Path, *, jobs: int | None = None, report: Report = lambda _done, _total: None
) -> tuple[int, list[Finding]]:
    """Return how many files the set in `folder` has, and what is not as its manifest says, in the manifest's order.

    Every file is read, hashed, decoded and hashed again. Raises GeneratedError where there is no finished set.
    """
    manifest = read_manifest(folder)
    if (folder / UNFINISHED).exists():
        raise GeneratedError(f"{folder} is not finished: the same codecshift generate goes on with it")
    places = manifest.places()
    found: dict[Place, Finding | None] = {}
    report(0, len(places))
    jobs = jobs or cores()
    with _workers(jobs, _start_checker, folder, manifest.files) as pool:
        for place, future in flown(Line(partial(_send, pool, _check), _each(places), IN_FLIGHT * jobs)):
            found[place] = _result(place, future)
            report(len(found), len(places))
    expected = {MANIFEST, *map(file_of, places)}
    present = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    extra = [Finding("extra", file) for file in present if file not in expected]
    return len(places), [finding for place in places if (finding := found[place])] + extra


def _existing(out: Path) -> Manifest | None:
    """Return the manifest of the finished set in `out`, None for a folder that is empty, unfinished or not there."""
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
    if strangers and not (out / UNFINISHED / _JOURNAL).is_file():
        raise GeneratedError(f"{out} holds files of another kind ({min(strangers)}): give another --out")
    return None


def _refuse_other(out: Path, there: Manifest, wanted: Manifest) -> None:
    if reason := there.difference(wanted):
        raise GeneratedError(f"{out} holds {reason}; nothing was changed: give another --out")


class _Journal:
    """What is already written of a set that is not finished; one process alone has it open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, out: Path, wanted: Manifest) -> Iterator[_Journal]:
        """Open the journal in `out` for what is `wanted`, making it and the folder where there is none."""
        (out / UNFINISHED).mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(out / UNFINISHED / _JOURNAL, timeout=0, isolation_level=None)) as connection:
                # The lock is kept until the end: a second process is refused instead of doing the same work.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                cls._claim(out, connection, wanted)
                connection.execute("COMMIT")
                yield cls(connection)
        except sqlite3.Error as error:
            reason = str(error)
            if "locked" in reason or "busy" in reason:
                reason = "another codecshift generate is writing there"
            elif "not a database" in reason or "malformed" in reason:
                reason = f"{UNFINISHED} in it is damaged: remove the folder, or give another --out"
            raise GeneratedError(f"{out}: {reason}") from error

    @staticmethod
    def _claim(out: Path, connection: sqlite3.Connection, wanted: Manifest) -> None:
        """Say in the journal what is being made, or raise GeneratedError where it is something else."""
        if connection.execute("PRAGMA application_id").fetchone() == (0,):
            connection.execute("CREATE TABLE IF NOT EXISTS wanted (manifest TEXT NOT NULL)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files (image TEXT NOT NULL, corruption TEXT NOT NULL, "
                "severity INTEGER NOT NULL, nbytes INTEGER NOT NULL, sha256 TEXT NOT NULL, pixels TEXT NOT NULL, "
                "PRIMARY KEY (image, corruption, severity)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        for (text,) in connection.execute("SELECT manifest FROM wanted").fetchall():
            try:
                begun = Manifest.parse(text)
            except GeneratedError as error:
                raise GeneratedError(f"{out} is not finished, and what it was to be {error}") from error
            _refuse_other(out, begun, wanted)
            left = [one for one in begun.conditions if one not in wanted.conditions]
            if left:
                raise GeneratedError(
                    f"{out} is not finished and {left[0][0]}@{left[0][1]} belongs to it, which is not asked for now: "
                    "finish it with the command it was begun with, or give another --out"
                )
        connection.execute("DELETE FROM wanted")
        connection.execute("INSERT INTO wanted VALUES (?)", (wanted.text(),))

    def files(self) -> dict[Place, Stored]:
        """Return every file that was written."""
        rows = self._connection.execute("SELECT image, corruption, severity, nbytes, sha256, pixels FROM files")
        return {(image, corruption, severity): Stored(*stored) for image, corruption, severity, *stored in rows}

    def add(self, place: Place, stored: Stored) -> None:
        """Record that a file is written."""
        values = (*place, stored.nbytes, stored.sha256, stored.pixels)
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)


@dataclass(frozen=True, slots=True)
class _Work:
    """A file that is there now, whether it was before, and the seconds it took."""

    stored: Stored
    kept: bool = False
    corrupting_s: float = 0.0
    writing_s: float = 0.0


@contextmanager
def _workers(jobs: int, start: Callable[..., None], *arguments: object) -> Iterator[pebble.ProcessPool]:
    """Open worker processes; leaving ends them within a second, whatever they are at."""
    pool = processes(jobs, start, *arguments)
    try:
        yield pool
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _send(pool: pebble.ProcessPool, deed: Callable[[Place], Back], place: Place) -> Future[Back]:
    future: Future[Back] = pool.schedule(deed, args=[place])
    return future


def _each(places: Iterable[Place]) -> Callable[[], Place | None]:
    return partial(next, iter(places), None)


def _result(place: Place, future: Future[Back]) -> Back:
    try:
        return future.result()
    except pebble.ProcessExpired as expired:
        raise GeneratedError(
            f"the process that worked on {file_of(place)} ended with code {expired.exitcode}, for lack of memory "
            "perhaps: the same command with fewer --jobs goes on"
        ) from expired


class _Maker:
    """One worker's lifetime of making files: the clean images it has loaded lately."""

    def __init__(self, images: ImageSet, out: Path, known: Mapping[Place, Stored]) -> None:
        self.images = images
        self.out = out
        self.known = known
        self._clean: OrderedDict[str, Image] = OrderedDict()

    def make(self, place: Place) -> _Work:
        target = self.out / file_of(place)
        known = self.known.get(place)
        if known and _holds(target, known):
            return _Work(known, kept=True)
        clean = self._load(place[0])
        started = time.perf_counter()
        shown = corrupted(self.images.name, clean, place)
        corrupting_s = time.perf_counter() - started
        data = as_png(shown)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(self.out / UNFINISHED / f"{os.getpid()}.png", target, data)
        stored = Stored(len(data), hashlib.sha256(data).hexdigest(), pixel_digest(shown))
        return _Work(stored, False, corrupting_s, time.perf_counter() - started - corrupting_s)

    def _load(self, image: str) -> Image:
        if image not in self._clean:
            self._clean[image] = self.images.load(image)
            if len(self._clean) > 2:
                self._clean.popitem(last=False)
        return self._clean[image]


def corrupted(of: str, clean: Image, place: Place) -> Image:
    """Return a `clean` image of the set called `of` under the corruption of `place`, uint8 (H, W, 3)."""
    image, corruption, severity = place
    return find(corruption)(clean, severity, generator(str(Shot(of, image, corruption, severity))))


def as_png(image: Image) -> bytes:
    """Return an image (H, W, 3) as a PNG file; the same pixels give the same bytes with one version of Pillow."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


def _holds(path: Path, stored: Stored) -> bool:
    """Say whether the file at `path` has the bytes that were stored there."""
    try:
        data = path.read_bytes() if path.stat().st_size == stored.nbytes else b""
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() == stored.sha256


def _write(partial: Path, target: Path, data: bytes) -> None:
    """Write a file by way of another one, so that it is never there in part."""
    partial.write_bytes(data)
    partial.replace(target)


def _recipes(conditions: Iterable[tuple[str, int]]) -> dict[str, object]:
    return {corruption: recipe(corruption) for corruption, _ in conditions}


def _inspect(folder: Path, place: Place, stored: Stored) -> Finding | None:
    """Return what is wrong with one file of a set, None if it is right."""
    file = file_of(place)
    path = folder / file
    if not path.is_file():
        return Finding("missing", file)
    try:
        if pixel_digest(read_pixels(path)) != stored.pixels:
            return Finding("pixels", file, "its pixels are others")
    except UnreadableImage as error:
        return Finding("unreadable", file, str(error))
    return None if _holds(path, stored) else Finding("bytes", file, "its pixels are right, its bytes are others")


_make_file: Callable[[Place], _Work] | None = None
_inspect_file: Callable[[Place], Finding | None] | None = None


def _start_maker(images: ImageSet, out: Path, known: Mapping[Place, Stored]) -> None:
    global _make_file  # noqa: PLW0603 - a worker process has exactly one
    cv2.setNumThreads(1)
    _make_file = _Maker(images, out, known).make


def _make(place: Place) -> _Work:
    assert _make_file is not None  # noqa: S101 - pebble runs the start of a worker before any task
    return _make_file(place)


def _start_checker(folder: Path, files: Mapping[Place, Stored]) -> None:
    global _inspect_file  # noqa: PLW0603 - a worker process has exactly one

    def inspect(place: Place) -> Finding | None:
        return _inspect(folder, place, files[place])

    _inspect_file = inspect


def _check(place: Place) -> Finding | None:
    assert _inspect_file is not None  # noqa: S101 - as above
    return _inspect_file(place)
