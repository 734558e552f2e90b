"""A corrupted set as files: one PNG per image and condition, and a manifest with their origin and digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from ..corruption import Image
from ..pixels import UnreadableImage, pixel_digest, read_pixels

MANIFEST = "manifest.json"
UNFINISHED = ".unfinished"
"""The folder for work in progress inside an unfinished set; a finished set does not have it."""

FORMAT = "codecshift corrupted set"
VERSION = 1
FOLLOWS = "imagecorruptions 1.1.2"
SEEDS = (
    "PCG64 seeded with the 16-byte blake2b of the UTF-8 name set/image/corruption@severity, read as a little-endian "
    "integer"
)
PNG_LEVEL = 2  # on Kodak-C, level 6 takes three times as long for 3 % fewer bytes

Place = tuple[str, str, int]
"""Identifies a file of a set: (image id, corruption, severity)."""


class GeneratedError(ValueError):
    """A folder is not, or cannot become, the requested corrupted set; the message says why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a set: its size, the sha256 of its bytes, and the digest of its pixels (`pixel_digest`)."""

    nbytes: int
    sha256: str
    pixels: str


@dataclass(frozen=True, slots=True)
class Original:
    """A clean image of a corrupted set: the sha256 of its file, and its size after the set's view."""

    id: str
    sha256: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content and origin of a corrupted set, without times, paths or the number of workers.

    `digest` is the digest of the clean set. `recipes` holds each corruption's version, band and levels, and `made_with`
    the versions of the libraries. `files` is incomplete while the set is unfinished.
    """

    set: str
    digest: str
    view: str
    images: tuple[Original, ...]
    made_with: Mapping[str, str]
    recipes: Mapping[str, Any]
    conditions: tuple[tuple[str, int], ...]
    files: Mapping[Place, Stored]

    def places(self) -> list[Place]:
        """Return the places of all files of the finished set, condition by condition."""
        return [(original.id, *condition) for condition in self.conditions for original in self.images]

    def difference(self, other: Manifest) -> str:
        """Return why files of two manifests must not share a folder, "" if they may."""
        if self.set != other.set:
            return f"{self.set}, not {other.set}"
        if self.digest != other.digest:
            return f"{self.set} of other images (digest {self.digest[:12]}, not {other.digest[:12]})"
        for name in sorted({*self.made_with, *other.made_with}):
            if self.made_with.get(name) != other.made_with.get(name):
                return f"{self.set} made with {name} {self.made_with.get(name)}, not {other.made_with.get(name)}"
        for name, recipe in self.recipes.items():
            if recipe != other.recipes.get(name, recipe):
                versions = (recipe["version"], other.recipes[name]["version"])
                return f"{self.set} made with another {name} (version {versions[0]}, not {versions[1]})"
        return ""

    def text(self) -> str:
        """Return the text of the manifest file: JSON, one line per file, with a digest of its own content."""
        body = self._body()
        parts = {key: _lines(value) if isinstance(value, list) else json.dumps(value) for key, value in body.items()}
        parts["sha256"] = json.dumps(_digest(body))
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {value}" for key, value in parts.items()) + "\n}\n"

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "made_with": dict(sorted(self.made_with.items())),
            "follows": FOLLOWS,
            "seeds": SEEDS,
            "png": f"8 bit RGB, compression level {PNG_LEVEL}",
            "set": {"name": self.set, "digest": self.digest, "view": self.view},
            "images": [asdict(original) for original in self.images],
            "corruptions": dict(self.recipes),
            "conditions": [f"{corruption}@{severity}" for corruption, severity in self.conditions],
            "files": [
                {"file": file_of(place), **asdict(self.files[place])} for place in self.places() if place in self.files
            ],
        }

    @classmethod
    def parse(cls, text: str) -> Manifest:
        """Return the manifest in `text`; raise GeneratedError, whose message the caller prefixes with the path."""
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise GeneratedError("is not the manifest of a corrupted set")
            if body["version"] > VERSION:
                raise GeneratedError(
                    f"was written by a newer codecshift (format {body['version']}, this one knows {VERSION}): "
                    "upgrade with pip install -U codecshift"
                )
            if _digest({key: value for key, value in body.items() if key != "sha256"}) != body["sha256"]:
                raise GeneratedError("was changed after it was written: its digest does not match its content")
            conditions = [label.rpartition("@") for label in body["conditions"]]
            manifest = cls(
                set=body["set"]["name"],
                digest=body["set"]["digest"],
                view=body["set"]["view"],
                images=tuple(Original(**facts) for facts in body["images"]),
                made_with=body["made_with"],
                recipes=body["corruptions"],
                conditions=tuple((corruption, int(severity)) for corruption, _, severity in conditions),
                files={},
            )
            files = {facts.pop("file"): Stored(**facts) for facts in body["files"]}
            places = {file_of(place): place for place in manifest.places()}
            return replace(manifest, files={place: files[file] for file, place in places.items() if file in files})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, GeneratedError):
                raise
            raise GeneratedError("is damaged, or was not written by codecshift") from error


def file_of(place: Place) -> str:
    """Return the path of a file inside its set's folder, e.g. "fog/3/kodim01.png"; image ids may contain folders.

    Raises GeneratedError for a name that points outside the folder.
    """
    image, corruption, severity = place
    # On Windows a backslash separates folders; elsewhere it is an ordinary character.
    parts = (corruption, *PureWindowsPath(image).parts)
    if image.startswith("/") or ".." in parts or "/" in corruption:
        raise GeneratedError(f"names a file outside its folder, {image!r}")
    return f"{corruption}/{severity}/{image}.png"


def recipe(corruption: str) -> dict[str, Any]:
    """Return the entry of a corruption in a manifest: version, band and levels, which determine its pixels."""
    from ..table import find  # noqa: PLC0415 - the table imports every filter, which listing sets does not need

    row = find(corruption)
    facts = {"version": row.version, "band": row.band, "levels": row.levels}
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=asdict))
    return plain


def outdated(manifest: Manifest) -> list[str]:
    """Return the corruptions of a set whose recipe differs from this version's, or is unknown to this version."""
    return [name for name, stored in manifest.recipes.items() if not _is_current(name, stored)]


