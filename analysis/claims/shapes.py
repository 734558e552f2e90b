"""Claims of the shape of spectra: H1, H3 and H7."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..ranking.point_tables import CLEAN
from ..statistics import Interval
from .records import (
    Claim,
    Evidence,
    Finding,
    Floats,
    Lacking,
    Point,
    Rows,
    between,
    by_size,
    is_subject,
    rows_of,
    together,
)

VISIBLE, INVISIBLE = 10.0, 5.0
"""Percent of the power that lies elsewhere: from the first on spectra differ visibly, up to the second they do not."""
EQUAL_RATE, EQUAL_PSNR = 0.1, 0.5
"""Rates within a tenth and PSNR within half a dB are equal."""

Place = tuple[str, str, int, str, str]
"""Quantity, corruption, severity, codec and point of a spectrum."""
Pair = tuple[Point, Point]


def moved(one: Floats, other: Floats) -> float:
    """Return the percentage of its power that must move for one spectrum to have the shape of another, 0 to 100.

    The total variation between the two, each divided by its sum.
    """
    return float(50 * np.abs(one / one.sum() - other / other.sum()).sum())


def equal_codecs_differ(evidence: Evidence) -> Finding:
    """The power of D in luminance that lies elsewhere, from one codec to another: the median over pairs of codecs.

    Each pair at those points that are most alike in rate and PSNR on clean images, within 10 % of bpp and 0.5 dB.
    Supported from 10 % up, refuted where no pair is above 5 %.
    """
    rows = rows_of(evidence)
    found = _pairs(rows, _luminance(evidence, rows.set, "D"), EQUAL_PSNR)
    if not found:
        ask = evidence.command("--corruption none --match bpp=0.5 --match psnr=32 --spectra")
        raise Lacking(
            "spectra of two codecs are needed at points within "
            f"{EQUAL_RATE:.0%} of bpp and {EQUAL_PSNR} dB of each other: {ask}"
        )
    return _judged(rows, found)


def variable_rate_differs(evidence: Evidence) -> Finding:
    """The power of D in luminance that lies elsewhere, between a variable-rate and a fixed-rate neural codec.

    The median over such pairs, each at those points that are most alike, within 10 % of bpp. Supported from 10 % up,
    refuted where no pair is above 5 %. Variable-rate have -lct or -vbr in the name of their architecture.
    """
    rows = rows_of(evidence)
    neural = [codec for codec in rows.codecs() if evidence.is_neural(codec)]
    if len({_is_variable(codec) for codec in neural}) < 2:
        more = "--corruption none --spectra --codec ARCH@FOLDER --codec hyperprior-lct@FILE.safetensors"
        raise Lacking(f"a variable-rate and a fixed-rate neural codec are needed: {evidence.command(more)}")
    found = {
        pair: value
        for pair, value in _pairs(rows, _luminance(evidence, rows.set, "D"), math.inf).items()
        if {codec for codec, _ in pair} <= set(neural) and len({_is_variable(codec) for codec, _ in pair}) == 2
    }
    if not found:
        ask = evidence.command("--corruption none --match bpp=0.5 --spectra")
        raise Lacking(f"spectra of both are needed at points within {EQUAL_RATE:.0%} of bpp of each other: {ask}")
    return _judged(rows, found)


def shape_changes_under_high_shifts(evidence: Evidence) -> Finding:
    """The power of G in luminance that lies elsewhere than that of D at the same point, the mean over points.

    High less low band is the effect. Supported where it is at least 10 % and twice or more what it is in the low band;
    refuted where the high band has no more than the low one.
    """
    rows = rows_of(evidence)
    power = _luminance(evidence, rows.set, "D", "G")
    moves: dict[Point, dict[str, list[float]]] = {}
    for (quantity, corruption, _, codec, point), of in power.items():
        band, clean = evidence.bands.get(corruption), power.get(("D", *CLEAN, codec, point))
        if quantity == "G" and band in {"low", "high"} and clean is not None and is_subject(codec):
            moves.setdefault((codec, point), {}).setdefault(str(band), []).append(moved(of, clean))
    both = [of for of in moves.values() if len(of) == 2]
    if not both:
        ask = evidence.command("--corruption none --corruption low --corruption high --spectra")
        raise Lacking(f"spectra of one point under corruptions of the low and of the high band are needed: {ask}")
    low, high = (float(np.mean([np.mean(of[band]) for of in both])) for band in ("low", "high"))
    decision = together([by_size(high - low, VISIBLE, 0), by_size(high - 2 * low, 0, -low)])
    told = f"{low:.0f} % of the power of G lies elsewhere than that of D in the low band, {high:.0f} % in the high band"
    return Finding(
        decision,
        Interval(high - low, math.nan, math.nan),
        "% of the power",
        len(both) + sum(len(values) for of in both for values in of.values()),
        f"{rows.set}, D and G of {len(both)} points",
        between(decision, told),
    )


def _luminance(evidence: Evidence, of: str, *quantities: str) -> Mapping[Place, Floats]:
    """Return the spectra of one set in luminance that are not zero; raise Lacking where there are none of some kind."""
    spectra = evidence.spectra
    part = spectra[(spectra["set"] == of) & (spectra["channel"] == "Y")]
    if lacking := [name for name in quantities if name not in set(part["quantity"])]:
        raise Lacking(f"spectra are needed ({', '.join(lacking)}): {evidence.command('--spectra')}")
    places = zip(*(part[name] for name in ("quantity", "corruption", "severity", "codec", "point")), strict=True)
    return {place: power for place, power in zip(places, part["power"], strict=True) if power.sum() > 0}


def _pairs(rows: Rows, power: Mapping[Place, Floats], psnr: float) -> dict[Pair, float]:
    """Return how much of D lies elsewhere from each codec to each other, at the points where they are most alike."""
    means = rows.clean.groupby(["codec", "point"], sort=False)[["bpp", "psnr"]].mean()
    known: dict[Point, Floats] = dict(zip(means.index.tolist(), means.to_numpy(np.float64), strict=True))
    places = [place for place in known if ("D", *CLEAN, *place) in power]
    best: dict[tuple[str, str], tuple[float, Pair]] = {}
    for one, other in itertools.combinations(places, 2):
        rate = abs(math.log(known[one][0] / known[other][0]))
        distance = abs(known[one][1] - known[other][1])
        codecs = (one[0], other[0])
        off = rate / EQUAL_RATE + (distance / psnr if math.isfinite(psnr) else 0)
        alike = one[0] != other[0] and rate <= math.log1p(EQUAL_RATE) and distance <= psnr
        if alike and (codecs not in best or off < best[codecs][0]):
            best[codecs] = off, (one, other)
    return {pair: moved(*(power["D", *CLEAN, *place] for place in pair)) for _, pair in best.values()}


def _judged(rows: Rows, found: Mapping[Pair, float]) -> Finding:
    values = list(found.values())
    effect = float(np.median(values))
    points = {*itertools.chain(*found)}
    told = ", ".join(f"{':'.join(one)} and {':'.join(other)} {value:.0f} %" for (one, other), value in found.items())
    decision = by_size(effect, VISIBLE, INVISIBLE if max(values) <= INVISIBLE else -math.inf)
    return Finding(
        decision,
        Interval(effect, math.nan, math.nan),
        "% of the power",
        len(points),
        f"{rows.set}, D of {len(points)} points",
        between(decision, f"power that lies elsewhere: {told}"),
    )


def _is_variable(codec: str) -> bool:
    # As in hyperprior-lct@file, hyperprior-lct-cs, mbt2018-vbr-mse.
    return bool(re.search(r"-(lct|vbr)(-|$)", codec.partition("@")[0]))


CLAIMS: Iterable[Claim] = (
    Claim("H1", "Codecs of equal bpp and PSNR on clean data differ visibly in D.", equal_codecs_differ, "spectra"),
    Claim(
        "H3",
        "G resembles D under low-band shifts and changes shape under high-band ones.",
        shape_changes_under_high_shifts,
        "spectra",
    ),
    Claim(
        "H7",
        "Variable-rate models differ spectrally from fixed-rate ones at matched rate.",
        variable_rate_differs,
        "spectra",
    ),
)
