"""The photographs that frost is drawn from: read out of the wheel of imagecorruptions, which is kept, not installed.

Installing imagecorruptions brings opencv-python, the build of OpenCV for desktops. It needs libGL, which servers and
slim images lack, and it writes into the same folder as the headless build that this suite uses. The wheel itself is
2 MB of data and Python, so it is downloaded without its requirements and its photographs are read where it lies.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .download import DownloadError, Progress

VERSION = "1.1.2"
WHEEL = f"imagecorruptions-{VERSION}-py3-none-any.whl"
SHA256 = "d0e4bf529ba6fbb27d8aba1bde7c5db43bf2b969b2c767c11419e939e3e365b8"
_TIME_LIMIT = 300  # seconds that pip may take


class TexturesMissing(FileNotFoundError):
    """The wheel is not on this machine, or is not the one expected; the sentence names the command that fetches it."""


def folders() -> tuple[Path, ...]:
    """Return where the wheel is looked for: in this Python environment, then in the user's cache."""
    import pooch  # noqa: PLC0415 - importing a room stays cheap

    return Path(sys.prefix, "share", "codecshift"), Path(pooch.os_cache("codecshift"))


def wheel() -> Path | None:
    """Return the wheel on this machine, None where there is none. Its bytes are checked when it is read."""
    return next((folder / WHEEL for folder in folders() if (folder / WHEEL).is_file()), None)


def read(member: str) -> bytes:
    """Return one file of the wheel, e.g. "imagecorruptions/frost/frost1.png".

    Raises TexturesMissing where the wheel is not on this machine or has other bytes than the published one.
    """
    path = wheel()
    if path is None:
        raise TexturesMissing(f"frost needs photographs of the package imagecorruptions: {by_hand()}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise TexturesMissing(f"{path} is damaged: delete it, then {by_hand()}")
    with zipfile.ZipFile(path) as packed:
        return packed.read(member)


def by_hand() -> str:
    """Return the command that fetches the wheel, for a user to paste."""
    return f"python -m pip download --no-deps --dest {folders()[-1]} imagecorruptions=={VERSION}"


def fetch(progress: Progress | None = None) -> None:
    """Download the wheel with pip into the user's cache, unless it is on this machine. Raises DownloadError."""
    if wheel() is not None:
        return
    if progress is not None:
        progress("fetching photographs of frost", 0, 0)
    target = folders()[-1] / WHEEL
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as temporary:
            command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
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
                raise DownloadError(_sentence("what arrived does not have the expected sha256"))
            fetched.chmod(0o644)
            fetched.replace(target)
    except subprocess.TimeoutExpired:
        raise DownloadError(_sentence(f"pip took longer than {_TIME_LIMIT} s")) from None
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(_sentence(os.strerror(error.errno) if error.errno else str(error))) from error


def _sentence(reason: str) -> str:
    return f"frost needs photographs of imagecorruptions, which could not be fetched ({reason}): {by_hand()}"
