"""The look of each codec and of each band: one colour and one marker, the same in every figure and on every page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

BAND_COLOURS: Mapping[str, str] = {"low": "#C9A66B", "medium": "#8C5A2B", "high": "#4A2A10", "extra": "#B8B8B8"}
"""The colour of each band of corruptions: browns, darker from low to high, which no codec has."""

FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("#0072B2", "o", ("jpeg", "jpeg-444", "jpeg-fixed", "jpegli")),
    ("#D55E00", "s", ("jpeg2000",)),
    ("#009E73", "^", ("webp",)),
    ("#E69F00", "v", ("avif", "avif-420", "av1", "svt-av1", "avif-fast")),
    ("#56B4E9", "P", ("hevc", "hevc-8b", "hevc-420", "heic", "bpg")),
    ("#332288", "X", ("vvc", "vvc-fast", "vtm")),
    ("#CC79A7", "D", ("jxl", "jpegls")),
    ("#882255", ">", ("hyperprior-cs",)),
    ("#44AA99", "p", ("hyperprior-lct-cs",)),
    ("#999933", "h", ("factorized-cs",)),
    ("#AA4499", "<", ("hyperprior-pruned95-cs",)),
    ("#6C6C6C", "d", ("linear", "identity")),
)
"""Colour, marker and codecs of each family; its members differ in their lines.

The first six colours are those of Okabe & Ito, the others are from Tol's muted scheme; readers who are colour-blind can
tell them apart, and in black print the markers can be told apart.
"""

LINES = ("-", "--", ":", "-.")


def looks(codecs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the line style of each codec, as arguments of matplotlib's `plot`, in the order given.

    A codec in FAMILIES has the same look among whichever codecs. The others take the looks of families that are not
    present, then further lines of all families, in the order given. No two of the first 96 codecs look the same.
    """
    codecs = list(dict.fromkeys(codecs))
    known = {name: (place, variant) for place, (*_, names) in enumerate(FAMILIES) for variant, name in enumerate(names)}
    taken = {known[codec] for codec in codecs if codec in known}
    absent = [place for place in range(len(FAMILIES)) if place not in {family for family, _ in taken}]
    free = _free(absent, taken)
    return {codec: _look(*known.get(codec) or next(free)) for codec in codecs}


def _free(absent: Iterable[int], taken: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield (family, variant) pairs that no codec has: the plain lines of absent families first."""
    first = [(place, 0) for place in absent]
    yield from first
    variant = 0
    while True:
        variant += 1
        for place in range(len(FAMILIES)):
            if (place, variant) not in taken:
                yield place, variant


def _look(family: int, variant: int) -> dict[str, Any]:
    """Return the look of a member of a family: the first is solid with filled marks, the others are not both."""
    colour, marker, _ = FAMILIES[family]
    line = LINES[variant % len(LINES)]
    is_filled = variant == 0 or variant > len(LINES)
    mark = {"mew": 0.0} if is_filled else {"markerfacecolor": "white", "mew": 0.8}
    return {"color": colour, "marker": marker, "linestyle": line, **mark}
