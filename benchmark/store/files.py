"""Files that are never there in part."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, by_way_of: Path | None = None) -> None:
    """Write a file by way of another one in the same file system, by default a hidden one beside it."""
    partial = by_way_of or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
