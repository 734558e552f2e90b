"""An image set is a manifest, the files it names and the view of them: the clean pictures of every measurement.

Names: `sample`, `kodak`, `clic2020-test`, `folder:PATH`, `folder:PATH@cropHxW`. A corrupted set such as `kodak-c` is
derived from its clean one; `generated:DIR` is the clean set whose corrupted images are read from the files in DIR.
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import hashlib
import importlib.util
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np

from .corruption import Image
from .download import Progress, fetch, unpack, user_cache
from .generated import Place, Stored, load_stored, outdated, read_manifest
from .pixels import SUFFIXES, UnreadableImage, image_size, pixel_digest, read_pixels

MANIFESTS = Path(__file__).with_name("manifests")
KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"
CLIC_URL = "https://data.vision.ee.ethz.ch/cvl/clic/test/"


class SetError(ValueError):
    """A set that cannot be opened, or an image of it that cannot be loaded; one sentence says why."""


class UnknownSet(LookupError):
    """A set name that means nothing."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        """Keep the `name` that was given and the `known` ones."""
        super().__init__(name, known)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        """Say what was expected, and the nearest name."""
        clean = self.name.removesuffix("-c")
        if clean in self.known:
            return f"{self.name} is {clean} under the corruptions: use --set {clean}"
        near = difflib.get_close_matches(self.name.partition(":")[0], self.known, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"expected a set ({', '.join(self.known)}), got {self.name!r}{hint}"


class SetMissing(SetError):
    """A known set whose images are not there, but can be downloaded."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of each image that is looked at: the centre crop of `height` x `width` pixels, without resizing.

    An image whose orientation is opposite to the crop's (portrait under a landscape crop, or landscape under a portrait
    one) is first turned by 90 degrees counter-clockwise. Where the margin is odd, its larger half is cut from the
    bottom and the right.
    """

    height: int
    width: int

    def __str__(self) -> str:
        """Return the view's name, as it stands in the names of sets: "crop512x768"."""
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
        """Say whether an image of that size, turned as needed, is at least as large as the crop."""
        if self._turns(height, width):
            height, width = width, height
        return height >= self.height and width >= self.width

    def _turns(self, height: int, width: int) -> bool:
        return (height - width) * (self.height - self.width) < 0


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a set: where it lies, and what identifies it.

    `height` and `width` are those after the view, and 0 where the header cannot be read or the view does not fit: such
    an image stays in the set, and says why when it is loaded. `pixels` is the digest of all its pixels where the
    manifest states one, else "".
    """

    id: str
    path: Path
    sha256: str
    height: int
    width: int
    pixels: str = ""

    def load(self, view: View | None) -> Image:
        """Return the image's pixels after the view, uint8 (H, W, 3).

        Raises UnreadableImage for a file that cannot be read; SetError for one that is no longer what it was when the
        set was opened, or that is smaller than the view. No message holds the folder: it may go into a row.
        """
        image = read_pixels(self.path)
        if _file_digest(self.path) != self.sha256:
            raise SetError(f"{self.path.name} is not the file it was when the set was listed")
        if view is None:
            return image
        try:
            return view.apply(image)
        except SetError as error:
            raise SetError(f"{self.path.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Generated:
    """The corrupted images of a set that lie in a folder as files."""

    folder: Path
    files: Mapping[Place, Stored]

    def lacks(self, conditions: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Return those of the (corruption, severity) pairs that the folder does not hold."""
        held = {place[1:] for place in self.files}
        return [one for one in conditions if one not in held]


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A set of images under a name that says nothing of the machine, its sources sorted by id.

    `generated` is where its corrupted images are read from, None where they are made when they are wanted. Of a part of
    a set, `whole` is the digest of all of it, else "".
    """

    name: str
    sources: tuple[Source, ...]
    view: View | None = None
    note: str = ""
    generated: Generated | None = field(default=None, hash=False)
    whole: str = ""

    def part(self, sources: Iterable[Source]) -> ImageSet:
        """Return the set with these of its sources alone: name and digest stay, so that rows of both agree."""
        return replace(self, sources=_sorted(sources), whole=self.digest)

    def load(self, id: str) -> Image:  # noqa: A002 - an image's id is called that everywhere
        """Return the pixels of the image `id` after the view, uint8 (H, W, 3).

        Raises SetError for an id that is not in the set, and whatever `Source.load` raises.
        """
        place = bisect_left(self.sources, id, key=lambda source: source.id)
        if place == len(self.sources) or self.sources[place].id != id:
            near = difflib.get_close_matches(id, [source.id for source in self.sources], n=1)
            raise SetError(f"{self.name} has no image {id!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return self.sources[place].load(self.view)

    def load_corrupted(self, place: Place) -> Image | None:
        """Return the stored pixels of a corrupted image, uint8 (H, W, 3), None where they are to be made.

        Raises GeneratedError for a file that is missing, damaged or of other pixels than its manifest states.
        """
        if self.generated is None or place not in self.generated.files:
            return None
        return load_stored(self.generated.folder, place, self.generated.files[place])

    @property
    def digest(self) -> str:
        """The sha256, in hex, of what the set holds: the view, then each image's content and id, never a path or name.

        An image's content is its pixels where the manifest knows them, so a re-saved PNG is the same; else its file. A
        part of a set has the digest of the whole: what an image of it is does not depend on which others are looked at.
        """
        if self.whole:
            return self.whole
        lines = [f"view {self.view}", *(f"{source.pixels or source.sha256} {source.id}" for source in self.sources)]
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Known:
    """What is told of a set before it is opened; `images` is 0 where it depends on the folder."""

    name: str
    images: int
    about: str
    terms: str
    url: str


@dataclass(frozen=True, slots=True)
class Archive:
    """One of the zip archives of a set, and the subfolder `part` that its images go to."""

    part: str
    file: str
    nbytes: int
    sha256: str
    images: int


CLIC_ARCHIVES = (
    Archive(
        part="mobile",
        file="CLIC2020Mobile_test.zip",
        nbytes=721_789_976,
        sha256="2025f07a6c652270e534640de4271feef3b3dd3260beed4ac4821064837aa732",
        images=178,
    ),
    Archive(
        part="professional",
        file="CLIC2020Professional_test.zip",
        nbytes=891_643_809,
        sha256="857df244fc2bfa5da28d4c66bf0db16ee99bfc79eb807be8afa89cd507852884",
        images=250,
    ),
)

KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        known.name: known
        for known in (
            Known(
                name="sample",
                images=4,
                about="photographs that come inside scikit-image: astronaut, chelsea, coffee, rocket (once a JPEG)",
                terms="public domain and CC0",
                url="https://scikit-image.org/docs/stable/api/skimage.data.html",
            ),
            Known(
                name="kodak",
                images=24,
                about="the Kodak Lossless True Color Image Suite, 768x512 and 512x768, as they are",
                terms="released by Eastman Kodak for unrestricted usage",
                url="https://r0k.us/graphics/kodak/",
            ),
            Known(
                name="clic2020-test",
                images=428,
                about="the CLIC 2020 test split, mobile and professional, centre crop 512 high x 768 wide",
                terms="released by the Computer Vision Lab of ETH Zurich for the challenge, much of it from Unsplash",
                url=CLIC_URL,
            ),
            Known(
                name="folder:PATH",
                images=0,
                about="every image file below PATH; folder:PATH@crop512x768 takes their centre, 512 high x 768 wide",
                terms="yours",
                url="",
            ),
            Known(
                name="generated:DIR",
                images=0,
                about="what codecshift generate wrote to DIR, beside the clean images it was made from",
                terms="those of the clean images",
                url="",
            ),
        )
    }
)
"""The sets there are, by name, in the order in which they are shown."""

_CLIC_VIEW = View(512, 768)
_FOLDER = re.compile(r"folder:(?P<path>.+?)(?:@crop(?P<height>[1-9]\d*)x(?P<width>[1-9]\d*))?", re.DOTALL)


def default_data_dir() -> Path:
    """Return the folder where sets are kept: $CODECSHIFT_DATA, else codecshift's place in the user's cache."""
    chosen = os.environ.get("CODECSHIFT_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return user_cache()


def open_set(
    name: str,
    data_dir: Path,
    *,
    download: bool = False,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Return the set called `name`, its files found, checked and listed.

    `data_dir` is the folder of folders where `kodak` and `clic` lie; with `download` what is missing there is
    fetched, from the folder at the URL `mirror` in place of the set's own. `progress` is told of what takes long.

    The clean images of `generated:DIR` are found in the same way; those of a folder PATH, in `data_dir` under the name
    that PATH ends in.

    Raises UnknownSet for a name outside the grammar, SetError for files that are missing or not the right ones,
    GeneratedError for a DIR that holds no corrupted set, and DownloadError.
    """
    home = data_dir.expanduser().absolute()
    if name == "sample":
        return _open_sample()
    if name == "kodak":
        return _open_kodak(home / name, mirror or KODAK_URL, download, progress)
    if name == "clic2020-test":
        return _open_clic(home / "clic", mirror or CLIC_URL, download, progress)
    if name.startswith("folder:"):
        return _open_folder(name, progress)
    if name.startswith("generated:"):
        return _open_generated(name, home, download, mirror, progress)
    raise UnknownSet(name, tuple(KNOWN))


