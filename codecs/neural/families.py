"""The families of checkpoints that come with the package, trained with `codecshift train`.

Each family is a folder in `checkpoints` with the name of its codec: .safetensors files, the recipe, the logs of its
training, and the model card.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import metadata

FOLDER = Path(__file__).parent / "checkpoints"


def names() -> tuple[str, ...]:
    """Return the names of the packaged families, e.g. "hyperprior-cs"."""
    return tuple(sorted({path.parent.name for path in FOLDER.glob("*/*.safetensors")}))


def files(family: str) -> tuple[Path, ...]:
    """Return the checkpoints of a family, sorted by name."""
    return tuple(sorted((FOLDER / family).glob("*.safetensors")))


def digest(family: str) -> str:
    """Return 16 hexadecimal digits that change with any weight of a family."""
    return hashlib.sha256("".join(map(metadata.digest, files(family))).encode()).hexdigest()[:16]
