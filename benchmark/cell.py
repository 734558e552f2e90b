"""Names of what is measured: a cell is `set/corruption@severity codec:point`, a plan is a product of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ..analysis.distortion import MEASURES
from ..codecs.neural import shipped
from ..corruptions import corruption as leaf
from ..corruptions.corruption import SEVERITIES
from ..corruptions.fourier import PREFIX
from ..corruptions.table import CORRUPTIONS, FIFTEEN, find

CLEAN = leaf.CLEAN
"""The corruption that leaves the image as it is; its only severity is 0."""

EVERY_MEASURE = tuple(one.name for one in MEASURES)

Known = TypeVar("Known")


class UnknownName(LookupError):
    """A name nothing answers to; the message says what was expected and the nearest name."""


def named(kind: str, name: str, known: Mapping[str, Known]) -> Known:
    """Return what `name` stands for; raise UnknownName with the nearest name if there is no such `kind`."""
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    raise UnknownName(f"unknown {kind} {name!r}: expected one of {', '.join(known)}{hint}")


@dataclass(frozen=True, slots=True)
class Shot:
    """One image under one corruption at one severity: the unit of work. "kodak/kodim01/fog@3"."""

    set: str
    image: str
    corruption: str
    severity: int

    def __str__(self) -> str:
        return f"{self.set}/{self.image}/{self.corruption}@{self.severity}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A set under one corruption at one severity through one codec point. "kodak/fog@3 jpeg:q75"."""

    set: str
    corruption: str
    severity: int
    codec: str
    point: str

    def __str__(self) -> str:
        return f"{self.set}/{self.corruption}@{self.severity} {self.codec}:{self.point}"

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Return the cell called `text`; raise ValueError if that is not a cell's name."""
        match = re.fullmatch(r"(.+)/(\w+)@(\d) ([^:\s]+):(\S+)", text)
        if not match:
            raise ValueError(f"expected a cell such as 'kodak/fog@3 jpeg:q75', got {text!r}")
        of, corruption, severity, codec, point = match.groups()
        return cls(of, corruption, int(severity), codec, point)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: every set x corruption x severity x codec label. `none` is the clean image and has one severity."""

    name: str
    about: str
    sets: tuple[str, ...]
    codecs: tuple[str, ...]
    corruptions: tuple[str, ...] = (CLEAN, *FIFTEEN)
    severities: tuple[int, ...] = SEVERITIES
    first: int | None = None
    """How many images of each set, None for all."""
    images: tuple[str, ...] = ()
    """The ids of the images, none for all."""
    measures: tuple[str, ...] = EVERY_MEASURE
    """What is measured of each row."""

    def narrowed(
        self,
        sets: Iterable[str] = (),
        corruptions: Iterable[str] = (),
        severities: Iterable[int] = (),
        codecs: Iterable[str] = (),
        first: int | None = None,
        images: Iterable[str] = (),
    ) -> Plan:
        """Return the plan with each list that is not empty put in place of its own.

        A corruption may be a band, "low", "medium" or "high". Raises UnknownName for an unknown corruption, a severity
        outside 1..5, fewer than one image, or images both counted and named.
        """
        images = _distinct(images)
        if first is not None and (first < 1 or images):
            asked = f"{first} and {', '.join(images)}" if images else first
            raise UnknownName(f"expected how many images, 1 or more, or which, got {asked}")
        severities = tuple(severities)
        for severity in severities:
            if severity not in SEVERITIES:
                raise UnknownName(
                    f"expected a severity from 1 to 5, got {severity} (clean images: --corruption {CLEAN})"
                )
        return replace(
            self,
            sets=_distinct(sets) or self.sets,
            corruptions=_distinct(name for text in corruptions for name in corruptions_named(text)) or self.corruptions,
            severities=tuple(sorted(set(severities))) or self.severities,
            codecs=_distinct(codecs) or self.codecs,
            first=first or self.first,
            images=images or self.images,
        )

    def conditions(self) -> tuple[tuple[str, int], ...]:
        """Return the (corruption, severity) pairs, the clean one first."""
        return tuple(
            (corruption, severity)
            for corruption in sorted(self.corruptions, key=lambda name: name != CLEAN)
            for severity in ((0,) if corruption == CLEAN else self.severities)
        )


def corruptions_named(text: str) -> tuple[str, ...]:
    """Return the corruptions of a band, or the one called `text`, of the table or a Fourier perturbation.

    Raises UnknownName if that is none of them.
    """
    bands = {band: [name for name in FIFTEEN if CORRUPTIONS[name].band == band] for band in ("low", "medium", "high")}
    if text in bands:
        return tuple(bands[text])
    if text.startswith(PREFIX):
        try:
            find(text)
        except ValueError as error:
            raise UnknownName(f"unknown corruption {text!r}: {error}") from error
        return (text,)
    named("corruption", text, {CLEAN: None, **CORRUPTIONS, **bands})
    return (text,)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


OURS = shipped.families()
"""The learned codecs that come with the package; a run leaves them out, and says so, where torch is not installed."""

FAST = ("jpeg", "webp", "jpeg2000", *(name for name in OURS if name == "hyperprior-cs"))
CLASSICAL = (
    *("identity", "jpeg", "jpeg-444", "jpeg2000", "webp", "jxl", "avif", "avif-420", "heic", "hevc", "hevc-420", "vvc"),
)
EVERY = (*CLASSICAL, *OURS)

PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("quick", "the embedded default: minutes, no network", ("sample",), FAST, severities=(3,)),
        Plan("kodak-c", "the 24 Kodak images, 15 corruptions x 5 severities", ("kodak",), EVERY),
        Plan("clic-c", "the 428 images of CLIC 2020 test, 15 corruptions x 5 severities", ("clic2020-test",), EVERY),
        Plan("paper", "both sets of the paper, the same codecs", ("clic2020-test", "kodak"), EVERY),
    )
}
