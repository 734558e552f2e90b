"""The files of corrupted sets: checks of names and contents, and the processes that work on the files."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pebble

from ...corruptions.sets.generated import UNFINISHED, GeneratedError, Place, Stored, file_of
from ..measure.pools.processes import IN_FLIGHT, Line, flown, processes

Result = TypeVar("Result")


def holds(path: Path, stored: Stored) -> bool:
    """Return whether the file at `path` still has the bytes recorded in `stored`."""
    try:
        content = path.read_bytes() if path.stat().st_size == stored.nbytes else b""
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == stored.sha256


def refuse_unfit(out: Path, images: Iterable[str]) -> None:
    """Raise GeneratedError for the first image whose file cannot be written to the folder `out`.

    The file system decides which names are too long, reserved or equal, so the check creates an empty file for each
    image. It creates `out` if needed, and removes what it created if an image is refused.
    """
    missing = [folder for folder in (out / UNFINISHED, out, *out.parents) if not folder.exists()]
    (out / UNFINISHED).mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=out / UNFINISHED) as trial:
            for image in images:
                if reason := _unfit(Path(trial), image):
                    raise GeneratedError(
                        f"the image {image!r} cannot be written below {out}: {reason}; rename its file"
                    )
    except GeneratedError:
        for folder in missing:
            folder.rmdir()
        raise


def _unfit(trial: Path, image: str) -> str:
    """Return why an image cannot have a file in the folder `trial` beside the earlier images, "" if it can."""
    try:
        path = trial / file_of((image, "corruption", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("xb").close()
    except GeneratedError:
        return "it points outside the folder"
    except FileExistsError:
        return "another image has the same file name there"
    except OSError as error:
        return error.strerror or str(error)
    return ""


@contextmanager
def each(
    deed: Callable[[Place], Result], places: Iterable[Place], jobs: int, start: Callable[..., None], *arguments: object
) -> Iterator[Iterator[tuple[Place, Result]]]:
    """Run `deed` on every place in `jobs` processes; yield an iterator over (place, result) in order of completion.

    Each process begins with `start(*arguments)`. Leaving the context ends all of them within a second. The iterator
    raises GeneratedError if a process dies.
    """
    pool = processes(jobs, start, *arguments)

    def results() -> Iterator[tuple[Place, Result]]:
        following = partial(next, iter(places), None)
        for place, future in flown(Line(lambda place: pool.schedule(deed, args=[place]), following, IN_FLIGHT * jobs)):
            try:
                yield place, future.result()
            except pebble.ProcessExpired as expired:
                raise GeneratedError(
                    f"the process that worked on {file_of(place)} ended with exit code {expired.exitcode}, perhaps for "
                    "lack of memory: run the same command with fewer --jobs to continue"
                ) from expired

    try:
        yield results()
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
