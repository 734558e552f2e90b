"""Writing files atomically: a file is either complete or absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: bytes, *, by_way_of: Path | None = None) -> None:
    """Write a temporary file and move it to `path`; `by_way_of` names it, by default a hidden file beside `path`.

    The temporary file must be on the same file system.
    """
    partial = by_way_of or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_together(contents: Mapping[Path, bytes], unfinished: Path) -> None:
    """Write several files to the folder `unfinished`, then move all of them into place in order.

    The folder is emptied first, in case a killed process left files there, and removed at the end. The target folders
    are created if needed.
    """
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        partial = {path: unfinished / str(number) for number, path in enumerate(contents)}
        for path, content in contents.items():
            partial[path].write_bytes(content)
        for path in contents:
            path.parent.mkdir(parents=True, exist_ok=True)
        for path in contents:
            partial[path].replace(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
