"""Claims about rates, single frequencies and rankings: H9, H10 and H12."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ..conditions import CLEAN
from ..matched import MATCHED_BPP, at_points, nearest_to
from ..ranking import NotComparable, rank
from ..statistics import Interval, bootstrap, interval
from .claim import Claim, Finding, above, because, below, between, by_size, in_words, together
from .records import Lacking, Records, mean, per_image, rows_of, subjects

STRONG = 20.0
"""The rise of the rate in percent that counts as strong."""
CONTROLLED = 0.05
"""A codec is rate-controlled if its rate at one setting varies by less than this (deviation over mean)."""
LEAST_WAVES = 16
UNEVEN = 0.1
"""The standard deviation of PSNR over frequencies, in dB, above which PSNR depends on frequency."""
FEWEST_CODECS = 4
AGREE, DISAGREE = 0.8, 0.5
FAMILIES = ("kodak", "clic")


def rate_follows_the_shift(records: Records) -> Finding:
    """Measure the change of bpp from clean to corrupted images at one setting: geometric mean over settings and images.

    Rate-controlled codecs are left out: those whose rate varies by less than 5 % over clean images (standard deviation
    over mean) at half of their points. Supported if the interval under noise (the effect) lies above +20 % and the
    intervals under blur, fog and contrast lie below 0; refuted if one of them lies on the other side.
    """
    rows = rows_of(records)
    rates = rows.clean.groupby(["codec", "point"])["bpp"]
    spread = (rates.std() / rates.mean()).groupby("codec").median()
    controlled = [str(codec) for codec in spread.index[spread < CONTROLLED]]
    free = rows.table[~rows.table["codec"].isin(controlled)]
    free = free.assign(log=np.log(free["bpp"] / free["bpp_clean"]))
    groups = {
        "noise": records.noises(),
        "blur": [name for name, band in records.bands.items() if name.endswith("_blur") and band == "medium"],
        "fog": ["fog"],
        "contrast": ["contrast"],
    }
    tables = {name: free[free["corruption"].isin(members) & free["log"].notna()] for name, members in groups.items()}
    if lacking := [name for name, table in tables.items() if table.empty]:
        asked = {"noise": "high", "blur": "defocus_blur"}
        more = [f"--corruption {asked.get(name, name)}" for name in lacking]
        ask = records.command("--corruption none", *more, "--codec jpeg --codec webp")
        raise Lacking(f"rows under {', '.join(lacking)} are needed, of a codec that is not rate-controlled: {ask}")
    values = {name: per_image(table, "log") for name, table in tables.items()}
    changes = {name: _percent(mean(value)) for name, value in values.items()}
    noise, *falling = changes.values()
    decision = together([above(noise, STRONG), *(below(change, 0) for change in falling)])
    result = ", ".join(f"{name} {in_words(change)} %" for name, change in changes.items())
    result += f"; left out as rate-controlled: {', '.join(controlled)}" if controlled else ""
    table = pd.concat(tables.values())
    reason = because(min(map(len, values.values())), decision, result)
    return Finding(decision, noise, "%", len(table), rows.used(table), reason)


def _percent(log: Interval) -> Interval:
    return Interval(*(100 * math.expm1(value) for value in (log.estimate, log.low, log.high)))


def sensitivity_depends_on_frequency(records: Records) -> Finding:
    """Measure the standard deviation of PSNR over Fourier perturbations, at each codec's point nearest 0.5 bpp.

    PSNR is against the image given, at the severity with the most rows. Supported if the interval for jpeg2000 lies
    above 0.1 dB and that of neural codecs minus jpeg2000 (the effect) lies above 0; refuted if one of them lies on the
    other side.
    """
    rows = rows_of(records)
    waves = rows.table[~rows.table["corruption"].isin([CLEAN, *records.bands])]
    waves = waves[waves["corruption"].str.startswith("fourier_")]
    near = nearest_to(MATCHED_BPP, rows.table)
    waves = at_points(waves, ((codec, point.point) for codec, point in near.items()))
    waves = waves[waves["severity"] == waves["severity"].mode().min()]
    codecs = [codec for codec in dict.fromkeys(waves["codec"]) if records.is_neural(codec) or codec == "jpeg2000"]
    tables = {
        codec: waves[waves["codec"] == codec].pivot_table(index="image", columns="corruption", values="psnr")
        for codec in codecs
    }
    shared = set.intersection(*(set(table.columns) for table in tables.values())) if tables else set()
    if "jpeg2000" not in codecs or len(codecs) < 2 or len(shared) < LEAST_WAVES:
        neural = [codec for codec in rows.codecs() if records.is_neural(codec)] or ["hyperprior-cs"]
        ask = records.measured().heatmap("--codec jpeg2000", *(f"--codec {shlex.quote(codec)}" for codec in neural))
        raise Lacking(
            f"rows under at least {LEAST_WAVES} Fourier perturbations are needed, of jpeg2000 and of a neural codec "
            f"near {MATCHED_BPP} bpp: {ask}"
        )
    names = sorted(shared)
    whole = pd.concat({codec: table[names] for codec, table in tables.items()}, axis=1, join="inner").dropna()
    n = len(whole)
    weights = np.vstack([np.ones(n), bootstrap(n)]) / n if n else np.full((1, 0), np.nan)
    spread = {codec: np.std(weights @ whole[codec].to_numpy(np.float64), axis=1) for codec in codecs}
    own = spread.pop("jpeg2000")
    excess = np.mean(list(spread.values()), axis=0) - own
    base, effect = (interval(float(values[0]), values[1:], n) for values in (own, excess))
    decision = together([above(base, UNEVEN), above(effect, 0)])
    result = (
        f"standard deviation of PSNR over {len(names)} frequencies: {in_words(base, '.2f')} dB for jpeg2000; "
        f"neural codecs minus jpeg2000: {in_words(effect, '+.2f')} dB"
    )
    used = waves[waves["codec"].isin(codecs)]
    return Finding(decision, effect, "dB", len(used), rows.used(used), because(n, decision, result))


def sets_agree(records: Records) -> Finding:
    """Compute Kendall's tau between two sets' rankings by mean BD-rate under corruption, over codecs ranked on both.

    The sets are one with "kodak" and one with "clic" in its name. Supported if tau is at least 0.8, refuted if it is at
    most 0.5.
    """
    rows = records.rows[subjects(records.rows)]
    rows = rows[rows["corruption"].isin([CLEAN, *records.bands])]
    four = "--codec jpeg --codec jpeg2000 --codec webp --codec avif"
    more = "" if rows["codec"].nunique() >= FEWEST_CODECS else four
    ask = records.command("--set kodak --set clic2020-test", more)
    scores: dict[str, dict[str, float]] = {}
    count = 0
    for family in FAMILIES:
        image_set = next((name for name in sorted(set(rows["set"])) if family in name.lower()), "")
        if not image_set:
            raise Lacking(f"rows of a {family} set are needed, under the same corruptions as the other set: {ask}")
        part = rows[rows["set"] == image_set]
        count += len(part)
        try:
            board = rank(part, records.bands)
        except NotComparable as reason:
            raise Lacking(f"{image_set} has no ranking ({reason}): {ask}") from reason
        scores[image_set] = {entry.codec: entry.score for entry in board.entries if entry.rank is not None}
    first, second = scores.values()
    both = [codec for codec in first if codec in second]
    if len(both) < FEWEST_CODECS:
        raise Lacking(f"at least {FEWEST_CODECS} codecs ranked on both sets are needed, and {len(both)} are: {ask}")
    tau = _kendall([first[codec] for codec in both], [second[codec] for codec in both])
    result = "; ".join(f"{name}: {', '.join(sorted(both, key=score.__getitem__))}" for name, score in scores.items())
    effect = Interval(tau, math.nan, math.nan)
    decision = by_size(tau, AGREE, DISAGREE)
    return Finding(
        decision,
        effect,
        "Kendall's tau",
        count,
        f"{' and '.join(scores)}, {len(both)} codecs",
        between(decision, result),
    )


def _kendall(first: Sequence[float], second: Sequence[float]) -> float:
    pairs = list(itertools.combinations(range(len(first)), 2))
    return float(sum(np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]) for i, j in pairs)) / len(pairs)


CLAIMS: Iterable[Claim] = (
    Claim(
        "H9",
        "At a fixed setting the rate rises strongly under noise and falls under blur, fog and contrast.",
        rate_follows_the_shift,
    ),
    Claim(
        "H10",
        "Sensitivity depends on frequency, more so for neural codecs than for JPEG 2000.",
        sensitivity_depends_on_frequency,
    ),
    Claim("H12", "Kodak-C reproduces the ordering of codecs seen on CLIC-C.", sets_agree),
)
