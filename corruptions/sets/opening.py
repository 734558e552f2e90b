"""Opening a set by its name: published sets, folders of images, and corrupted sets stored as files."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..corruption import Progress
from ..download import user_cache
from ..pixels import SUFFIXES, UnreadableImage
from .generated import StoredSet, outdated, read_manifest
from .image_set import ImageSet, SetError, Source, View, by_id
from .known import CLIC_URL, KNOWN, UnknownSet
from .listing import distinct_ids, file_digests, files_below, left_out
from .published import KODAK_URL, open_clic, open_kodak, open_sample

_FOLDER = re.compile(r"folder:(?P<path>.+?)(?:@crop(?P<height>[1-9]\d*)x(?P<width>[1-9]\d*))?", re.DOTALL)


def default_data_dir() -> Path:
    """Return the folder of the sets: $CODECSHIFT_DATA, else codecshift's folder in the user's cache."""
    chosen = os.environ.get("CODECSHIFT_DATA")
    return Path(chosen).expanduser() if chosen else user_cache()


def open_set(
    name: str,
    data_dir: Path,
    *,
    download: bool = False,
    mirror: str | None = None,
    progress: Progress | None = None,
) -> ImageSet:
    """Return the set called `name`, with its files found, checked and listed.

    `data_dir` contains the folders `kodak` and `clic`. With `download`, missing files are downloaded into it, from the
    folder at the URL `mirror` if given, else from the set's own address. `progress` is called during long steps.

    The clean images of `generated:DIR` are found in the same way. If they come from a folder PATH, they are expected in
    `data_dir`, in a folder with the last name of PATH.

    Raises UnknownSet for an unknown name, SetError for files that are missing or wrong, GeneratedError for a DIR
    without a corrupted set, and DownloadError.
    """
    home = data_dir.expanduser().absolute()
    if name == "sample":
        return open_sample()
    if name == "kodak":
        return open_kodak(home / name, mirror or KODAK_URL, download, progress)
    if name == "clic2020-test":
        return open_clic(home / "clic", mirror or CLIC_URL, download, progress)
    if name.startswith("folder:"):
        return _open_folder(name, progress)
    if name.startswith("generated:"):
        return _open_generated(name, home, download, mirror, progress)
    raise UnknownSet(name, tuple(KNOWN))


def _open_folder(name: str, progress: Progress | None) -> ImageSet:
    parsed = _FOLDER.fullmatch(name)
    if parsed is None:
        raise SetError(f"expected folder:PATH or folder:PATH@crop512x768, got {name!r}")
    root = Path(parsed["path"]).expanduser().absolute()
    view = View(int(parsed["height"]), int(parsed["width"])) if parsed["height"] else None
    if not root.is_dir():
        fault = "is a file, not a folder" if root.exists() else "does not exist"
        raise SetError(f"{name}: {root} {fault}")
    files, others = files_below(root)
    ignored = left_out(others)
    if not files:
        raise SetError(
            f"{name}: no image files below {root}, looked for names ending in {', '.join(sorted(SUFFIXES))}"
            + (f"; {ignored}" if ignored else "")
        )
    file_names = [path.relative_to(root).as_posix() for path in files]
    ids = distinct_ids([str(PurePosixPath(file).with_suffix("")) for file in file_names], file_names)
    label = root.name if root.name not in {"", ".."} else root.resolve().name or "root"
    set_name = f"folder:{label}" + (f"@{view}" if view else "")
    digests = file_digests(files, f"hashing {set_name}", progress)
    sources = [Source.of_file(*facts, view) for facts in zip(ids, files, digests, strict=True)]
    if not any(source.height for source in sources):
        hint = f"; give a smaller crop (height x width), or folder:{root} for full size" if view else ""
        raise SetError(f"{name}: none of the {len(files)} image files can be used; {_fault(sources[0], view)}{hint}")
    return ImageSet(set_name, by_id(sources), view, f"{len(files)} images of a folder", left_out=ignored)


def _open_generated(name: str, home: Path, download: bool, mirror: str | None, progress: Progress | None) -> ImageSet:
    folder = Path(name.removeprefix("generated:")).expanduser().absolute()
    manifest = read_manifest(folder)
    if changed := outdated(manifest):
        raise SetError(f"{name} was made with other versions of {', '.join(changed)}: generate it again")
    clean = manifest.set
    if parsed := _FOLDER.fullmatch(clean):
        clean_folder = home / parsed["path"]
        if not clean_folder.is_dir():
            raise SetError(
                f"{name} was made from {clean}, but its clean images are not in {clean_folder}: "
                f"set --data-dir to the folder that contains {parsed['path']}"
            )
        clean = f"folder:{clean_folder}" + clean[parsed.end("path") :]
    images = open_set(clean, home, download=download, mirror=mirror, progress=progress)
    if (images.name, images.digest) != (manifest.set, manifest.digest):
        raise SetError(
            f"{name} was made from other images of {manifest.set} than those found: expected a set with the digest "
            f"{manifest.digest[:12]}, got {images.digest[:12]}"
        )
    stored = StoredSet(folder, manifest.files, manifest.made_with)
    return replace(images, note=f"{images.note}, corrupted as files", generated=stored)


def _fault(source: Source, view: View | None) -> str:
    try:
        source.load(view)
    except (UnreadableImage, SetError) as error:
        return str(error)
    return source.path.name
