"""The photographs of frost, read from the wheel of imagecorruptions, which is downloaded but not installed.

Installing imagecorruptions would also install opencv-python, the desktop build of OpenCV. That build needs libGL, which
servers and slim images lack, and it overwrites the headless build that this suite uses. The wheel itself is 2 MB, so it
is downloaded without its requirements, and the photographs are read from it directly.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .corruption import Progress
from .download import DownloadError, user_cache

VERSION = "1.1.2"
WHEEL = f"imagecorruptions-{VERSION}-py3-none-any.whl"
SHA256 = "d0e4bf529ba6fbb27d8aba1bde7c5db43bf2b969b2c767c11419e939e3e365b8"
_TIME_LIMIT = 300  # seconds that pip may take


class TexturesMissing(FileNotFoundError):
    """The wheel is missing or damaged; the message contains the command that downloads it."""


def folders() -> tuple[Path, ...]:
    """Return the folders to search for the wheel: one in the virtual environment, if any, then the user's cache."""
    environment = [Path(sys.prefix, "share", "codecshift")] if sys.prefix != sys.base_prefix else []
    return *environment, user_cache()


def wheel() -> Path | None:
    """Return the path of the wheel, None if it is not on this machine. Its bytes are checked when it is read."""
    return next((folder / WHEEL for folder in folders() if (folder / WHEEL).is_file()), None)


def read(member: str) -> bytes:
    """Return one file of the wheel, e.g. "imagecorruptions/frost/frost1.png".

    Raises TexturesMissing if the wheel is not on this machine, or differs from the published one.
    """
    path = wheel()
    if path is None:
        raise TexturesMissing(f"frost needs photographs from the package imagecorruptions, run: {by_hand()}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise TexturesMissing(f"{path} is damaged: delete it, then run: {by_hand()}")
    with zipfile.ZipFile(path) as packed:
        return packed.read(member)


def target() -> Path:
    """Return the folder to store the wheel in: the first of `folders` that is writable."""
    return next((folder for folder in folders() if _writable(folder)), folders()[-1])


def by_hand() -> str:
    """Return the command that downloads the wheel, for a user to paste."""
    command = (sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(target()))
    return shlex.join((*command, f"imagecorruptions=={VERSION}"))


def fetch(progress: Progress | None = None) -> None:
    """Download the wheel with pip, unless it is already on this machine. Raises DownloadError."""
    if wheel() is not None:
        return
    if progress is not None:
        progress("downloading photographs of frost", 0, 0)
    folder = target()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as temporary:
            command = (
                sys.executable,
                "-P",
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            )
            done = subprocess.run(
                (*command, "--dest", temporary, f"imagecorruptions=={VERSION}"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIME_LIMIT,
                check=False,
            )
            fetched = Path(temporary, WHEEL)
            if not fetched.is_file():
                lines = [line for line in done.stderr.splitlines() if line.strip()]
                raise DownloadError(_sentence(lines[-1].strip() if lines else f"pip ended with {done.returncode}"))
            if hashlib.sha256(fetched.read_bytes()).hexdigest() != SHA256:
                raise DownloadError(_sentence("the downloaded file does not have the expected sha256"))
            fetched.chmod(0o644)
            fetched.replace(folder / WHEEL)
    except subprocess.TimeoutExpired:
        raise DownloadError(_sentence(f"pip took longer than {_TIME_LIMIT} s")) from None
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(_sentence(os.strerror(error.errno) if error.errno else str(error))) from error


def _writable(folder: Path) -> bool:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def _sentence(reason: str) -> str:
    return f"frost needs photographs from imagecorruptions, which could not be downloaded ({reason}), run: {by_hand()}"
