"""The files of corrupted sets: which a folder can hold, which are as stored, and the processes that work them."""

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
    """Return whether the file at `path` has the bytes that were stored there."""
    try:
        content = path.read_bytes() if path.stat().st_size == stored.nbytes else b""
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == stored.sha256


def refuse_unfit(out: Path, images: Iterable[str]) -> None:
    """Raise GeneratedError for the first image whose file cannot be in the folder `out`, which is made if need be.

    Which names are too long, reserved, or equal to another is a matter of the file system, which is asked by empty
    files. Where an image is refused, nothing of the trial is left.
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
    """Return why an image cannot have a file in a folder beside those tried before, "" if it can."""
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
    """Give an iterator over each place with the result of `deed`, in the order in which they end.

    The `jobs` processes begin with `start(*arguments)`; leaving ends them within a second. The iterator raises
    GeneratedError for a process that dies.
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
