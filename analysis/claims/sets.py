"""The claim that two sets rank codecs alike: H12."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ..conditions import CLEAN, CLEAN_CONDITION
from ..counted import counted
from ..ranking import NotComparable, rank
from ..ranking.point_tables import PointTables
from ..ranking.resampled import resample
from ..statistics import MINIMUM_IMAGES, SEED, Interval, bootstrap
from .claim import Claim, Decision, Finding, because, in_words
from .records import Floats, Lacking, Records, subjects
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
    under the same conditions and against the same anchor. Images of both are drawn anew, independently. The interval of
    tau lies between that with every pair of codecs that is not surely ordered on both sets in opposite order, and that
    with every such pair in the same order; a pair is surely ordered if its difference in score is significant,
    simultaneously over all pairs and both sets. Supported if the interval lies at or above 0.8, refuted if it lies
    below.
    """
    rows = records.rows[subjects(records.rows)]
    rows = rows[rows["corruption"].isin([CLEAN, *records.bands])]
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
    scores: dict[str, _Scores] = {}
    for place, (image_set, part) in enumerate(parts.items()):
        anchor = next((score.anchor for score in scores.values()), None)
        try:
            scores[image_set] = _scores(part, records.bands, anchor, SEED + place)
        except NotComparable as reason:
            raise Lacking(f"ranking on {image_set} ({reason})", ask) from reason
    first, second = scores.values()
    codecs = [codec for codec in first.by_codec if codec in second.by_codec]
    if len(codecs) < FEWEST_CODECS:
        raise Lacking(f"{FEWEST_CODECS} codecs ranked on both sets under the same conditions ({len(codecs)} are)", ask)
    images = min(first.images, second.images)
    tau = rank_correlation(_pair_differences(first, codecs), _pair_differences(second, codecs), images)
    decision: Decision = "supported" if tau.low >= AGREE else "refuted" if tau.high < AGREE else "undecided"
    orders = "; ".join(
        f"{name}: {', '.join(sorted(codecs, key=lambda codec: float(score.by_codec[codec][0])))}"
        for name, score in scores.items()
    )
    result = f"Kendall's tau {in_words(tau, '.2f')}; {orders}"
    conditions = counted(len(_conditions(next(iter(parts.values()))) - {CLEAN_CONDITION}), "corrupted condition")
    return Finding(
        decision,
        tau,
        "Kendall's tau",
        sum(int(part["codec"].isin(codecs).sum()) for part in parts.values()),
        f"{' and '.join(scores)}, {conditions}, BD-rates against {first.anchor}",
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


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores of the ranked codecs of one set: for all of its images, then for each resample of them."""

    anchor: str
    by_codec: Mapping[str, Floats]
    images: int


def _scores(rows: pd.DataFrame, bands: Mapping[str, str], anchor: str | None, seed: int) -> _Scores:
    board = rank(rows, bands, anchor=anchor)
    tables = PointTables(rows, board.quality)
    weights = bootstrap(len(tables.images), RESAMPLES, seed)
    again = resample(tables, board.anchor, weights, matched_bpp=board.matched_bpp).bd_rate
    scored = [place for place, condition in enumerate(tables.conditions) if condition != CLEAN_CONDITION] or [0]
    by_codec = {
        entry.codec: np.append(entry.score, again[tables.codecs.index(entry.codec), scored].mean(axis=0))
        for entry in board.entries
        if entry.rank is not None
    }
    return _Scores(board.anchor, by_codec, len(tables.images))


def _pair_differences(scores: _Scores, codecs: Iterable[str]) -> Floats:
    values = [scores.by_codec[codec] for codec in codecs]
    return np.stack([first - second for first, second in itertools.combinations(values, 2)], axis=1)


CLAIMS: Iterable[Claim] = (
    Claim(
        "H12",
        "Kodak-C reproduces the ordering of codecs seen on CLIC-C.",
        sets_agree,
        version=2,
        since=date(2026, 11, 27),
    ),
)