def _open_sample() -> ImageSet:
    spec = importlib.util.find_spec("skimage")  # finding it is cheap, importing it is not
    if spec is None or not spec.submodule_search_locations:
        raise SetError("sample needs the photographs inside scikit-image, which is not installed")
    folder = Path(spec.submodule_search_locations[0], "data")
    rows = _manifest("sample")
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        raise SetError(f"sample needs {missing[0]} of scikit-image, looked for in {folder}")
    return ImageSet("sample", tuple(_checked("sample", folder, row) for row in rows), note=KNOWN["sample"].about)


def _open_kodak(folder: Path, url: str, download: bool, progress: Progress | None) -> ImageSet:
    rows = _manifest("kodak")
    missing = [row for row in rows if not (folder / row["file"]).is_file()]
    if missing and not download:
        raise SetMissing(
            f"kodak: {len(missing)} of {len(rows)} images are missing, looked for {folder / missing[0]['file']}: "
            f"allow the download (--download), or save {_join(url, missing[0]['file'])} there and the others likewise"
        )
    for row in missing:
        fetch(_join(url, row["file"]), folder / row["file"], row["sha256"], progress=progress)
    return ImageSet("kodak", tuple(_checked("kodak", folder, row) for row in rows), note=KNOWN["kodak"].about)


