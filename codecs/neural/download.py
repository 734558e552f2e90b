"""Weights of CompressAI's zoo on this machine: fetched once, with a hash check, and read without unpickling."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..protocol import CodecUnavailable
from . import zoo

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
"""Told (what is being done, bytes done, bytes in all; 0 in all where the size is not known)."""

FOLDER = "CODECSHIFT_WEIGHTS"
"""The environment variable that names another folder than the user's cache."""

ATTEMPTS = 3
_CHUNK = 1 << 18


def folder() -> Path:
    """Return where weights are kept: $CODECSHIFT_WEIGHTS, else a folder in codecshift's place in the user's cache."""
    chosen = os.environ.get(FOLDER)
    if chosen:
        return Path(chosen).expanduser()
    import pooch  # noqa: PLC0415 - importing a room stays cheap

    try:
        return Path(pooch.os_cache("codecshift")) / "weights"
    except RuntimeError:  # HOME is not set, and the system knows no such user, as in containers run with --user
        return Path(tempfile.gettempdir(), f"codecshift-{os.getuid()}", "weights")


def fetched(name: str, progress: Progress | None = None) -> Path:
    """Return the path of a file of the zoo, downloaded if it is not there; raise CodecUnavailable.

    The file appears whole and with the hash that its name ends in, or not at all. Several processes that want it at
    once wait for the first.
    """
    path = folder() / f"{name}.pth.tar"
    if path.is_file():
        return path
    url = f"{zoo.URL}/{path.name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not path.is_file():
                _download(url, path, name.rpartition("-")[2], progress)
    except (OSError, ValueError) as error:
        raise CodecUnavailable(
            f"cannot fetch its weights, {_reason(error)}: {url}; to do it by hand, save that file as {path}"
        ) from error
    return path


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes out for the length of a `with` block, where the system knows how."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(url: str, path: Path, digest: str, progress: Progress | None) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = _receive(url, Path(temporary), f"downloading {path.name}", progress)
            except OSError as error:
                # What the server refuses it will refuse again; a connection that was cut may hold the next time.
                if attempt == ATTEMPTS or getattr(error, "response", None) is not None:
                    raise
                continue
            if found.startswith(digest):
                break
            if attempt == ATTEMPTS:
                raise ValueError(f"what arrived has a sha256 of {found[:8]}..., expected {digest}...")
        Path(temporary).chmod(0o644)  # a temporary file is its user's alone, but caches may be shared
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _receive(url: str, target: Path, task: str, progress: Progress | None) -> str:
    """Stream `url` into a file and return its sha256; raise OSError where the connection fails or is cut."""
    import requests  # noqa: PLC0415 - only a download needs it

    told = hashlib.sha256()
    headers = {"Accept-Encoding": "identity", "User-Agent": "codecshift"}
    with requests.get(url, stream=True, timeout=30, headers=headers) as response, target.open("wb") as file:
        response.raise_for_status()
        total, done = int(response.headers.get("Content-Length", 0)), 0
        for chunk in response.iter_content(_CHUNK):
            told.update(chunk)
            done += file.write(chunk)
            if progress is not None:
                progress(task, done, total)
    return told.hexdigest()


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


def state(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the weights in a .pth.tar file, in today's names; raise CodecUnavailable for what is not plain tensors.

    They may lie under "state_dict", as in what CompressAI's training script saves.

    Such a file is a pickle, which can run any program when it is loaded. It is read with torch's `weights_only`, which
    knows tensors and containers and refuses the rest.
    """
    import torch  # noqa: PLC0415 - fetching works without

    from .compat import compressai  # noqa: PLC0415 - as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages of an older kind
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CodecUnavailable(
            f"{path} is refused: it is damaged, or holds more than tensors and would have to be unpickled, which can "
            f"run any program ({str(error).strip().splitlines()[0][:120]})"
        ) from error
    if isinstance(found, Mapping):
        found = found.get("state_dict", found)
    if not isinstance(found, Mapping) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        raise CodecUnavailable(f"{path}: expected tensors by name, got something else")
    renamed: dict[str, torch.Tensor] = compressai("zoo.pretrained").load_pretrained(found)
    renamed.pop("QuantOffset", None)  # of an older variable-rate model; CompressAI leaves it out too
    return renamed
