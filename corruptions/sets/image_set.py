"""An image set is a name, a view and a list of image files; its digest identifies its content on any machine."""

from __future__ import annotations

import difflib
import hashlib
import os
import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..corruption import Image
from ..pixels import UnreadableImage, image_size, read_pixels
from .generated import Place, StoredSet
from .listing import file_digest


class SetError(ValueError):
    """A set cannot be opened, or one of its images cannot be loaded; the message says why."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of each image that is used: the centre crop of `height` x `width` pixels, without resizing.

    A portrait image under a landscape crop, or a landscape image under a portrait crop, is first rotated by 90 degrees
    counter-clockwise. If the margin is odd, one more row is cut from the bottom, and one more column from the right.
    """

    height: int
    width: int

    def __str__(self) -> str:
        """Return the view's name in the names of sets, e.g. "crop512x768"."""
        return f"crop{self.height}x{self.width}"

    def apply(self, image: Image) -> Image:
        """Return the view of an image (H, W, 3). Raises SetError for an image that is smaller than the crop."""
        height, width = image.shape[:2]
        if not self.fits(height, width):
            raise SetError(f"{width}x{height} is smaller than the crop of {self.width}x{self.height} (width x height)")
        turned = np.rot90(image) if self._turns(height, width) else image
        top = (turned.shape[0] - self.height) // 2
        left = (turned.shape[1] - self.width) // 2
        return turned[top : top + self.height, left : left + self.width].copy()

    def fits(self, height: int, width: int) -> bool:
        """Return whether an image of this size, rotated if needed, is at least as large as the crop."""
        if self._turns(height, width):
            height, width = width, height
        return height >= self.height and width >= self.width

    def _turns(self, height: int, width: int) -> bool:
        return (height - width) * (self.height - self.width) < 0


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a set: its file, and the digests that identify its content.

    `height` and `width` are the size after the view. They are 0 if the header cannot be read or the view does not fit;
    the image then stays in the set, and loading it raises the reason. `pixels` is the digest of the file's pixels if
    the manifest states it, else "".
    """

    id: str
    path: Path
    sha256: str
    height: int
    width: int
    pixels: str = ""

    @classmethod
    def of_file(cls, image: str, path: Path, sha256: str, view: View | None, pixels: str = "") -> Source:
        """Return the source of a file, with its size from the header. Raises SetError for a file name not in UTF-8."""
        try:
            image.encode()
        except UnicodeEncodeError as error:
            raise SetError(_not_decoded(os.fsencode(path))) from error
        try:
            height, width = image_size(path)
        except UnreadableImage:
            return cls(image, path, sha256, 0, 0, pixels)
        if view is not None:
            height, width = (view.height, view.width) if view.fits(height, width) else (0, 0)
        return cls(image, path, sha256, height, width, pixels)

    def load(self, view: View | None) -> Image:
        """Return the image's pixels after the view, uint8 (H, W, 3).

        Raises UnreadableImage for a file that cannot be read, and SetError for a file that has changed since the set
        was opened or an image smaller than the view. Messages do not contain the folder, because they are stored in
        rows.
        """
        image = read_pixels(self.path)
        if file_digest(self.path) != self.sha256:
            raise SetError(f"{self.path.name} has changed since the set was opened")
        if view is None:
            return image
        try:
            return view.apply(image)
        except SetError as error:
            raise SetError(f"{self.path.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A set of images; its name is the same on every machine, and its sources are sorted by id.

    `generated` is the folder with its corrupted images, None if they are computed on demand. `whole` holds the sources
    of the full set if this is a part of it. `left_out` describes the files of a folder that are not in the set because
    they are not images, "" if there are none.
    """

    name: str
    sources: tuple[Source, ...]
    view: View | None = None
    note: str = ""
    generated: StoredSet | None = field(default=None, hash=False)
    whole: tuple[Source, ...] = ()
    left_out: str = ""

    def part(self, sources: Iterable[Source]) -> ImageSet:
        """Return the set reduced to these sources. It keeps its name and digests, so that its rows fit the full set."""
        return replace(self, sources=by_id(sources), whole=self.whole or self.sources)

    def load(self, id: str) -> Image:  # noqa: A002 - an image's id is called that everywhere
        """Return the pixels of the image `id` after the view, uint8 (H, W, 3).

        Raises SetError for an id that is not in the set, and everything that `Source.load` raises.
        """
        index = bisect_left(self.sources, id, key=lambda source: source.id)
        if index == len(self.sources) or self.sources[index].id != id:
            nearest = difflib.get_close_matches(id, [source.id for source in self.sources], n=1)
            raise SetError(f"{self.name} has no image {id!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))
        return self.sources[index].load(self.view)

    def load_corrupted(self, place: Place) -> Image | None:
        """Return the stored pixels of a corrupted image, uint8 (H, W, 3); None if it is not stored as a file.

        Raises GeneratedError for a file that is missing, damaged, or does not match its manifest.
        """
        return self.generated.load(place) if self.generated is not None and place in self.generated.files else None

    @property
    def digest(self) -> str:
        """The sha256, in hex, of the set's content: the view, then each image's content digest and id.

        The content digest is the digest of the pixels if the manifest states it, so that a re-saved PNG counts as the
        same image; otherwise it is the digest of the file. A part of a set has the digest of the full set.
        """
        lines = [f"{source.pixels or source.sha256} {source.id}" for source in self.whole or self.sources]
        return _sha256(f"view {self.view}", *lines)

    @property
    def digests(self) -> Mapping[str, str]:
        """By id, the sha256, in hex, of each image's view and content digest.

        A part of a set has the digests of the full set.
        """
        sources = self.whole or self.sources
        return {source.id: _sha256(f"view {self.view}", source.pixels or source.sha256) for source in sources}


def _sha256(*lines: str) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _not_decoded(name: bytes) -> str:
    """Return the message for a file name that this locale cannot decode."""
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return f"the file name {name!r} is not UTF-8: rename the file"
    encoding = sys.getfilesystemencoding()
    return f"this locale reads file names as {encoding}, but an image has a name in UTF-8: set PYTHONUTF8=1"


def by_id(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return sources sorted by id, as ImageSet expects them."""
    return tuple(sorted(sources, key=lambda source: source.id))