def _open_clic(root: Path, url: str, download: bool, progress: Progress | None) -> ImageSet:
    expected = sum(archive.images for archive in CLIC_ARCHIVES)
    files = _image_files(root)
    unpacked = sum(archive.images for archive in CLIC_ARCHIVES if (root / archive.part).exists())
    if len(files) == unpacked < expected:  # else images lie there that fetching could not make complete
        for archive in CLIC_ARCHIVES:
            _fill(root, archive, url, download, progress)
        files = _image_files(root)
    if len(files) != expected:
        parts = ", ".join(f"{_join(url, archive.file)} in {root / archive.file}" for archive in CLIC_ARCHIVES)
        raise SetMissing(
            f"clic2020-test: expected {expected} images below {root}, found {len(files)}: "
            f"allow the download (--download), or put {parts}, or the images of both in that folder"
        )
    rows = _clic_rows(root, files, progress)
    sources = [_source(row["id"], root / row["file"], row["sha256"], _CLIC_VIEW) for row in rows]
    return ImageSet("clic2020-test", _sorted(sources), _CLIC_VIEW, KNOWN["clic2020-test"].about)


def _fill(root: Path, archive: Archive, url: str, download: bool, progress: Progress | None) -> None:
    """Make the subfolder of one archive, unless it is there or the archive can neither be found nor fetched."""
    if (root / archive.part).exists():
        return
    path = root / archive.file
    fetched = not path.exists()
    if fetched:
        if not download:
            return
        fetch(_join(url, archive.file), path, archive.sha256, progress=progress)
    elif path.stat().st_size != archive.nbytes or _file_digest(path) != archive.sha256:
        raise SetError(f"{path} is not the archive expected, which has {archive.nbytes} bytes: remove it")
    # PNG does not shrink when zipped, so twice the archive is a generous bound.
    unpack(path, root / archive.part, max_bytes=2 * archive.nbytes, progress=progress)
    if fetched:
        path.unlink()  # it holds nothing that is not unpacked now; one that the user put there stays


