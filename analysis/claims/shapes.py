"""Claims about the shape of spectra: H1, H3 and H7."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np
import pandas as pd

from ..conditions import CLEAN_CONDITION
from ..counted import counted
from ..spectrum import SpectrumKey, ring_areas
from ..statistics import MINIMUM_IMAGES, Interval, bootstrap, interval
from .claim import Claim, Decision, Finding, above, because, in_words
from .families import are_twins, has_variable_rate
from .records import Floats, Lacking, Point, Records, Rows, rows_of, rows_of_distinct

VISIBLE, INVISIBLE = 10.0, 5.0
"""Percentages of power that moves: spectra differ visibly at the first or above, and do not at the second or below."""
EQUAL_RATE, EQUAL_PSNR = 0.1, 0.5
"""Rates within 10 % and PSNR within 0.5 dB count as equal."""
RESAMPLES = 2000
"""Fewer than for other claims: every resample is a spectrum of 46 rings for each point and condition."""

Pair = tuple[Point, Point]


def moved(first: Floats, second: Floats) -> Floats:
    """Return the percentage of its power that must move for one spectrum to have the shape of another, 0 to 100.

    The total variation between the two, each divided by its sum, over the last axis.
    """
    shares = [power / power.sum(axis=-1, keepdims=True) for power in (first, second)]
    return np.asarray(50 * np.abs(shares[0] - shares[1]).sum(axis=-1), np.float64)


def equal_codecs_differ(records: Records) -> Finding:
    """Compare the shape of D in luminance between codecs: the share of its power that lies in other rings of frequency.

    Each pair of codecs is compared at the points most alike in rate and PSNR on clean images, within 10 % of bpp and
    0.5 dB. The effect is the median over pairs, the power being that of the mean spectrum over images. Supported if its
    interval lies above 10 %, refuted if the interval of the largest share of a pair lies below 5 %. Codecs with equal
    errors at the same points on every image decode the same pixels and count as one, that with the fewest bits.
    """
    rows = rows_of_distinct(records)
    powers = _powers(records, rows.set, "D")
    pairs = _pairs(rows, powers, EQUAL_PSNR)
    if not pairs:
        ask = records.command("--corruption none --match bpp=0.5 --match psnr=32 --spectra")
        raise Lacking(f"spectra of two codecs within {EQUAL_RATE:.0%} of bpp and {EQUAL_PSNR} dB of each other", ask)
    return _judged(records, rows, pairs, powers)


def variable_rate_differs(records: Records) -> Finding:
    """Compare the shape of D in luminance between variable-rate and fixed-rate neural codecs of one architecture.

    The two codecs of a pair have the same architecture, width (N, M) and loss of training, as the runs state them; the
    variable-rate one has -lct or -vbr in the name of its architecture. The shape differs by the share of the power that
    lies in other rings of frequency. Each pair is compared at the points most alike, within 10 % of bpp; the effect is
    the median over pairs. Supported if its interval lies above 10 %, refuted if the interval of the largest share of a
    pair lies below 5 %.
    """
    rows = rows_of(records)
    neural = [codec for codec in rows.codecs() if records.is_neural(codec)]
    twins = {
        (first, second)
        for first, second in itertools.permutations(neural, 2)
        if are_twins(records, first, second, has_variable_rate)
    }
    if not twins:
        more = "--corruption none --spectra --codec hyperprior-cs --codec hyperprior-lct-cs"
        raise Lacking("variable-rate and fixed-rate neural codec of one architecture and width", records.command(more))
    powers = _powers(records, rows.set, "D")
    pairs = [pair for pair in _pairs(rows, powers, math.inf) if (pair[0][0], pair[1][0]) in twins]
    if not pairs:
        ask = records.command("--corruption none --match bpp=0.5 --spectra")
        raise Lacking(f"spectra of both kinds within {EQUAL_RATE:.0%} of bpp of each other", ask)
    return _judged(records, rows, pairs, powers)


def shape_changes_under_high_shifts(records: Records) -> Finding:
    """Compare G with D at the same point, in luminance: the share of the power of G that lies in other rings.

    The effect is the share under high-band corruptions minus that under low-band ones, each a mean over points.
    Supported if its interval lies above 10 % and that of the high-band share minus twice the low-band share above 0;
    refuted if the interval of the effect lies below 0. Codecs with equal errors at the same points on every image
    decode the same pixels and count as one, that with the fewest bits.
    """
    rows = rows_of_distinct(records)
    powers, codecs = _powers(records, rows.set, "D", "G"), rows.codecs()
    shifted: dict[Point, dict[str, list[SpectrumKey]]] = {}
    for spectrum in powers:
        quantity, corruption, _, codec, point = spectrum
        band, clean = records.bands.get(corruption), ("D", *CLEAN_CONDITION, codec, point)
        if quantity == "G" and band in {"low", "high"} and clean in powers and codec in codecs:
            shifted.setdefault((codec, point), {}).setdefault(str(band), []).append(spectrum)
    both = {point: by_band for point, by_band in shifted.items() if len(by_band) == 2}
    if not both:
        ask = records.command("--corruption none --corruption low --corruption high --spectra")
        raise Lacking("spectra of one codec point under low-band and under high-band corruptions", ask)
    clean_spectra = {point: ("D", *CLEAN_CONDITION, *point) for point in both}
    under = [spectrum for by_band in both.values() for spectra in by_band.values() for spectrum in spectra]
    resampled = _resampled(records, powers, [*clean_spectra.values(), *under])
    moves: dict[str, list[Floats]] = {"low": [], "high": []}
    for setting, by_band in both.items():
        clean_power = resampled.power(clean_spectra[setting])
        for name, spectra in by_band.items():
            shares = [moved(resampled.power(spectrum), clean_power) for spectrum in spectra]
            moves[name].append(np.mean(shares, axis=0))
    low, high = (np.mean(moves[band], axis=0) for band in ("low", "high"))
    effect, more = resampled.interval(high - low), resampled.interval(high - 2 * low)
    is_visible = above(effect, VISIBLE) == above(more, 0) == "supported"
    decision: Decision = "supported" if is_visible else "refuted" if effect.high < 0 else "undecided"
    result = (
        f"share of the power of G at other frequencies than that of D: {low[0]:.0f} % under low-band corruptions, "
        f"{high[0]:.0f} % under high-band ones, difference {in_words(effect)}"
    )
    return resampled.finding(decision, effect, rows, f"D and G of {counted(len(both), 'point')}", result)


@dataclass(frozen=True, slots=True)
class _Resampled:
    """The power of several spectra in resamples of the images that all of them share.

    `weights` says how often each image is drawn; its first line draws every image once.
    """

    powers: Mapping[SpectrumKey, pd.DataFrame]
    images: Sequence[str]
    weights: Floats

    def power(self, spectrum: SpectrumKey) -> Floats:
        """Return the power by ring, summed over the images of each resample."""
        return np.asarray(self.weights @ self.powers[spectrum].loc[list(self.images)].to_numpy(np.float64), np.float64)

    def interval(self, values: Floats) -> Interval:
        """Return the interval of a number from its value in all images and in each resample."""
        return interval(float(values[0]), values[1:], len(self.images))

    def finding(self, decision: Decision, effect: Interval, rows: Rows, spectra: str, result: str) -> Finding:
        """Return the finding; `spectra` describes the spectra used, `result` what was found."""
        images = len(self.images)
        reason = because(images, decision, result)
        if decision == "undecided" and images >= MINIMUM_IMAGES:
            reason = f"{result}; no interval lies as a whole beyond the threshold of support or that of refutation"
        used = f"{rows.set}, {counted(images, 'image')}, {spectra}"
        codecs = tuple(dict.fromkeys(codec for *_, codec, _ in self.powers))
        return Finding(decision, effect, "% of the power", len(self.powers) * images, used, reason, codecs=codecs)


def _resampled(
    records: Records, powers: Mapping[SpectrumKey, pd.DataFrame], spectra: Iterable[SpectrumKey]
) -> _Resampled:
    """Return some of the spectra in resamples; raise Lacking if they share no image."""
    wanted = {spectrum: powers[spectrum] for spectrum in spectra}
    images = sorted(set.intersection(*({*power.index} for power in wanted.values())))
    if not images:
        raise Lacking("spectra of the same images", records.command("--spectra"))
    return _Resampled(wanted, images, np.vstack([np.ones((1, len(images))), bootstrap(len(images), RESAMPLES)]))


def _powers(records: Records, image_set: str, *quantities: str) -> dict[SpectrumKey, pd.DataFrame]:
    """Return the luminance spectra of one set that are not zero: power by image and ring.

    Raises Lacking if those of a quantity are missing.
    """
    index = records.profiles.index
    names = index.get_level_values("quantity")
    of_set = index.get_level_values("set") == image_set
    if lacking := [name for name in quantities if not (of_set & (names == name)).any()]:
        raise Lacking(f"radial profiles of spectra ({', '.join(lacking)})", records.command("--spectra"))
    wanted = records.profiles[of_set & names.isin(quantities)].astype(np.float64) * ring_areas()
    groups = wanted.groupby(level=["quantity", "corruption", "severity", "codec", "point"], sort=False)
    powers: dict[SpectrumKey, pd.DataFrame] = {}
    for key, power in groups:
        if power.to_numpy().sum() > 0:
            powers[cast(SpectrumKey, key)] = power.droplevel([name for name in power.index.names if name != "image"])
    return powers


def _pairs(rows: Rows, powers: Mapping[SpectrumKey, pd.DataFrame], psnr: float) -> list[Pair]:
    """Return each pair of codecs at their most similar points that have spectra of D."""
    means = rows.clean.groupby(["codec", "point"], sort=False)[["bpp", "psnr"]].mean()
    known: dict[Point, Floats] = dict(zip(means.index.tolist(), means.to_numpy(np.float64), strict=True))
    points = [point for point in known if ("D", *CLEAN_CONDITION, *point) in powers]
    best: dict[tuple[str, str], tuple[float, Pair]] = {}
    for first, second in itertools.combinations(points, 2):
        rate = abs(math.log(known[first][0] / known[second][0]))
        distance = abs(known[first][1] - known[second][1])
        codecs = (first[0], second[0])
        off = rate / EQUAL_RATE + (distance / psnr if math.isfinite(psnr) else 0)
        alike = first[0] != second[0] and rate <= math.log1p(EQUAL_RATE) and distance <= psnr
        if alike and (codecs not in best or off < best[codecs][0]):
            best[codecs] = off, (first, second)
    return [pair for _, pair in best.values()]


def _judged(records: Records, rows: Rows, pairs: Sequence[Pair], powers: Mapping[SpectrumKey, pd.DataFrame]) -> Finding:
    spectra = {point: ("D", *CLEAN_CONDITION, *point) for pair in pairs for point in pair}
    resampled = _resampled(records, powers, spectra.values())
    shares = np.array([moved(*(resampled.power(spectra[point]) for point in pair)) for pair in pairs])
    effect, largest = resampled.interval(np.median(shares, axis=0)), resampled.interval(shares.max(axis=0))
    decision: Decision = "supported" if effect.low > VISIBLE else "refuted" if largest.high < INVISIBLE else "undecided"
    result = ", ".join(
        f"{':'.join(first)} and {':'.join(second)} {share:.0f} %"
        for (first, second), share in zip(pairs, shares[:, 0], strict=True)
    )
    used = f"D of {counted(len(spectra), 'point')}"
    return resampled.finding(
        decision, effect, rows, used, f"share of the power at other frequencies, median {in_words(effect)}: {result}"
    )


CLAIMS: Iterable[Claim] = (
    Claim(
        "H1",
        "Codecs of equal bpp and PSNR on clean data differ visibly in D.",
        equal_codecs_differ,
        version=3,
        since=date(2026, 11, 27),
        rests_on="spectra",
    ),
    Claim(
        "H3",
        "G resembles D under low-band shifts and changes shape under high-band ones.",
        shape_changes_under_high_shifts,
        version=3,
        since=date(2026, 11, 27),
        rests_on="spectra",
    ),
    Claim(
        "H7",
        "Variable-rate models differ spectrally from fixed-rate ones at matched rate.",
        variable_rate_differs,
        version=2,
        since=date(2026, 11, 27),
        rests_on="spectra",
    ),
)
