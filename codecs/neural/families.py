"""The checkpoints that come with the package: codecs of our own, trained with `codecshift train`, without a download.

Each family is a folder in `checkpoints`, named as the codec: its .safetensors files, the recipe, the logs of training
and validation, and the model card.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .metadata import digest

FOLDER = Path(__file__).parent / "checkpoints"


def families() -> tuple[str, ...]:
    """Return the names of the families that are there, e.g. "hyperprior-cs"."""
    return tuple(sorted({path.parent.name for path in FOLDER.glob("*/*.safetensors")}))


def files(family: str) -> tuple[Path, ...]:
    """Return the checkpoints of a family, in the order of their names."""
    return tuple(sorted((FOLDER / family).glob("*.safetensors")))


def digest_of(family: str) -> str:
    """Return 16 hexadecimal digits that change with any weight of a family."""
    return hashlib.sha256("".join(map(digest, files(family))).encode()).hexdigest()[:16]
