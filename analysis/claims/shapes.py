"""Claims about the shape of spectra: H1, H3 and H7."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..conditions import CLEAN_CONDITION
from ..counted import counted
from ..spectrum import SpectrumKey, luminance
from ..statistics import Interval
from .claim import Claim, Finding, between, by_size, together
from .records import Floats, Lacking, Point, Records, Rows, is_subject, rows_of

VISIBLE, INVISIBLE = 10.0, 5.0
"""Percentages of power that moves: spectra differ visibly at the first or above, and do not at the second or below."""
EQUAL_RATE, EQUAL_PSNR = 0.1, 0.5
"""Rates within 10 % and PSNR within 0.5 dB count as equal."""

Pair = tuple[Point, Point]


def moved(first: Floats, second: Floats) -> float:
    """Return the percentage of its power that must move for one spectrum to have the shape of another, 0 to 100.

    The total variation between the two, each divided by its sum.
    """
    return float(50 * np.abs(first / first.sum() - second / second.sum()).sum())


def equal_codecs_differ(records: Records) -> Finding:
    """Compare the shape of D in luminance between codecs: the share of its power that lies at other frequencies.

    Each pair of codecs is compared at the points most alike in rate and PSNR on clean images, within 10 % of bpp and
    0.5 dB. The effect is the median over pairs. Supported if it is at least 10 %, refuted if no pair is above 5 %.
    """
    rows = rows_of(records)
    pairs = _pairs(rows, _luminance(records, rows.set, "D"), EQUAL_PSNR)
    if not pairs:
        ask = records.command("--corruption none --match bpp=0.5 --match psnr=32 --spectra")
        raise Lacking(
            "spectra of two codecs are needed at points within "
            f"{EQUAL_RATE:.0%} of bpp and {EQUAL_PSNR} dB of each other: {ask}"
        )
    return _judged(rows, pairs)


def variable_rate_differs(records: Records) -> Finding:
    """Compare the shape of D in luminance between variable-rate and fixed-rate neural codecs.

    The shape differs by the share of the power that lies at other frequencies. Each pair is compared at the points most
    alike, within 10 % of bpp; the effect is the median over pairs. Supported if it is at least 10 %, refuted if no pair
    is above 5 %. Variable-rate codecs have -lct or -vbr in the name of their architecture.
    """
    rows = rows_of(records)
    neural = [codec for codec in rows.codecs() if records.is_neural(codec)]
    if len({_is_variable(codec) for codec in neural}) < 2:
        more = "--corruption none --spectra --codec hyperprior-cs --codec hyperprior-lct-cs"
        raise Lacking(f"a variable-rate and a fixed-rate neural codec are needed: {records.command(more)}")
    pairs = {
        pair: share
        for pair, share in _pairs(rows, _luminance(records, rows.set, "D"), math.inf).items()
        if {codec for codec, _ in pair} <= set(neural) and len({_is_variable(codec) for codec, _ in pair}) == 2
    }
    if not pairs:
        ask = records.command("--corruption none --match bpp=0.5 --spectra")
        raise Lacking(f"spectra of both kinds are needed at points within {EQUAL_RATE:.0%} of bpp of each other: {ask}")
    return _judged(rows, pairs)


def shape_changes_under_high_shifts(records: Records) -> Finding:
    """Compare G with D at the same point, in luminance: the share of the power of G that lies at other frequencies.

    The effect is the share under high-band corruptions minus that under low-band ones, each a mean over points.
    Supported if the effect is at least 10 % and the high-band share at least twice the low-band share; refuted if the
    high-band share is not above the low-band share.
    """
    rows = rows_of(records)
    power = _luminance(records, rows.set, "D", "G")
    moves: dict[Point, dict[str, list[float]]] = {}
    for (quantity, corruption, _, codec, point), own in power.items():
        band, clean = records.bands.get(corruption), power.get(("D", *CLEAN_CONDITION, codec, point))
        if quantity == "G" and band in {"low", "high"} and clean is not None and is_subject(codec):
            moves.setdefault((codec, point), {}).setdefault(str(band), []).append(moved(own, clean))
    both = [by_band for by_band in moves.values() if len(by_band) == 2]
    if not both:
        ask = records.command("--corruption none --corruption low --corruption high --spectra")
        raise Lacking(f"spectra of one codec point under low-band and under high-band corruptions are needed: {ask}")
    low, high = (float(np.mean([np.mean(by_band[band]) for by_band in both])) for band in ("low", "high"))
    decision = together([by_size(high - low, VISIBLE, 0), by_size(high - 2 * low, 0, -low)])
    result = (
        f"share of the power of G at other frequencies than that of D: {low:.0f} % under low-band corruptions, "
        f"{high:.0f} % under high-band ones"
    )
    return Finding(
        decision,
        Interval(high - low, math.nan, math.nan),
        "% of the power",
        len(both) + sum(len(values) for by_band in both for values in by_band.values()),
        f"{rows.set}, D and G of {counted(len(both), 'point')}",
        between(decision, result),
    )


def _luminance(records: Records, image_set: str, *quantities: str) -> Mapping[SpectrumKey, Floats]:
    """Return the luminance spectra of one set that are not zero; raise Lacking if those of a quantity are missing."""
    powers = luminance(records.spectra[records.spectra["set"] == image_set])
    available = {key[0] for key in powers}
    if lacking := [name for name in quantities if name not in available]:
        raise Lacking(f"spectra are needed ({', '.join(lacking)}): {records.command('--spectra')}")
    return {key: power for key, power in powers.items() if power.sum() > 0}


def _pairs(rows: Rows, power: Mapping[SpectrumKey, Floats], psnr: float) -> dict[Pair, float]:
    """Return the share of D that lies at other frequencies, for each pair of codecs at their most similar points."""
    means = rows.clean.groupby(["codec", "point"], sort=False)[["bpp", "psnr"]].mean()
    known: dict[Point, Floats] = dict(zip(means.index.tolist(), means.to_numpy(np.float64), strict=True))
    points = [point for point in known if ("D", *CLEAN_CONDITION, *point) in power]
    best: dict[tuple[str, str], tuple[float, Pair]] = {}
    for first, second in itertools.combinations(points, 2):
        rate = abs(math.log(known[first][0] / known[second][0]))
        distance = abs(known[first][1] - known[second][1])
        codecs = (first[0], second[0])
        off = rate / EQUAL_RATE + (distance / psnr if math.isfinite(psnr) else 0)
        alike = first[0] != second[0] and rate <= math.log1p(EQUAL_RATE) and distance <= psnr
        if alike and (codecs not in best or off < best[codecs][0]):
            best[codecs] = off, (first, second)
    return {pair: moved(*(power["D", *CLEAN_CONDITION, *point] for point in pair)) for _, pair in best.values()}


def _judged(rows: Rows, shares: Mapping[Pair, float]) -> Finding:
    values = list(shares.values())
    effect = float(np.median(values))
    points = {*itertools.chain(*shares)}
    result = ", ".join(
        f"{':'.join(first)} and {':'.join(second)} {share:.0f} %" for (first, second), share in shares.items()
    )
    decision = by_size(effect, VISIBLE, INVISIBLE if max(values) <= INVISIBLE else -math.inf)
    return Finding(
        decision,
        Interval(effect, math.nan, math.nan),
        "% of the power",
        len(points),
        f"{rows.set}, D of {counted(len(points), 'point')}",
        between(decision, f"share of the power at other frequencies: {result}"),
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