def _is_current(corruption: str, stored: Mapping[str, Any]) -> bool:
    try:
        return recipe(corruption) == stored
    except (KeyError, ValueError):  # a corruption that this version does not have
        return False


def in_order(conditions: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Return the distinct (corruption, severity) pairs in the order of the table, with unknown corruptions last."""
    from ..table import CORRUPTIONS  # noqa: PLC0415 - as above

    order = {name: number for number, name in enumerate(CORRUPTIONS)}
    return tuple(sorted(set(conditions), key=lambda condition: (order.get(condition[0], len(order)), *condition)))


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the finished set in `folder`; raise GeneratedError if there is none."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise GeneratedError(f"{folder} {'is a file' if folder.exists() else 'does not exist'}, expected a folder")
    if not path.is_file():
        if (folder / UNFINISHED).is_dir():
            raise GeneratedError(f"{folder} is not finished: run the same codecshift generate again to resume")
        raise GeneratedError(f"{folder} is not a corrupted set: it has no {MANIFEST}")
    try:
        manifest = Manifest.parse(path.read_text(encoding="utf-8"))
        missing = [place for place in manifest.places() if place not in manifest.files]
        if missing:
            raise GeneratedError(f"does not list {file_of(missing[0])}")
    except UnicodeDecodeError as error:
        raise GeneratedError(f"{path} is damaged, or was not written by codecshift") from error
    except GeneratedError as error:
        raise GeneratedError(f"{path} {error}") from error
    return manifest


@dataclass(frozen=True, slots=True)
class StoredSet:
    """The corrupted images of a set that are stored as files in a folder, and the versions of the libraries used."""

    folder: Path
    files: Mapping[Place, Stored]
    made_with: Mapping[str, str]

    def lacks(self, conditions: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Return the (corruption, severity) pairs that are not in the folder."""
        stored = {place[1:] for place in self.files}
        return [condition for condition in conditions if condition not in stored]

    def load(self, place: Place) -> Image:
        """Return the pixels of a file, uint8 (H, W, 3); raise GeneratedError if they do not match the manifest."""
        file = file_of(place)
        try:
            image = read_pixels(self.folder / file)
        except UnreadableImage as error:
            raise GeneratedError(f"{file} of the corrupted set cannot be read: {error}") from error
        if pixel_digest(image) != self.files[place].pixels:
            raise GeneratedError(f"{file} of the corrupted set does not hold the pixels of its manifest")
        return image


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _lines(values: Sequence[Any]) -> str:
    return "[\n" + ",\n".join(f"  {json.dumps(value)}" for value in values) + "\n]"