def _clic_rows(root: Path, files: Sequence[Path], progress: Progress | None) -> list[dict[str, str]]:
    """Return (id, file, nbytes, sha256) for each image, from manifest.csv beside them if it lists just these files.

    Hashing 1.6 GB at every start would be slow, so here only the sizes are compared; the hash of each file is compared
    when it is loaded. Where there is no such manifest the files are hashed and, if the folder can be written, it is
    made. Raises SetError for a file whose size has changed.
    """
    names = [path.relative_to(root).as_posix() for path in files]
    listing = root / "manifest.csv"
    try:
        with listing.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        whole = sorted(row["file"] for row in rows) == sorted(names) and all(row["sha256"] for row in rows)
        sizes = {row["file"]: int(row["nbytes"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        whole = False  # missing, or damaged: it is made anew
    if whole:
        for path, name in zip(files, names, strict=True):
            if path.stat().st_size != sizes[name]:
                raise SetError(f"{path} has changed since {listing} was made: restore it, or remove both to fetch anew")
        return rows

    ids = _distinct(
        [PurePosixPath(name).stem for name in names], [str(PurePosixPath(n).with_suffix("")) for n in names]
    )
    digests = _digests(files, "hashing clic2020-test", progress)
    rows = [
        {"id": id_, "file": name, "nbytes": str(path.stat().st_size), "sha256": sha256}
        for id_, name, path, sha256 in zip(ids, names, files, digests, strict=True)
    ]
    _write_rows(listing, rows)
    return rows


def _open_folder(name: str, progress: Progress | None) -> ImageSet:
    parsed = _FOLDER.fullmatch(name)
    if parsed is None:
        raise SetError(f"expected folder:PATH or folder:PATH@crop512x768, got {name!r}")
    root = Path(parsed["path"]).expanduser().absolute()
    view = View(int(parsed["height"]), int(parsed["width"])) if parsed["height"] else None
    if not root.is_dir():
        fault = "is a file, not a folder" if root.exists() else "does not exist"
        raise SetError(f"{name}: {root} {fault}")
    files = _image_files(root)
    if not files:
        raise SetError(f"{name}: no image files below {root}, looked for names ending in {', '.join(sorted(SUFFIXES))}")
    names = [path.relative_to(root).as_posix() for path in files]
    ids = _distinct([str(PurePosixPath(file).with_suffix("")) for file in names], names)
    label = root.name if root.name not in {"", ".."} else root.resolve().name or "root"
    row_name = f"folder:{label}" + (f"@{view}" if view else "")
    digests = _digests(files, f"hashing {row_name}", progress)
    sources = [_source(*parts, view) for parts in zip(ids, files, digests, strict=True)]
    if not any(source.height for source in sources):
        raise SetError(f"{name}: none of the {len(files)} image files can be used; {_fault(sources[0], view)}")
    return ImageSet(row_name, _sorted(sources), view, f"{len(files)} images of a folder")


def _open_generated(name: str, home: Path, download: bool, mirror: str | None, progress: Progress | None) -> ImageSet:
    folder = Path(name.removeprefix("generated:")).expanduser().absolute()
    manifest = read_manifest(folder)
    if changed := outdated(manifest):
        raise SetError(f"{name}: {', '.join(changed)} of this codecshift is not the one it was made with: make it anew")
    clean = manifest.set
    if parsed := _FOLDER.fullmatch(clean):
        place = home / parsed["path"]
        if not place.is_dir():
            raise SetError(
                f"{name} was made from {clean}: looked for its clean images in {place}; "
                f"--data-dir names the folder that holds {parsed['path']}"
            )
        clean = f"folder:{place}" + clean[parsed.end("path") :]
    images = open_set(clean, home, download=download, mirror=mirror, progress=progress)
    if (images.name, images.digest) != (manifest.set, manifest.digest):
        raise SetError(
            f"{name} was made from other images of {manifest.set} than those found: the digest of its set is "
            f"{manifest.digest[:12]}, theirs is {images.digest[:12]}"
        )
    return replace(images, note=f"{images.note}, corrupted as files", generated=Generated(folder, manifest.files))


def _fault(source: Source, view: View | None) -> str:
    try:
        source.load(view)
    except (UnreadableImage, SetError) as error:
        return str(error)
    return source.path.name


def _checked(name: str, folder: Path, row: Mapping[str, str]) -> Source:
    """Return the source of a manifest's row, of which the file's bytes or else its pixels are the right ones."""
    path = folder / row["file"]
    sha256 = _file_digest(path)
    if sha256 != row["sha256"]:
        try:
            same = pixel_digest(read_pixels(path)) == row["pixels"]
        except UnreadableImage as error:
            raise SetError(f"{name}: {path} is damaged: {error}") from error
        if not same:
            raise SetError(
                f"{name}: {path} is not the {row['id']} expected: neither its bytes nor its pixels are right"
            )
    return _source(row["id"], path, sha256, None, row["pixels"])


def _source(id_: str, path: Path, sha256: str, view: View | None, pixels: str = "") -> Source:
    try:
        id_.encode()
    except UnicodeEncodeError as error:
        raise SetError(f"the file name {os.fsencode(path)!r} is not UTF-8: rename the file") from error
    try:
        height, width = image_size(path)
    except UnreadableImage:
        return Source(id_, path, sha256, 0, 0, pixels)
    if view is not None:
        height, width = (view.height, view.width) if view.fits(height, width) else (0, 0)
    return Source(id_, path, sha256, height, width, pixels)


def _image_files(root: Path) -> list[Path]:
    """Return the image files below a folder, however deep, by their endings and sorted; hidden ones do not count."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and path.is_file()
    )


def _distinct(short: Sequence[str], full: Sequence[str]) -> list[str]:
    """Return each image's short name as its id, or the full one where two share the short one."""
    counts = Counter(short)
    ids = [brief if counts[brief] == 1 else whole for brief, whole in zip(short, full, strict=True)]
    return ids if len(set(ids)) == len(ids) else list(full)


def _digests(files: Sequence[Path], task: str, progress: Progress | None) -> list[str]:
    """Return the sha256 of each file, "" for one that cannot be read, which is told when it is loaded."""
    sizes = [path.stat().st_size for path in files]
    digests: list[str] = []
    for path, done in zip(files, accumulate(sizes), strict=True):
        try:
            digests.append(_file_digest(path))
        except OSError:
            digests.append("")
        if progress is not None:
            progress(task, done, sum(sizes))
    return digests


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(name: str) -> list[dict[str, str]]:
    """Return the rows of a manifest that comes with the package, sorted by id: id, file, sha256, pixels."""
    with (MANIFESTS / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: row["id"])


def _write_rows(listing: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a manifest whole, where its folder can be written; where not, it is only a saving of time."""
    partial = listing.with_name(f".{listing.name}.{os.getpid()}")
    try:
        with partial.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(listing)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _sorted(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(sorted(sources, key=lambda source: source.id))


def _join(url: str, file: str) -> str:
    return f"{url.rstrip('/')}/{file}"
