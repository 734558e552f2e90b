"""The published sets `sample`, `kodak` and `clic2020-test`: found or downloaded, and checked by their digests."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..corruption import Progress
from ..download import fetch, unpack
from ..pixels import UnreadableImage, pixel_digest, read_pixels
from .image_set import ImageSet, SetError, Source, View, by_id
from .known import KNOWN, SetMissing
from .listing import distinct_ids, file_digest, file_digests, files_below, read_rows, write_rows

MANIFESTS = Path(__file__).with_name("manifests")
KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"
CLIC_VIEW = View(512, 768)


@dataclass(frozen=True, slots=True)
class Archive:
    """One of the zip archives of a set, and the subfolder `part` for its images."""

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


def manifest_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a manifest that comes with the package, sorted by id: id, file, sha256, pixels."""
    return sorted(read_rows(MANIFESTS / f"{name}.csv"), key=lambda row: row["id"])


def open_sample() -> ImageSet:
    """Return the photographs inside scikit-image; raise SetError if it is not installed."""
    spec = importlib.util.find_spec("skimage")  # finding it is cheap, importing it is not
    if spec is None or not spec.submodule_search_locations:
        raise SetError("sample needs the photographs inside scikit-image: pip install scikit-image")
    folder = Path(spec.submodule_search_locations[0], "data")
    rows = manifest_rows("sample")
    missing = [row["file"] for row in rows if not (folder / row["file"]).is_file()]
    if missing:
        raise SetError(f"sample needs {missing[0]} of scikit-image, which is not in {folder}: reinstall scikit-image")
    return _checked_set("sample", folder, rows)


def open_kodak(folder: Path, url: str, download: bool, progress: Progress | None) -> ImageSet:
    """Return the Kodak images in `folder`; with `download`, missing ones are downloaded from the folder at `url`."""
    rows = manifest_rows("kodak")
    missing = [row for row in rows if not (folder / row["file"]).is_file()]
    if missing and not download:
        raise SetMissing(
            f"kodak: {len(missing)} of {len(rows)} images are missing, e.g. {folder / missing[0]['file']}: "
            f"allow the download (--download), or save {_join(url, missing[0]['file'])} there and the others likewise"
        )
    for row in missing:
        fetch(_join(url, row["file"]), folder / row["file"], row["sha256"], progress=progress)
    return _checked_set("kodak", folder, rows)


def _checked_set(name: str, folder: Path, rows: Sequence[Mapping[str, str]]) -> ImageSet:
    """Return the set of a manifest's rows; raise SetError for a file with neither the right bytes nor pixels."""
    return ImageSet(name, tuple(_checked(name, folder, row) for row in rows), note=KNOWN[name].about)


def _checked(name: str, folder: Path, row: Mapping[str, str]) -> Source:
    path = folder / row["file"]
    sha256 = file_digest(path)
    if sha256 != row["sha256"]:
        try:
            same = pixel_digest(read_pixels(path)) == row["pixels"]
        except UnreadableImage as error:
            raise SetError(f"{name}: {path} is damaged: {error}") from error
        if not same:
            raise SetError(
                f"{name}: {path} is not the published {row['id']}: its bytes and its pixels differ, replace it"
            )
    return Source.of_file(row["id"], path, sha256, None, row["pixels"])


def open_clic(root: Path, url: str, download: bool, progress: Progress | None) -> ImageSet:
    """Return the CLIC images below `root`; with `download`, missing archives come from the folder at `url`."""
    expected = sum(archive.images for archive in CLIC_ARCHIVES)
    files = files_below(root)[0]
    unpacked = sum(archive.images for archive in CLIC_ARCHIVES if (root / archive.part).exists())
    if len(files) == unpacked < expected:  # otherwise there are images that a download would not complete
        for archive in CLIC_ARCHIVES:
            _fill(root, archive, url, download, progress)
        files = files_below(root)[0]
    if len(files) != expected:
        parts = " and ".join(f"{_join(url, archive.file)} as {root / archive.file}" for archive in CLIC_ARCHIVES)
        raise SetMissing(
            f"clic2020-test: expected {expected} images below {root}, found {len(files)}: "
            f"allow the download (--download), or save {parts}, or put the images of both into that folder"
        )
    rows = _clic_rows(root, files, progress)
    sources = [Source.of_file(row["id"], root / row["file"], row["sha256"], CLIC_VIEW) for row in rows]
    return ImageSet("clic2020-test", by_id(sources), CLIC_VIEW, KNOWN["clic2020-test"].about)


def _fill(root: Path, archive: Archive, url: str, download: bool, progress: Progress | None) -> None:
    """Create the subfolder of an archive, unless it exists or the archive is missing and may not be downloaded."""
    if (root / archive.part).exists():
        return
    path = root / archive.file
    fetched = not path.exists()
    if fetched:
        if not download:
            return
        fetch(_join(url, archive.file), path, archive.sha256, progress=progress)
    elif path.stat().st_size != archive.nbytes or file_digest(path) != archive.sha256:
        raise SetError(f"{path} is not the expected archive of {archive.nbytes} bytes: remove it")
    # Zipping does not shrink PNG, so twice the archive's size is a generous bound.
    unpack(path, root / archive.part, max_bytes=2 * archive.nbytes, progress=progress)
    if fetched:
        path.unlink()  # it is fully unpacked; an archive that the user put there stays


def _clic_rows(root: Path, files: Sequence[Path], progress: Progress | None) -> list[dict[str, str]]:
    """Return (id, file, nbytes, sha256) for each image, from manifest.csv in `root` if it lists exactly these files.

    Hashing 1.6 GB at every start would be slow, so only sizes are compared here; the hash of a file is compared when it
    is loaded. Without such a manifest, the files are hashed, and the manifest is written if the folder is writable.
    Raises SetError for a file whose size has changed.
    """
    names = [path.relative_to(root).as_posix() for path in files]
    manifest = root / "manifest.csv"
    try:
        rows = read_rows(manifest)
        is_valid = sorted(row["file"] for row in rows) == sorted(names) and all(row["sha256"] for row in rows)
        sizes = {row["file"]: int(row["nbytes"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        is_valid = False  # missing or damaged: it is written again
    if is_valid:
        for path, name in zip(files, names, strict=True):
            if path.stat().st_size != sizes[name]:
                raise SetError(
                    f"{path} has changed since {manifest} was written: restore it, or remove both to download again"
                )
        return rows
    full_names = [str(PurePosixPath(name).with_suffix("")) for name in names]
    ids = distinct_ids([PurePosixPath(name).stem for name in names], full_names)
    digests = file_digests(files, "hashing clic2020-test", progress)
    rows = [
        {"id": image, "file": name, "nbytes": str(path.stat().st_size), "sha256": sha256}
        for image, name, path, sha256 in zip(ids, names, files, digests, strict=True)
    ]
    write_rows(manifest, rows)
    return rows


def _join(url: str, file: str) -> str:
    return f"{url.rstrip('/')}/{file}"
