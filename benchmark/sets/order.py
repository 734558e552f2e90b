"""Orders of corrupted sets: a clean set, and the conditions to make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ...corruptions.corruption import CLEAN, MINIMUM_SIDE
from ...corruptions.sets import KNOWN, ImageSet, SetError, open_set
from ...corruptions.sets.generated import Manifest, Original, Place, in_order, recipe
from ...corruptions.table import prepare
from ..plan.names import UnknownName, named
from ..plan.plans import PLANS, Plan
from ..store.provenance import libraries


def clean_name(text: str) -> str:
    """Return the name of the clean set behind the corrupted set `text`: "kodak" for "kodak-c"; "folder:PATH" unchanged.

    Raises UnknownName.
    """
    if text.startswith("folder:"):
        return text
    clean = [name for name in KNOWN if ":" not in name]
    plans = {name: plan.sets[0] for name, plan in PLANS.items() if name.endswith("-c") and len(plan.sets) == 1}
    known = {f"{name}-c": name for name in clean} | plans | {"folder:PATH": ""} | {name: name for name in clean}
    return named("corrupted set", text, known)


@dataclass(frozen=True, slots=True)
class Order:
    """A clean set, and the (corruption, severity) pairs to make of it, in the order of the corruption table."""

    images: ImageSet
    conditions: tuple[tuple[str, int], ...]

    def places(self) -> list[Place]:
        """Return the places of all files, image by image, so that a worker loads each clean image once."""
        return [(source.id, *condition) for source in self.images.sources for condition in self.conditions]

    def manifest(self) -> Manifest:
        """Return the manifest of the order, without any files."""
        return Manifest(
            set=self.images.name,
            digest=self.images.digest,
            view=str(self.images.view or ""),
            images=tuple(
                Original(source.id, source.sha256, source.height, source.width) for source in self.images.sources
            ),
            made_with={"codecshift": version("codecshift")} | libraries(),
            recipes=recipes(self.conditions),
            conditions=self.conditions,
            files={},
        )


def recipes(conditions: Iterable[tuple[str, int]]) -> dict[str, object]:
    """Return the recipe of each corruption."""
    return {corruption: recipe(corruption) for corruption, _ in conditions}


def order(
    name: str,
    data_dir: Path,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    *,
    download: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Order:
    """Return the order of the set `name`, e.g. "kodak-c", by default with the fifteen corruptions at five severities.

    Raises UnknownName, everything that `open_set` raises, and SetError or UnreadableImage for an image that cannot be
    read or has a side shorter than 32 pixels.
    """
    clean = clean_name(name)
    if CLEAN in corruptions:
        raise UnknownName(f"{CLEAN} is the clean image itself: expected corruptions or bands (low, medium, high)")
    plan = Plan(name, "", (clean,), ()).narrowed(corruptions=corruptions, severities=severities)
    conditions = in_order([condition for condition in plan.conditions() if condition[0] != CLEAN])
    prepare((corruption for corruption, _ in conditions), progress)
    images = open_set(clean, data_dir, download=download, progress=progress)
    for source in images.sources:
        height, width = source.height, source.width
        if not height:
            height, width = source.load(images.view).shape[:2]  # raises if the image is damaged
        if min(height, width) < MINIMUM_SIDE:
            raise SetError(
                f"{source.id} of {images.name} is {width}x{height}: "
                f"corruptions need at least {MINIMUM_SIDE} pixels per side"
            )
    return Order(images, conditions)
