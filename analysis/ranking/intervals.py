"""The confidence intervals of a leaderboard: its numbers and ranks over resamples of the images."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np

from ..conditions import Condition
from ..statistics import CONFIDENCE, MINIMUM_IMAGES, MOST_LOST, Interval, Resampled, expanded, interval
from .contest import Contest, resampled_ratings
from .groups import Groups, mean_over, numbers
from .ladders import Floats, Quality
from .leaderboard import EQUAL, FITTED, PENALTIES, Intervals


def intervals(
    contests: Mapping[Condition, Contest],
    codecs: Sequence[str],
    groups: Groups,
    estimates: Mapping[Condition, Floats],
    anchor: int,
    quality: Quality,
    at_settings: Mapping[str, Mapping[str, Resampled]],
    draws: Floats,
    *,
    seed: int,
    confidence: float = CONFIDENCE,
) -> Intervals:
    """Return the intervals of a leaderboard's numbers and the pairs of codecs whose scores differ significantly.

    `estimates` are the ratings of `codecs` less that of the one at place `anchor`, by condition; `at_settings` are
    numbers that were resampled already, by codec and field. A resample is a leaderboard of images drawn with
    replacement, the same draw for every codec and condition, through frontiers, curves and the fit; `draws`, from
    `statistics.bootstrap` with `seed`, has shape (resamples, images). A number has no value in a resample in which the
    codec or the anchor has no rating under one of its conditions; `statistics.interval` leaves such resamples out.
    """
    resamples, images = draws.shape
    # The leaderboards without one image, which standard errors need, are computed with the others.
    every = np.concatenate([draws, 1 - np.eye(images)])
    ratings = _resampled(contests, codecs, quality, every)
    relative = {condition: (values - values[:, [anchor]])[:resamples] for condition, values in ratings.items()}
    left_out = {condition: (values - values[:, [anchor]])[resamples:] for condition, values in ratings.items()}
    counts = {condition: int(compared.images.sum()) for condition, compared in contests.items()}
    once, again = numbers(estimates, groups), numbers(relative, groups)
    members = {**groups, **{name: (*groups[group], *groups["clean"]) for name, group in PENALTIES.items()}}
    fewest = {name: min((counts[key] for key in members[name]), default=0) for name in FITTED}
    by_number = {
        codec: {name: number.interval(confidence) for name, number in resampled.items()}
        for codec, resampled in at_settings.items()
    }
    lost = {
        (codec, name): share
        for codec, resampled in at_settings.items()
        for name, number in resampled.items()
        if (share := _lost(number.values[0], number.values[1:]))
    }
    for k, codec in enumerate(codecs):
        for name in FITTED:
            by_number[codec][name] = _percent(once[name][k], again[name][:, k], fewest[name], confidence)
            if share := _lost(once[name][k], again[name][:, k]):
                lost[codec, name] = share
    by_corruption = {}
    for corruption in dict.fromkeys(name for name, _ in contests):
        severities = tuple(condition for condition in contests if condition[0] == corruption)
        mean, resampled = mean_over(estimates, severities), mean_over(relative, severities)
        least = min(counts[condition] for condition in severities)
        for k, codec in enumerate(codecs):
            by_corruption[codec, corruption] = _percent(mean[k], resampled[:, k], least, confidence)
    return Intervals(
        confidence=confidence,
        images=images,
        resamples=resamples,
        seed=seed,
        numbers=by_number,
        apart=apart(
            codecs,
            once["score"],
            again["score"],
            mean_over(left_out, groups["score"]),
            draws,
            fewest["score"],
            confidence=confidence,
        ),
        lost=lost,
        by_corruption=by_corruption,
    )


def _lost(estimate: float, resampled: Floats) -> float:
    """Return the share of resamples without a value, 0 if there is no estimate either."""
    return float(np.isnan(resampled).mean()) if math.isfinite(estimate) else 0.0


def _percent(log: float, resampled: Floats, images: int, confidence: float) -> Interval:
    percent = 100 * math.expm1(log)
    return interval(percent, 100 * np.expm1(resampled), images, confidence=confidence)


def _resampled(
    contests: Mapping[Condition, Contest], codecs: Sequence[str], quality: Quality, draws: Floats
) -> dict[Condition, Floats]:
    """Return the ratings of all codecs in every resample by condition, shape (resamples, codecs)."""

    def work(compared: Contest) -> Floats:
        every = np.full((len(draws), len(codecs)), np.nan)
        every[:, [codecs.index(codec) for codec in compared.codecs]] = resampled_ratings(compared, quality, draws)
        return every

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the kernel releases the interpreter's lock
        return dict(zip(contests, threads.map(work, contests.values()), strict=True))


def apart(
    codecs: Sequence[str],
    scores: Floats,
    resampled: Floats,
    left_out: Floats,
    draws: Floats,
    images: int,
    *,
    confidence: float = CONFIDENCE,
) -> frozenset[tuple[str, str]]:
    """Return the pairs of codecs, the better first, whose scores differ, with one error rate for all pairs together.

    Single-step max-T (Westfall and Young, Resampling-Based Multiple Testing, Wiley, 1993): a pair differs if its
    difference over its standard error exceeds the quantile of the largest such ratio over all pairs, taken around the
    estimate, in the resamples. The standard error is that of the jackknife; a resample has its own, from the same
    influence of each image. For few images that quantile is larger than needed. The Bonferroni bound, by the
    bootstrap's standard deviation and `statistics.expanded`, decides then, as it holds for any dependence of the pairs.

    `scores` has shape (codecs,), in log rate, NaN for a codec without a score; `resampled` is (resamples, codecs) and
    `draws` (resamples, images); `left_out`, (images, codecs), are the scores without one image. A codec without a score
    in too many resamples differs from none, and there is no such pair under MINIMUM_IMAGES `images`.
    """
    enough = (np.isnan(resampled).mean(axis=0) <= MOST_LOST) & ~np.isnan(left_out).any(axis=0)
    able = [k for k in range(len(codecs)) if math.isfinite(scores[k]) and enough[k]]
    pairs = list(combinations(sorted(able, key=lambda k: float(scores[k])), 2))
    if images < MINIMUM_IMAGES or not pairs:
        return frozenset()
    better, worse = np.array(pairs).T
    whole = ~np.isnan(resampled[:, able]).any(axis=1)
    draws, resampled = draws[whole], resampled[whole]
    difference = scores[worse] - scores[better]
    deviation = resampled[:, worse] - resampled[:, better] - difference
    influence = (len(left_out) - 1) * (np.mean(left_out, axis=0) - left_out)
    influence = influence[:, worse] - influence[:, better]
    error, spread = _standard_errors(np.ones((1, len(left_out))), influence)[0], np.sqrt(np.mean(deviation**2, axis=0))
    sure = spread < 1e-12  # the same in every resample
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one image over and over has no error
        ratios = np.abs(deviation) / _standard_errors(draws, influence)
    largest = np.nan_to_num(ratios[:, ~sure], nan=0.0, posinf=math.inf).max(axis=1, initial=0.0)
    bonferroni = spread * bonferroni_bound(len(pairs), images, confidence)
    differ = (difference > error * np.quantile(largest, confidence)) | (difference > bonferroni)
    differ = np.where(sure, difference > EQUAL, differ)
    return frozenset((codecs[i], codecs[j]) for (i, j), differs in zip(pairs, differ, strict=True) if differs)


def bonferroni_bound(pairs: int, images: int, confidence: float) -> float:
    """Return the critical value of one of several pairs so that they hold together, corrected for few images."""
    from scipy.special import ndtri  # noqa: PLC0415 - importing a room is free

    return expanded(-float(ndtri((1 - confidence) / (2 * pairs))), images)


def _standard_errors(draws: Floats, influence: Floats) -> Floats:
    """Return the standard errors of means of influences, shape (resamples, pairs), over the images drawn."""
    images = len(influence)
    mean, square = draws @ influence / images, draws @ influence**2 / images
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0) / (images - 1)))
