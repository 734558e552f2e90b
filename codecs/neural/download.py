"""Downloads of CompressAI's published weights; each file is downloaded once, and its hash is checked."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..protocol import CodecUnavailable
from . import zoo

Progress = Callable[[str, int, int], None]
"""Called with (task, bytes done, bytes in total); the total is 0 if the size is not known."""

FOLDER = "CODECSHIFT_WEIGHTS"
"""The environment variable that names a folder to use instead of the user's cache."""

ATTEMPTS = 3
_CHUNK = 1 << 18


def folder() -> Path:
    """Return the folder of the weights: $CODECSHIFT_WEIGHTS, else a folder in the user's cache."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER]).expanduser()
    import pooch  # noqa: PLC0415 - importing a room stays cheap

    try:
        return Path(pooch.os_cache("codecshift")) / "weights"
    except RuntimeError:  # HOME is not set, and the system knows no such user, as in containers run with --user
        return Path(tempfile.gettempdir(), f"codecshift-{os.getuid()}", "weights")


def fetched(name: str, progress: Progress | None = None) -> Path:
    """Return the path of a file of the zoo, and download it if it is missing; raise CodecUnavailable.

    The file appears only when it is complete and matches the hash in its name. If several processes need the same file
    at the same time, one downloads it and the others wait.
    """
    path = folder() / f"{name}.pth.tar"
    if path.is_file():
        return path
    from filelock import FileLock  # noqa: PLC0415 - only neural codecs need it

    url = f"{zoo.URL}/{path.name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if not path.is_file():
                _download(url, path, name.rpartition("-")[2], progress)
    except (OSError, ValueError) as error:
        raise CodecUnavailable(
            f"cannot download its weights, {_reason(error)}: {url}; to do it by hand, save that file as {path}"
        ) from error
    return path


def _download(url: str, path: Path, digest: str, progress: Progress | None) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                received = _receive(url, Path(temporary), f"downloading {path.name}", progress)
            except OSError as error:
                # An error response of the server is final; after a lost connection another attempt may succeed.
                if attempt == ATTEMPTS or getattr(error, "response", None) is not None:
                    raise
                continue
            if received.startswith(digest):
                break
            if attempt == ATTEMPTS:
                raise ValueError(f"the downloaded file has the sha256 {received[:8]}..., expected {digest}...")
        Path(temporary).chmod(0o644)  # a temporary file is readable by its user only, but caches may be shared
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _receive(url: str, target: Path, task: str, progress: Progress | None) -> str:
    """Stream `url` into a file and return its sha256; raise OSError if the connection fails or is cut."""
    import requests  # noqa: PLC0415 - only a download needs it

    digest = hashlib.sha256()
    headers = {"Accept-Encoding": "identity", "User-Agent": "codecshift"}
    with requests.get(url, stream=True, timeout=30, headers=headers) as response, target.open("wb") as file:
        response.raise_for_status()
        total, done = int(response.headers.get("Content-Length", 0)), 0
        for chunk in response.iter_content(_CHUNK):
            digest.update(chunk)
            done += file.write(chunk)
            if progress is not None:
                progress(task, done, total)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    import requests  # noqa: PLC0415 - only a download needs it

    match error:
        case requests.HTTPError(response=response) if response is not None:
            return f"the server answered HTTP {response.status_code}"
        case requests.Timeout():
            return "the server did not answer in time"
        case requests.RequestException():
            return "the connection failed or was cut"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return "the disk is full"
        case OSError(strerror=str(reason)):
            return reason
    return str(error)
