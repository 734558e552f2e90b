"""Files that are never there in part."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: bytes, *, by_way_of: Path | None = None) -> None:
    """Write a file by way of another one in the same file system, by default a hidden one beside it."""
    partial = by_way_of or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_together(contents: Mapping[Path, bytes], unfinished: Path) -> None:
    """Write several files whole, in order, none before all of them lie in the folder `unfinished`.

    That folder is made and removed, with what a killed process left in it. The folders of the files are made.
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
