"""Images that reports leave out: those that cannot be read or corrupted, and those that are no longer in their set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...corruptions.corruption import CLEAN
from ..store import Unshown

_NAMED = 5  # images or reasons; a longer list ends with the number of the others


def unshown_notes(unshown: Sequence[Unshown]) -> Iterator[str]:
    """Yield one sentence if images cannot be read, and one if corrupted images cannot be made."""
    unreadable = [shot.reason for shot in unshown if shot.corruption == CLEAN]
    if unreadable:
        yield f"{_counted(len(unreadable), 'image')} cannot be read: {_listed(unreadable, '; ')}."
    corrupted = [shot.reason for shot in unshown if shot.corruption != CLEAN]
    if corrupted:
        reasons = list(dict.fromkeys(corrupted))
        yield f"{_counted(len(corrupted), 'corrupted image')} cannot be made: {_listed(reasons, '; ')}."


def gone_note(set_name: str, images: Sequence[str]) -> str:
    """Return a sentence on images that are no longer in a set."""
    are = "is" if len(images) == 1 else "are"
    return (
        f"{_counted(len(images), 'image')} that {are} no longer in {set_name} {are} left out: {_listed(images, ', ')}."
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Sequence[str], between: str) -> str:
    more = f"{between}and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return between.join(names[:_NAMED]) + more
