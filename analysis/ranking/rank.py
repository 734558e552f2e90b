"""Ranking the codecs of one set: ratings fitted to all pairs of codecs under each condition, and their mean."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd

from ..conditions import Condition
from ..matched import MATCHED_BPP
from ..rate import MINIMUM_POINTS
from ..statistics import SEED, Tail, bootstrap, tail
from .contest import NO_SHARED, Contest, contest, fit, resampled_ratings
from .entries import entry_of, ordered, with_front
from .groups import groups_of, mean_over, numbers
from .intervals import intervals
from .ladders import MOST_FAILED, Floats, Ladders, Quality, is_estimate
from .leaderboard import EQUAL, Leaderboard, NotComparable
from .shift import ShiftEffects, shift_effects, shown_psnr

ANCHORS = ("jpeg2000", "jpeg")
"""The default anchors: the first of these that has a score is used."""


def rank(
    rows: pd.DataFrame,
    bands: Mapping[str, str],
    *,
    anchor: str | None = None,
    quality: Quality = "psnr",
    matched_bpp: float = MATCHED_BPP,
    shifts: pd.DataFrame | None = None,
    resamples: int = 0,
    seed: int = SEED,
) -> Leaderboard:
    """Return the leaderboard of the rows of one set (columns as `benchmark.store.read` gives them).

    Under each condition all codecs are compared on the images that all of them coded. Mean bpp and mean quality over
    these images are the points of a curve. Every two curves give a log ratio of rates over the qualities they share,
    and a least-squares fit to all ratios gives each codec a rating (see `contest.Fit`). The score is the mean rating
    over severities, then over corruptions, less that of the anchor: the choice of the anchor changes no rank and no
    difference of two codecs. `bands` maps a corruption to "low", "medium" or "high"; others are outside the score
    unless there is nothing else.

    A codec that shares no quality with the others under some scored condition has no score, but a range of ranks: those
    it would have with the best, and with the worst, rating of any codec under these conditions. A codec that failed on
    more than MOST_FAILED of its rows has neither, and takes no images from the others.

    `shifts` has the PSNR of the corrupted images, in the columns corruption, severity, image and psnr; restoration is
    unknown without it. The default anchor is jpeg2000, else jpeg, else the best codec, among the codecs with a rating
    under every condition if there are any. With `resamples`, the leaderboard has intervals.

    Raises NotComparable if there are no rows, rows of several sets, an anchor without a score, or no curve at all.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) != 1:
        raise NotComparable(f"a leaderboard ranks one set: choose one of {', '.join(sets)}" if sets else "no rows")
    ladders = Ladders(rows, quality)
    groups = groups_of(ladders.conditions, bands)
    codecs = [
        codec
        for codec in ladders.codecs
        if not is_estimate(codec)
        and ladders.failures[codec].share <= MOST_FAILED
        and any(ladders.of(codec, condition).curve.sum() >= 2 for condition in ladders.conditions)
    ]
    contests = {condition: contest(ladders, codecs, condition) for condition in ladders.conditions}
    if not any(_has_long_curve(contests[condition]) for condition in groups["score"]):
        raise NotComparable(f"no codec has the {MINIMUM_POINTS} points that a rate curve needs")
    fits = {condition: fit(compared, quality) for condition, compared in contests.items()}
    rated = {condition: _all_codecs(codecs, each.codecs, each.ratings) for condition, each in fits.items()}
    scores = dict(zip(codecs, mean_over(rated, groups["score"]), strict=True))
    anchor = _anchor(anchor, codecs, scores, rated)
    base = codecs.index(anchor)
    relative = {condition: values - values[base] for condition, values in rated.items()}
    absent = _absent(codecs, contests, rated)
    shown = {} if shifts is None else shown_psnr(shifts)
    draws = bootstrap(len(ladders.images), resamples, seed)
    weights = np.concatenate([np.ones((1, len(ladders.images))), draws])

    def shifted(codec: str) -> ShiftEffects:
        return shift_effects(ladders, contests, codec, groups, shown, matched_bpp, weights)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy releases the interpreter's lock
        effects = dict(zip(ladders.codecs, threads.map(shifted, ladders.codecs), strict=True))
    board = Leaderboard(
        set=sets[0],
        anchor=anchor,
        quality=quality,
        matched_bpp=matched_bpp,
        images=len(ladders.images),
        conditions=ladders.conditions,
        scored=groups["score"],
        compared={condition: int(compared.images.sum()) for condition, compared in contests.items()},
        measured={condition: compared.measured for condition, compared in contests.items()},
        entries=(),
        fits=fits,
        ratings={
            (codec, condition): float(value)
            for condition, values in relative.items()
            for codec, value in zip(codecs, values, strict=True)
        },
        absent=absent,
        inflations={(codec, key): own for codec, each in effects.items() for key, own in each.inflations.items()},
        restorations={(codec, key): own for codec, each in effects.items() for key, own in each.restorations.items()},
        shown_psnr=bool(shown),
        tails=_tails(codecs, base, contests, groups["score"], quality),
        aside=ladders.aside,
    )
    if resamples:
        at_settings = {codec: each.by_band for codec, each in effects.items()}
        drawn = intervals(contests, codecs, groups, relative, base, quality, at_settings, draws, seed=seed)
        board = replace(board, intervals=drawn)
    bounds = {codec: _score_bounds(k, rated, groups["score"]) for k, codec in enumerate(codecs)}
    logs = {name: dict(zip(codecs, values, strict=True)) for name, values in numbers(relative, groups).items()}
    entries = [
        entry_of(codec, board, ladders, contests, groups, effects[codec], logs, scores, bounds)
        for codec in ladders.codecs
    ]
    return replace(board, entries=ordered(with_front(entries)))


