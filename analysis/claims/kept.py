"""The claim that classical and neural codecs keep different shares of noise: H5."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import Condition
from ..statistics import MINIMUM_IMAGES, Interval, Resampled, bootstrap, levels
from .claim import Claim, Decision, Finding, because, in_words, together
from .records import Floats, Lacking, Records, rows_of, rows_of_distinct
from .signs import sure_signs

TO_DIFFER = 5.0
"""The difference in the share of noise kept, in percentage points, from which codecs differ."""
LEAST_RATE, LEAST_QUALITY = math.log(1.25), 0.5
"""The shortest shared ranges, in log rate and in dB, over which two codecs are compared."""
RESAMPLES = 2000
"""Fewer than for other claims: every resample has two curves for each codec and condition."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The points of one codec under one condition, in all images and in each resample: shape (1 + resamples, points).

    `log_rate` is of bpp, `quality` the PSNR in dB against the image shown, `kept` the share of the noise in percent.
    """

    log_rate: Floats
    quality: Floats
    kept: Floats


def noise_is_kept_differently(records: Records) -> Finding:
    """Compare the share of the noise's squared error that codecs keep, (R - D) / shift, over all noises and severities.

    Two codecs are compared under each condition at equal rate, the mean difference of their shares over the log rates
    that both spend there, and at equal quality, the same over the PSNR against the image shown that both reach. Shares
    are linear between points; the shared range must be at least a factor of 1.25 and 0.5 dB; the mean over conditions
    counts. The effect is the share of neural minus that of classical codecs at equal rate, a mean over their pairs.
    Supported if its interval lies beyond 5 percentage points on either side, and some pair of codecs is surely in
    another order at equal quality than at equal rate: both differences significant, simultaneously over all pairs and
    both matchings, and of opposite sign. Refuted if the interval lies within 5 points, or all pairs have the same order
    in both matchings in 97.5 % of resamples, the share at which a 95 % interval ends (more for few images). Codecs with
    equal errors at the same points on every image decode the same pixels and count as one, that with the fewest bits.
    """
    rows = rows_of_distinct(records)
    noisy = rows.under(records.noises())
    noisy = noisy[noisy[["D", "R", "shift"]].notna().all(axis=1)]
    table, images = _ladder_rows(noisy)
    codecs = list(dict.fromkeys(table["codec"]))
    ladders = _ladders(table, images)
    matchings = {
        pair: differences
        for pair in itertools.combinations(codecs, 2)
        if (differences := _differences(*(ladders[codec] for codec in pair))) is not None
    }
    mixed = [pair for pair in matchings if len({records.is_neural(codec) for codec in pair}) == 2]
    if not mixed:
        raise _lacking(records, noisy)
    by_rate, by_quality = (np.stack([pair[k] for pair in matchings.values()], axis=1) for k in (0, 1))
    towards_neural = {pair: 1 if records.is_neural(pair[0]) else -1 for pair in mixed}
    values = np.mean([sign * matchings[pair][0] for pair, sign in towards_neural.items()], axis=0)
    effect = Resampled(values, len(images)).interval()
    decision = together([_beyond(effect, TO_DIFFER), order_depends(by_rate, by_quality, len(images))])
    orders = _orders(list(matchings), by_rate[0], by_quality[0], surely_swapped(by_rate, by_quality, len(images)))
    compared = tuple(codec for codec in codecs if any(codec in pair for pair in matchings))
    left_out = [codec for codec in dict.fromkeys(noisy["codec"]) if codec not in compared]
    result = (
        f"share of the noise kept, neural minus classical codecs at equal rate: {in_words(effect)} percentage points; "
        f"{orders}"
        + (f"; left out, with too little rate or quality in common: {', '.join(left_out)}" if left_out else "")
    )
    used = table[table["codec"].isin(compared)]
    reason = because(len(images), decision, result)
    return Finding(
        decision, effect, "percentage points of the noise", len(used), rows.used(used), reason, codecs=compared
    )


def order_depends(by_rate: Floats, by_quality: Floats, images: int) -> Decision:
    """Decide whether the order of codecs depends on matching by rate or by quality.

    Both arguments have shape (1 + resamples, pairs): the differences of pairs of codecs in all images, then in each
    resample. See the rule of `noise_is_kept_differently`.
    """
    if surely_swapped(by_rate, by_quality, images).any():
        return "supported"
    if images < MINIMUM_IMAGES:
        return "undecided"
    same = (np.sign(by_rate[1:]) == np.sign(by_quality[1:])).all(axis=1)
    return "refuted" if same.mean() >= levels(images)[1] else "undecided"


def surely_swapped(by_rate: Floats, by_quality: Floats, images: int) -> NDArray[np.bool_]:
    """Return which pairs are surely in another order at equal quality than at equal rate, all of them together."""
    pairs = by_rate.shape[1]
    signs = sure_signs(np.concatenate([by_rate, by_quality], axis=1), images)
    return np.asarray(signs[:pairs] * signs[pairs:] < 0, np.bool_)


def _orders(pairs: Sequence[Pair], by_rate: Floats, by_quality: Floats, sure: NDArray[np.bool_]) -> str:
    """Return in words which pairs of codecs are in another order at equal quality than at equal rate."""
    swapped: dict[bool, list[str]] = {True: [], False: []}
    for (first, second), rate, quality, is_sure in zip(pairs, by_rate, by_quality, sure, strict=True):
        if rate * quality < 0:
            swapped[bool(is_sure)].append(f"{first} against {second} {rate:+.1f} and {quality:+.1f}")
    words = [
        f"{', '.join(names)} ({how})"
        for how, names in zip(("sure", "not sure"), swapped.values(), strict=True)
        if names
    ]
    if not words:
        return "all pairs of codecs have the same order at equal rate and at equal quality"
    return f"in another order at equal rate than at equal quality: {', '.join(words)}"


def _beyond(effect: Interval, size: float) -> Decision:
    """Decide whether the magnitude of an effect exceeds a size by its interval."""
    if effect.low > size or effect.high < -size:
        return "supported"
    return "refuted" if effect.low > -size and effect.high < size else "undecided"


# --- ladders under noise


def _ladder_rows(noisy: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of each codec's ladder, and the images that all of them share.

    A ladder is the points with the most rows of a codec, at least two of them, so that a few points of a search or of a
    failure take no images from the others.
    """
    rows = noisy.groupby(["codec", "point"], sort=False).size()
    most = rows[rows == rows.groupby("codec").transform("max")]
    points = most[most.groupby("codec").transform("size") >= 2].index
    table = noisy[pd.MultiIndex.from_frame(noisy[["codec", "point"]]).isin(points)]
    cells = table.groupby("image").size()
    images = sorted(map(str, cells.index[cells == len(table.drop_duplicates([*_CELL]))]))
    return table[table["image"].isin(images)], images


