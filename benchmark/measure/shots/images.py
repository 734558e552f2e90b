"""The images of a shot: the clean one and the one shown to codecs, with a cache of the most recent ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from ....corruptions.corruption import CLEAN, Image
from ....corruptions.pixels import UnreadableImage
from ....corruptions.sets import ImageSet, SetError
from ....corruptions.table import corrupt
from ...plan.plans import Shot
from ...store import Unshown
from .coding import described

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def load_clean(images: ImageSet, image: str) -> Image:
    """Return the pixels of an image of a set, read-only."""
    return _sealed(images.load(image))


def show(images: ImageSet, shot: Shot, clean: Image) -> Image:
    """Return the image shown to codecs, read-only: the stored file of a generated set, or the image corrupted now."""
    if shot.corruption == CLEAN:
        return clean
    stored = images.load_corrupted((shot.image, shot.corruption, shot.severity))
    made = corrupt(clean, shot.set, shot.image, shot.corruption, shot.severity) if stored is None else stored
    return _sealed(made)


def not_made(shot: Shot, error: Exception) -> Unshown:
    """Return the record of a shot that could not be made, or of its clean image if that cannot be read."""
    reason = str(error)[:500] if isinstance(error, ValueError) else described(error)
    if isinstance(error, (UnreadableImage, SetError)):
        return Unshown(shot.set, shot.image, CLEAN, 0, reason)
    return Unshown(shot.set, shot.image, shot.corruption, shot.severity, reason)


def _sealed(image: Image) -> Image:
    """Return the image, read-only: a codec that writes to its input then fails instead of spoiling other rows."""
    image.flags.writeable = False
    return image


class Recent(Generic[Key, Value]):
    """A cache of `make` with the `most` recently used results; exceptions are not kept."""

    def __init__(self, make: Callable[[Key], Value], most: int) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._results: OrderedDict[Key, Future[Value]] = OrderedDict()

    def __call__(self, key: Key) -> Value:
        """Return what `make` returns for a key; if another thread is making it, wait for that thread."""
        with self._lock:
            result = self._results.get(key)
            if result is not None:
                self._results.move_to_end(key)
                mine = False
            else:
                result = self._results[key] = Future()
                mine = True
                if len(self._results) > self._most:
                    self._results.popitem(last=False)
        if mine:
            try:
                result.set_result(self._make(key))
            except BaseException as error:  # noqa: BLE001 - raised below, in every thread that waits
                result.set_exception(error)
                with self._lock:
                    if self._results.get(key) is result:
                        del self._results[key]
        try:
            return result.result()
        finally:
            del result  # its exception refers to this frame: without this, a reference cycle would keep pixels alive
