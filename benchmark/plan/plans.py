"""Plans: the product of sets, corruptions, severities and codec labels that a run measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...analysis.measures.table import PSNR
from ...codecs.neural import families
from ...corruptions.corruption import CLEAN, SEVERITIES
from ...corruptions.fourier import PREFIX
from ...corruptions.table import CORRUPTIONS, FIFTEEN, find
from .measures import DEFAULT, find_all
from .names import UnknownName, named


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
class Plan:
    """What to run: every set x corruption x severity x codec label; "none", the clean image, has one severity."""

    name: str
    about: str
    sets: tuple[str, ...]
    codecs: tuple[str, ...]
    corruptions: tuple[str, ...] = (CLEAN, *FIFTEEN)
    severities: tuple[int, ...] = SEVERITIES
    first: int | None = None
    """The number of images of each set, None for all."""
    images: tuple[str, ...] = ()
    """The ids of the images, empty for all."""
    measures: tuple[str, ...] = DEFAULT
    """The names of the measures taken for each row."""

    def narrowed(
        self,
        sets: Iterable[str] = (),
        corruptions: Iterable[str] = (),
        severities: Iterable[int] = (),
        codecs: Iterable[str] = (),
        first: int | None = None,
        images: Iterable[str] = (),
        measures: Iterable[str] = (),
    ) -> Plan:
        """Return the plan with each list replaced by the argument of that name, unless the argument is empty.

        A corruption may be a band: "low", "medium" or "high". PSNR is always among the measures, as every row has its
        squared errors. Raises UnknownName for an unknown corruption or measure, a severity outside 1..5, a number of
        images below 1, or both a number of images and image ids.
        """
        images, named_measures = _distinct(images), [measure.name for measure in find_all(measures)]
        if first is not None and (first < 1 or images):
            asked = f"{first} and {', '.join(images)}" if images else first
            raise UnknownName(f"expected a number of images (1 or more) or ids, got {asked}")
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
            measures=_distinct((PSNR.name, *named_measures)) if named_measures else self.measures,
        )

    def conditions(self) -> tuple[tuple[str, int], ...]:
        """Return the (corruption, severity) pairs, the clean one first."""
        return tuple(
            (corruption, severity)
            for corruption in sorted(self.corruptions, key=lambda name: name != CLEAN)
            for severity in ((0,) if corruption == CLEAN else self.severities)
        )


def corruptions_named(text: str) -> tuple[str, ...]:
    """Return the corruptions of the band `text`, or the single corruption or Fourier wave of that name.

    "clean" is an alias of "none", clean images. Raises UnknownName for any other name.
    """
    bands = {band: [name for name in FIFTEEN if CORRUPTIONS[name].band == band] for band in ("low", "medium", "high")}
    if text in bands:
        return tuple(bands[text])
    if text == "clean":
        return (CLEAN,)
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


OURS = families.names()
"""The learned codecs that come with the package; a run without torch leaves them out and reports that."""

FAST = ("jpeg", "webp", "jpeg2000", *(name for name in OURS if name == "hyperprior-cs"))
CLASSICAL = (
    *("identity", "jpeg", "jpeg-444", "jpeg2000", "webp", "jxl", "avif", "avif-420", "heic", "hevc", "hevc-420", "vvc"),
)
EVERY = (*CLASSICAL, *OURS)

PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("quick", "the default: takes minutes, needs no network", ("sample",), FAST, severities=(3,)),
        Plan("kodak-c", "the 24 Kodak images, 15 corruptions x 5 severities", ("kodak",), EVERY),
        Plan("clic-c", "the 428 images of CLIC 2020 test, 15 corruptions x 5 severities", ("clic2020-test",), EVERY),
        Plan("paper", "both image sets of the paper: kodak-c and clic-c together", ("clic2020-test", "kodak"), EVERY),
    )
}
