"""The claim that two sets rank codecs alike: H12."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ..conditions import CLEAN, CLEAN_CONDITION
from ..counted import counted
from ..ranking import NotComparable, rank
from ..ranking.contest import contest, resampled_ratings
from ..ranking.groups import groups_of, mean_over
from ..ranking.ladders import Ladders
from ..statistics import MINIMUM_IMAGES, SEED, Interval, bootstrap
from .claim import Claim, Decision, Finding, because, in_words
from .records import Floats, Lacking, Records, distinct, subjects
from .signs import sure_signs

FEWEST_CODECS = 6
AGREE = 0.8
"""The rank correlation from which two sets rank alike."""
FAMILIES = ("kodak", "clic")
RESAMPLES = 2000
"""Fewer than for other claims: every resample is two rankings."""


def sets_agree(records: Records) -> Finding:
    """Compute Kendall's tau between the rankings of codecs on two sets, by their scores under corruption.

    The sets are one with "kodak" and one with "clic" in its name. Both are ranked with the same codecs, at least six,
    under the same conditions; an anchor would change no order. Images of both are drawn anew, independently. The
    interval of tau lies between that with every pair of codecs that is not surely ordered on both sets in opposite
    order, and that with every such pair in the same order; a pair is surely ordered if its difference in score is
    significant, simultaneously over all pairs and both sets. Supported if the interval lies at or above 0.8, refuted if
    it lies below. Codecs with equal errors at the same points on every image decode the same pixels and count as one,
    that with the fewest bits.
    """
    rows = records.rows[subjects(records.rows)]
    rows = rows[rows["corruption"].isin([CLEAN, *records.bands])]
    rows = rows[distinct(rows)]
    six = "--codec jpeg --codec jpeg2000 --codec webp --codec avif --codec hevc --codec jxl"
    more = "" if rows["codec"].nunique() >= FEWEST_CODECS else six
    ask = records.command("--set kodak --set clic2020-test", more)
    parts: dict[str, pd.DataFrame] = {}
    for family in FAMILIES:
        image_set = next((name for name in sorted(set(rows["set"])) if family in name.lower()), "")
        if not image_set:
            raise Lacking(f"rows of a {family} set", ask)
        parts[image_set] = rows[rows["set"] == image_set]
    parts = _alike(parts)
    ranked: dict[str, list[str]] = {}
    for image_set, part in parts.items():
        try:
            ranked[image_set] = _ranked(part, records.bands)
        except NotComparable as reason:
            raise Lacking(f"ranking on {image_set} ({reason})", ask) from reason
    on_kodak, on_clic = ranked.values()
    codecs = [codec for codec in on_kodak if codec in on_clic]
    if len(codecs) < FEWEST_CODECS:
        raise Lacking(f"{FEWEST_CODECS} codecs ranked on both sets under the same conditions ({len(codecs)} are)", ask)
    scores = {
        image_set: _scores(part, records.bands, codecs, SEED + place)
        for place, (image_set, part) in enumerate(parts.items())
    }
    first, second = scores.values()
    images = min(first.images, second.images)
    tau = rank_correlation(first.differences(), second.differences(), images)
    decision: Decision = "supported" if tau.low >= AGREE else "refuted" if tau.high < AGREE else "undecided"
    orders = "; ".join(
        f"{name}: {', '.join(codecs[k] for k in np.argsort(score.values[0]))}" for name, score in scores.items()
    )
    result = f"Kendall's tau {in_words(tau, '.2f')}; {orders}"
    conditions = counted(len(_conditions(next(iter(parts.values()))) - {CLEAN_CONDITION}), "corrupted condition")
    return Finding(
        decision,
        tau,
        "Kendall's tau",
        sum(int(part["codec"].isin(codecs).sum()) for part in parts.values()),
        f"{' and '.join(scores)}, {conditions}",
        because(images, decision, result),
        codecs=tuple(codecs),
    )


def rank_correlation(first: Floats, second: Floats, images: int) -> Interval:
    """Return Kendall's tau with its interval, from the differences of all pairs of codecs on two sets.

    Both arguments have shape (1 + resamples, pairs), as those of `signs.sure_signs`; see the rule of `sets_agree`. The
    bootstrap interval of tau itself would not do: noise in the scores only lowers tau, so it would often lie below the
    true one where codecs are close.
    """
    pairs = first.shape[1]
    estimate = float(np.mean(np.sign(first[0]) * np.sign(second[0])))
    if images < MINIMUM_IMAGES:
        return Interval(estimate, np.nan, np.nan)
    signs = sure_signs(np.concatenate([first, second], axis=1), images)
    sure = signs[:pairs] * signs[pairs:]
    same, opposite = float(np.mean(sure > 0)), float(np.mean(sure < 0))
    return Interval(estimate, 2 * same - 1, 1 - 2 * opposite)


def _conditions(rows: pd.DataFrame) -> set[tuple[str, int]]:
    """Return the conditions of some rows."""
    return set(zip(rows["corruption"], rows["severity"].astype(int), strict=True))


def _alike(parts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the rows of both sets that are of codecs and conditions that both have."""
    codecs = set.intersection(*(set(part["codec"]) for part in parts.values()))
    conditions = set.intersection(*map(_conditions, parts.values()))
    return {
        name: part[
            part["codec"].isin(codecs)
            & pd.MultiIndex.from_frame(part[["corruption", "severity"]]).isin(list(conditions))
        ]
        for name, part in parts.items()
    }


def _ranked(rows: pd.DataFrame, bands: Mapping[str, str]) -> list[str]:
    return [entry.codec for entry in rank(rows, bands).entries if entry.rank is not None]


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores of codecs on one set in log rate, shape (1 + resamples, codecs), first those of all images."""

    values: Floats
    images: int

    def differences(self) -> Floats:
        """Return the differences of all pairs of codecs."""
        pairs = itertools.combinations(range(self.values.shape[1]), 2)
        return np.stack([self.values[:, first] - self.values[:, second] for first, second in pairs], axis=1)


def _scores(rows: pd.DataFrame, bands: Mapping[str, str], codecs: Sequence[str], seed: int) -> _Scores:
    ladders = Ladders(rows[rows["codec"].isin(codecs)], "psnr")
    scored = groups_of(ladders.conditions, bands)["score"]
    images = len(ladders.images)
    draws = np.vstack([np.ones(images), bootstrap(images, RESAMPLES, seed)])
    ratings = {}
    for condition in scored:
        compared = contest(ladders, codecs, condition)
        order = [compared.codecs.index(codec) for codec in codecs]
        ratings[condition] = resampled_ratings(compared, "psnr", draws)[:, order]
    return _Scores(mean_over(ratings, scored), images)


CLAIMS: Iterable[Claim] = (
    Claim(
        "H12",
        "Kodak-C reproduces the ordering of codecs seen on CLIC-C.",
        sets_agree,
        version=3,
        since=date(2026, 11, 27),
    ),
)