_CELL = ("codec", "point", "corruption", "severity")


def _ladders(table: pd.DataFrame, images: Sequence[str]) -> dict[str, dict[Condition, Ladder]]:
    """Return the ladder of each codec by condition."""
    weights = np.vstack([np.ones(len(images)), bootstrap(len(images), RESAMPLES)]) if images else np.ones((1, 0))
    table = table.assign(kept=table["R"] - table["D"])
    ladders: dict[str, dict[Condition, Ladder]] = {}
    for (codec, corruption, severity), part in table.groupby(["codec", "corruption", "severity"], sort=False):
        cells = part.pivot_table(index="image", columns="point", values=["bpp", "psnr", "kept", "shift"])
        rate, quality, kept, shift = (
            weights @ cells[name].loc[list(images)].to_numpy(np.float64) for name in ("bpp", "psnr", "kept", "shift")
        )
        ladder = Ladder(np.log(rate / len(images)), quality / len(images), 100 * kept / shift)
        ladders.setdefault(str(codec), {})[str(corruption), int(str(severity))] = ladder
    return ladders


def _differences(first: Mapping[Condition, Ladder], second: Mapping[Condition, Ladder]) -> tuple[Floats, Floats] | None:
    """Return the difference of two codecs at equal rate and at equal quality; None if they cannot be compared."""
    rates, qualities = [], []
    for condition in first:
        if condition not in second:
            continue
        pair = first[condition], second[condition]
        rate, rate_range = _over_shared([ladder.log_rate for ladder in pair], [ladder.kept for ladder in pair])
        quality, quality_range = _over_shared([ladder.quality for ladder in pair], [ladder.kept for ladder in pair])
        if rate_range >= LEAST_RATE and quality_range >= LEAST_QUALITY:
            rates.append(rate)
            qualities.append(quality)
    return (np.mean(rates, axis=0), np.mean(qualities, axis=0)) if rates else None


def _over_shared(places: Sequence[Floats], values: Sequence[Floats]) -> tuple[Floats, float]:
    """Return the mean difference of two curves over the range they share, and that range in all images.

    The mean is NaN in a resample in which they share none.
    """
    low = np.max([place.min(axis=1) for place in places], axis=0)
    high = np.min([place.max(axis=1) for place in places], axis=0)
    first, second = (mean_between(*curve, low, high) for curve in zip(places, values, strict=True))
    return first - second, float(high[0] - low[0])


def mean_between(places: Floats, values: Floats, low: Floats, high: Floats) -> Floats:
    """Return the mean of piecewise linear curves between two places of each: curves are lines of (curves, points).

    NaN where `low` is not below `high`.
    """
    order = np.argsort(places, axis=1)
    places, values = np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)
    start, end = np.maximum(places[:, :-1], low[:, None]), np.minimum(places[:, 1:], high[:, None])
    width = np.maximum(end - start, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.diff(values, axis=1) / np.diff(places, axis=1)
        middle = values[:, :-1] + slope * ((start + end) / 2 - places[:, :-1])
        return np.asarray(np.where(width > 0, width * middle, 0).sum(axis=1) / np.where(high > low, high - low, np.nan))


def _lacking(records: Records, noisy: pd.DataFrame) -> Lacking:
    """Return what is missing of a neural and a classical codec under noise."""
    lacking, codecs = [], []
    rows = rows_of(records)
    ladders = noisy.groupby("codec")["point"].nunique()
    for kind, default in (("neural", "hyperprior-cs"), ("classical", "jpeg")):
        present = [codec for codec in rows.codecs() if records.is_neural(codec) == (kind == "neural")]
        if not any(ladders.get(codec, 0) >= 2 for codec in present):
            lacking.append(f"{kind} codec" if not present else f"ladder of {present[0]} under noise")
            codecs.append(present[0] if present else default)
    known = rows.under(records.noises())
    if len(known) and known["shift"].isna().all():
        lacking = ["error of the noise itself, which measuring another codec adds"]
        codecs = ["identity"]
    if not lacking:
        lacking.append("neural and classical codec with rates and qualities in common under noise")
    ask = records.command("--corruption none --corruption high", *(f"--codec {shlex.quote(codec)}" for codec in codecs))
    return Lacking("; ".join(lacking), ask)


CLAIMS: Iterable[Claim] = (
    Claim(
        "H5",
        "Classical and neural codecs differ in how much noise they keep, and their ranking depends on whether rate or "
        "quality is matched.",
        noise_is_kept_differently,
        version=3,
        since=date(2026, 11, 27),
    ),
)
