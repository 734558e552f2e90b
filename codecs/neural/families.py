"""The families of checkpoints that come with the package, trained with `codecshift train`.

Each family is a folder in `checkpoints` with the name of its codec: .safetensors files, the recipe, the logs of its
training, and the model card.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from . import metadata
from .architectures import ARCHITECTURES
from .metadata import BadCheckpoint

FOLDER = Path(__file__).parent / "checkpoints"


def names() -> tuple[str, ...]:
    """Return the names of the packaged families, e.g. "hyperprior-cs", including families with damaged files."""
    return tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir())) if FOLDER.is_dir() else ()


def files(family: str) -> tuple[Path, ...]:
    """Return the checkpoints of a family, sorted by name."""
    return tuple(sorted((FOLDER / family).glob("*.safetensors")))


def whole(family: str) -> dict[Path, metadata.Facts]:
    """Return the metadata of each checkpoint of a family, in order of lambda.

    Raises BadCheckpoint if a checkpoint that the family's recipe names is missing or damaged.
    """
    path = FOLDER / family / "recipe.toml"
    try:
        recipe = tomllib.loads(path.read_bytes().decode())
        architecture, lambdas = recipe["architecture"], [float(lam) for lam in recipe["lambdas"]]
        dialled = ARCHITECTURES[architecture].gain or ARCHITECTURES[architecture].conditional
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"{path} is missing or damaged") from error
    expected = [family] if dialled else [f"l{lam:g}" for lam in sorted(lambdas)]
    facts = {path: metadata.read_facts(path) for path in (FOLDER / family / f"{stem}.safetensors" for stem in expected)}
    for path, (stem, known) in zip(facts, zip(expected, facts.values(), strict=True), strict=True):
        if known.architecture != architecture or (not dialled and f"l{known.lam or 0:g}" != stem):
            raise BadCheckpoint(f"{path} is not the checkpoint that the recipe of {family} names")
    return facts


def digest(family: str) -> str:
    """Return 16 hexadecimal digits that change with any weight of a family."""
    return hashlib.sha256("".join(map(metadata.digest, files(family))).encode()).hexdigest()[:16]
