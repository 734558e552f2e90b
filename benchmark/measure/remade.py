"""Pixels for figures: images are made again as a run file describes them, and checked against its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from shlex import quote
from typing import Any

from ...analysis.distortion import squared_error
from ...analysis.figures import NothingToDraw
from ...codecs.protocol import CodecUnavailable, Spec
from ...codecs.registry import UnknownCodec, find, find_point
from ...corruptions.corruption import CLEAN, Image
from ...corruptions.download import DownloadError
from ...corruptions.pixels import UnreadableImage
from ...corruptions.sets import ImageSet, SetError, UnknownSet, open_set
from ...corruptions.sets.generated import GeneratedError
from ...corruptions.table import prepare
from .. import store
from ..plan.plans import Shot
from .shots.coding import Faulty, code, ready
from .shots.images import Recent, load_clean, show

KEPT = 64
"""The number of images kept in memory: a figure uses some tens of images, each several times."""


class Remade:
    """The pixels behind the rows of one set of a run file; `extra` are codecs in addition to those of the catalogue.

    The set is looked up in `data_dir`: known sets such as `kodak` as in a run, `folder:photos` in the subfolder
    `photos`. If it is not there, `places` are tried, the names by which runs opened it. Its images must be those that
    the rows were measured on. Corrupted images are made again from their seeds, and decoded images by the codec; bytes
    and squared errors must equal those of the stored row. Any failure raises NothingToDraw.
    """

    def __init__(
        self,
        path: Path,
        set_name: str,
        runs: Iterable[Mapping[str, Any]],
        data_dir: Path,
        extra: Iterable[Spec] = (),
        places: Iterable[str] = (),
    ) -> None:
        self._path = path
        self._set_name = set_name
        self._digests = {run["sets"][set_name]["digest"] for run in runs if set_name in run["sets"]}
        self._data_dir = data_dir
        self._extra = tuple(extra)
        self._places = tuple(dict.fromkeys((self._place(), *places)))
        self._made = Recent(self._make, KEPT)
        self._rows = cache(self._rows_under)

    def missing(self) -> str:
        """Return why the images of the set are missing, with the command that helps, or "" if they are there."""
        return self._opened if isinstance(self._opened, str) else ""

    def clean(self, image: str) -> Image:
        """Return a clean image of the set."""
        return self._made((image, CLEAN, 0, "", ""))

    def shown(self, image: str, corruption: str, severity: int) -> Image:
        """Return an image as it was shown to the codecs."""
        return self._made((image, corruption, severity, "", ""))

    def decoded(self, image: str, corruption: str, severity: int, codec: str, point: str) -> Image:
        """Return an image as a codec decoded it, checked against the bytes and squared errors of the stored row."""
        return self._made((image, corruption, severity, codec, point))

    @cached_property
    def _opened(self) -> ImageSet | str:
        """Return the set, or why it is missing."""
        ask = f"codecshift figures {quote(str(self._path))} --data-dir DIR"
        for name in self._places:
            with suppress(SetError, UnknownSet, GeneratedError, DownloadError, OSError):
                images = open_set(name, self._data_dir)
                break
        else:
            return f"the images of {self._set_name} are needed, but are not in {self._data_dir}: {ask}"
        place = f"{self._set_name} in {self._data_dir}"
        recorded = store.recorded(self._path).get(self._set_name)
        if recorded is None:  # last opened by a version that recorded only one digest for the whole set
            same = {images.digest} == self._digests
            return images if same else f"the images of {place} are not those that the rows were measured on: {ask}"
        changed = [
            image for image, digest in images.digests.items() if image in recorded and recorded[image].digest != digest
        ]
        if changed:
            names = ", ".join(changed)
            return f"the images of {place} are not those that the rows were measured on ({names} changed): {ask}"
        return images

    def _place(self) -> str:
        """Return the name that opens the set on this machine."""
        if not self._set_name.startswith("folder:"):
            return self._set_name
        folder, at, view = self._set_name.removeprefix("folder:").partition("@crop")
        return f"folder:{self._data_dir.expanduser().absolute() / folder}{at}{view}"

    def _make(self, key: tuple[str, str, int, str, str]) -> Image:
        image, corruption, severity, codec, point = key
        images = self._opened
        if isinstance(images, str):
            raise NothingToDraw(images)
        shot = Shot(self._set_name, image, corruption, severity)
        try:
            if corruption == CLEAN and not codec:
                return load_clean(images, image)
            if not codec:
                prepare([corruption])
                return show(images, shot, self.clean(image))
        except (SetError, UnreadableImage, GeneratedError, DownloadError, KeyError, ValueError) as error:
            raise NothingToDraw(f"{shot} cannot be made again: {error}") from error
        return self._decode(shot, codec, point)

    def _decode(self, shot: Shot, codec: str, point: str) -> Image:
        shown = self.shown(shot.image, shot.corruption, shot.severity)
        row = self._rows(shot.corruption).get((shot.severity, codec, point, shot.image))
        if row is None or row.status != "ok":
            raise NothingToDraw(f"{shot} {codec}:{point} has no measured row")
        known = {spec.name: spec for spec in self._extra}
        try:
            spec = known[codec] if codec in known else find(codec)[0]
            with ready(spec, find_point(spec, point)) as opened:
                coded = code(opened, shown)
        except (UnknownCodec, CodecUnavailable, Faulty) as error:
            architecture, at, _ = codec.partition("@")
            ask = (
                f"codecshift figures {quote(str(self._path))} --checkpoint {architecture}@FILE"
                if at
                else "codecshift doctor"
            )
            raise NothingToDraw(f"{codec} cannot be used here, {error}: {ask}") from error
        errors = tuple(squared_error(coded.seen, other) for other in (shown, self.clean(shot.image)))
        if (coded.nbytes, *errors) != (row.nbytes, row.error, row.error_clean):
            raise NothingToDraw(
                f"{shot} {codec}:{point} cannot be reproduced here (bytes: {coded.nbytes}, measured {row.nbytes}; "
                f"squared error: {errors[0]}, measured {row.error}), so the codec or the corruption has changed: "
                f"codecshift run --set {quote(self._set_name)} --out OTHER"
            )
        return coded.seen

    def _rows_under(self, corruption: str) -> dict[tuple[int, str, str, str], store.Row]:
        rows = store.rows_under(self._path, self._set_name, corruption)
        return {(row.severity, row.codec, row.point, row.image): row for row in rows}