def _has_long_curve(compared: Contest) -> bool:
    return bool((np.diff(compared.starts) >= MINIMUM_POINTS).any())


def _all_codecs(codecs: Sequence[str], some: Sequence[str], values: Floats) -> Floats:
    """Return values of some codecs, on the last axis, as values of all codecs: NaN for the others."""
    every = np.full((*values.shape[:-1], len(codecs)), np.nan)
    every[..., [codecs.index(codec) for codec in some]] = values
    return every


def _anchor(
    asked: str | None, codecs: Sequence[str], scores: Mapping[str, float], rated: Mapping[Condition, Floats]
) -> str:
    able = [codec for codec in codecs if math.isfinite(scores[codec])]
    if not able:
        raise NotComparable("no two codecs share quality under every condition: measure more settings of their ladders")
    if asked is not None and asked not in able:
        raise NotComparable(f"{asked} has no score here: expected an anchor among {', '.join(able)}")
    whole = [codec for codec in able if all(math.isfinite(each[codecs.index(codec)]) for each in rated.values())]
    able = whole or able
    best = min(scores[codec] for codec in able)
    first = next(codec for codec in able if scores[codec] <= best + EQUAL)
    return asked or next((codec for codec in ANCHORS if codec in able), first)


def _absent(
    codecs: Sequence[str], contests: Mapping[Condition, Contest], rated: Mapping[Condition, Floats]
) -> dict[tuple[str, Condition], str]:
    """Return why codecs have no rating under some conditions."""
    return {
        (codec, condition): contests[condition].absent.get(codec, NO_SHARED)
        for condition, values in rated.items()
        for codec, value in zip(codecs, values, strict=True)
        if math.isnan(value)
    }


def _score_bounds(k: int, rated: Mapping[Condition, Floats], scored: Sequence[Condition]) -> tuple[float, float]:
    """Return the scores of codec k with the best, and with the worst, rating of any codec where it has none."""
    bounds = []
    for extreme in (np.nanmin, np.nanmax):
        filled = {condition: values for condition, values in rated.items() if not np.isnan(values).all()}
        if any(condition not in filled for condition in scored):
            return math.nan, math.nan
        whole = {key: np.where(np.isnan(values[k]), extreme(values), values[k]) for key, values in filled.items()}
        bounds.append(float(mean_over(whole, scored)))
    return bounds[0], bounds[1]


def _tails(
    codecs: Sequence[str],
    base: int,
    contests: Mapping[Condition, Contest],
    scored: Sequence[Condition],
    quality: Quality,
) -> dict[str, Tail]:
    """Return the worst cases of each codec; a case is one image under one scored condition, rated by itself."""
    cases = []
    for condition in scored:
        compared = contests[condition]
        alone = resampled_ratings(compared, quality, np.eye(len(compared.images))[compared.images])
        ratings = _all_codecs(codecs, compared.codecs, alone)
        cases.append(100 * np.expm1(ratings - ratings[:, [base]]))
    every = np.concatenate(cases)
    return {codec: tail(every[:, k], "high") for k, codec in enumerate(codecs)}
