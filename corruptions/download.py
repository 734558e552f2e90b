"""Downloading files over HTTP with a hash check, and unpacking zip archives; both complete or leave nothing."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from .corruption import Progress
from .pixels import SUFFIXES

ATTEMPTS = 3
"""The number of times that a download is tried."""

_CHUNK = 1 << 18


class DownloadError(OSError):
    """A file could not be downloaded or unpacked; the message says why, and what to do by hand."""


def user_cache() -> Path:
    """Return codecshift's folder in the user's cache, or in the temporary folder if the user has no home folder."""
    import pooch  # noqa: PLC0415 - importing a room stays cheap

    try:
        return Path(pooch.os_cache("codecshift"))
    except RuntimeError:  # HOME is not set, and the system knows no such user, as in containers run with --user
        return Path(tempfile.gettempdir(), f"codecshift-{os.getuid()}")


def fetch(url: str, target: Path, sha256: str, *, progress: Progress | None = None) -> None:
    """Download `url` to `target`, which appears only when it is complete and its sha256 matches.

    After a lost connection the download restarts from the beginning, with `ATTEMPTS` attempts in total. Raises
    DownloadError and leaves no files.
    """
    import pooch  # noqa: PLC0415 - only a download needs it

    pooch.get_logger().setLevel("WARNING")  # its messages would disturb the caller's progress bar
    files = pooch.create(
        path=target.parent,
        base_url="",
        registry={target.name: f"sha256:{sha256}"},
        urls={target.name: url},
        retry_if_failed=ATTEMPTS - 1,
    )

    def receive(url: str, output: str, _: object) -> None:
        _receive(url, Path(output), f"downloading {target.name}", progress)

    try:
        files.fetch(target.name, downloader=receive)
        target.chmod(0o644)  # pooch's files are readable by their user only, but data folders may be shared
    except (OSError, ValueError) as error:
        raise DownloadError(f"{_reason(error)}: {url}; to do it by hand, save that file as {target}") from error


def unpack(archive: Path, folder: Path, *, max_bytes: int, progress: Progress | None = None) -> None:
    """Unpack the image files of a zip archive into `folder`, without subfolders; it appears only when complete.

    Other files and hidden files are skipped. An archive is refused if a name in it points outside `folder`, if it
    contains a link, if two of its images have the same name, or if it unpacks to more than `max_bytes`. Raises
    DownloadError and leaves no files.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(archive) as packed,
            # Hidden, so that files left by a killed process are never taken for images of the set.
            tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary,
        ):
            members = _members(packed, max_bytes)
            total, done = sum(member.file_size for member in members.values()), 0
            fresh = Path(temporary, folder.name)
            fresh.mkdir()
            for name, member in members.items():
                # zipfile reads at most the declared size, and verifies the checksum.
                with packed.open(member) as source, (fresh / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
                done += member.file_size
                if progress is not None:
                    progress(f"unpacking {archive.name}", done, total)
            fresh.rename(folder)
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # zipfile raises RuntimeError for encrypted members and for unsupported compressions.
        raise DownloadError(f"cannot unpack {archive}: {_reason(error)}") from error


def _receive(url: str, output: Path, task: str, progress: Progress | None) -> None:
    """Stream `url` into a file; pooch's own downloader would leave the connection open after a failure."""
    import requests  # noqa: PLC0415 - only a download needs it

    # With a content encoding, the bytes received would not add up to the length that the server states.
    headers = {"Accept-Encoding": "identity", "User-Agent": "codecshift"}
    with requests.get(url, stream=True, timeout=30, headers=headers) as response, output.open("wb") as file:
        response.raise_for_status()
        total, done = int(response.headers.get("Content-Length", 0)), 0
        for chunk in response.iter_content(_CHUNK):
            done += file.write(chunk)
            if progress is not None:
                progress(task, done, total)


def _members(packed: zipfile.ZipFile, max_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Return the images of an archive by their bare file names. Raises ValueError for an archive that is not safe."""
    members: dict[str, zipfile.ZipInfo] = {}
    folded = set()
    for member in packed.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or PureWindowsPath(member.filename).drive:
            raise ValueError(f"{member.filename!r} points outside the folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{member.filename!r} is a link")
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if member.is_dir() or hidden or path.suffix.lower() not in SUFFIXES:
            continue
        if path.name.casefold() in folded:
            raise ValueError(f"two images are called {path.name!r}")
        folded.add(path.name.casefold())
        members[path.name] = member
    total = sum(member.file_size for member in members.values())
    if total > max_bytes:
        raise ValueError(f"it unpacks to {total} bytes, expected at most {max_bytes}")
    return members


def _reason(error: Exception) -> str:
    import requests  # noqa: PLC0415 - only a download needs it

    reason = str(error) or type(error).__name__
    match error:
        case requests.HTTPError(response=response) if response is not None:
            reason = f"the server answered HTTP {response.status_code}"
        case requests.Timeout():
            reason = "the server did not answer in time"
        case requests.RequestException():
            reason = "the connection failed or was cut"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            reason = "the disk is full"
        case OSError(errno=int(code)):
            reason = os.strerror(code)
        case ValueError() if "does not match the known hash" in reason:
            reason = "the downloaded file does not have the expected sha256"
    return reason
