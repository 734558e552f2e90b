"""Admission: a run file is opened for a job only if the job's rows can be compared with those in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...corruptions.sets import ImageSet
from ..store import Recorded, RunFile, RunFileError, provenance
from .job import Job

_NAMED = 5  # images; a longer list ends with the number of the others


@contextmanager
def admitted(job: Job, out: Path, *, remeasure_changed: bool = False) -> Iterator[tuple[RunFile, list[str]]]:
    """Open a run file for a job; yield it, with a note for each set whose images changed or are gone.

    The file then records the images that the sets of the job have now. Raises RunFileError if the job's rows cannot be
    compared with those in the file, or if an image of the job differs from the one its `ok` rows were measured on. With
    `remeasure_changed`, all rows of a changed image are removed instead, and the job measures its own rows again. A
    changed image without `ok` rows is always accepted, and its failed rows are tried again.
    """
    with RunFile.open(out) as file:
        known = file.images()
        reason = provenance.conflict([*file.runs().values(), job.comparable], known)
        if reason:
            raise RunFileError(f"{out} holds rows that cannot be compared with this run: {reason}; give another --out")
        changed = {images.name: _changed(images, known.get(images.name, {})) for images in job.sets.values()}
        if not remeasure_changed:
            _refuse_changed(file, changed)
        notes: list[str] = []
        for images in job.sets.values():
            notes += _take(file, images, known.get(images.name, {}), changed[images.name])
        yield file, notes


def _changed(images: ImageSet, known: Mapping[str, Recorded]) -> list[str]:
    """Return the images of a job whose content is not what the file recorded."""
    digests = images.digests
    ids = [source.id for source in images.sources]
    return [image for image in ids if image in known and known[image].digest != digests[image]]


def _refuse_changed(file: RunFile, changed: Mapping[str, Sequence[str]]) -> None:
    measured = file.measured()
    lost = [f"{name}/{image}" for name, ids in changed.items() for image in ids if (name, image) in measured]
    if lost:
        raise RunFileError(
            f"{file.path} holds rows measured on earlier content of {_listed(lost)}: measure them again with "
            "--remeasure-changed, or give another --out"
        )


def _take(file: RunFile, images: ImageSet, known: Mapping[str, Recorded], changed: Sequence[str]) -> Iterator[str]:
    """Record the current images of a set, and yield notes for the user on what changed."""
    # The rows of an image outside the job stay, so the digest of the content they were measured on stays too.
    kept = {image: content.digest for image, content in known.items() if image not in changed}
    now = {image: Recorded(kept.get(image, digest), is_present=True) for image, digest in images.digests.items()}
    gone = [image for image in known if image not in now]
    now |= {image: Recorded(known[image].digest, is_present=False) for image in gone}
    if now == known:
        return
    removed = file.take(images.name, now, changed)
    if removed.rows:
        yield f"{images.name}: {_listed(changed)} changed: {removed.rows} rows of the earlier content were removed"
    if removed.conditions:
        yield (
            f"{images.name}: the spectra of {removed.conditions} conditions included the earlier content and were "
            "removed; --spectra measures them again"
        )
    if newly := [image for image in gone if known[image].is_present]:
        yield (
            f"{images.name} no longer has {_listed(newly)}: its rows stay in {file.path}, but reports leave them out"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
