"""Claims about rates and single frequencies: H9 and H10."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from ..conditions import CLEAN
from ..matched import MATCHED_BPP, at_points, nearest_to
from ..statistics import Resampled, bootstrap
from .claim import Claim, Finding, Part, because, in_words, judged_together, together
from .records import Lacking, Records, mean, per_image, rows_of

STRONG = 20.0
"""The rise of the rate in percent that counts as strong."""
CONTROLLED = 0.05
"""A codec is rate-controlled if its rate at one setting varies by less than this (deviation over mean)."""
LEAST_WAVES = 16
UNEVEN = 0.1
"""The standard deviation of PSNR over frequencies, in dB, above which PSNR depends on frequency."""


def rate_follows_the_shift(records: Records) -> Finding:
    """Measure the change of bpp from clean to corrupted images at one setting: geometric mean over settings and images.

    Rate-controlled codecs are left out: those whose rate varies by less than 5 % over clean images (standard deviation
    over mean) at half of their points. Supported if the interval under noise (the effect) lies above +20 % and the
    intervals under blur, fog and contrast lie below 0; refuted if one of them lies on the other side. The intervals
    hold together (Holm).
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
        raise Lacking(f"rows under {', '.join(lacking)} of a codec that is not rate-controlled", ask)
    values = {name: per_image(table, "log") for name, table in tables.items()}
    changes = {name: _percent(mean(value)) for name, value in values.items()}
    parts = judged_together(
        [
            Part(change, "above", STRONG) if name == "noise" else Part(change, "below", 0)
            for name, change in changes.items()
        ]
    )
    decision = together(part.decision for part in parts)
    result = ", ".join(f"{name} {in_words(part.effect)} %" for name, part in zip(changes, parts, strict=True))
    result += f"; left out as rate-controlled: {', '.join(controlled)}" if controlled else ""
    table = pd.concat(tables.values())
    reason = because(min(map(len, values.values())), decision, result)
    codecs = tuple(dict.fromkeys(table["codec"]))
    return Finding(decision, parts[0].effect, "%", len(table), rows.used(table), reason, codecs=codecs)


def _percent(log: Resampled) -> Resampled:
    return Resampled(np.asarray(100 * np.expm1(log.values), np.float64), log.images)


def sensitivity_depends_on_frequency(records: Records) -> Finding:
    """Measure the standard deviation of PSNR over Fourier perturbations, at each codec's point nearest 0.5 bpp.

    PSNR is against the image given, at the severity with the most rows. Supported if the interval for jpeg2000 lies
    above 0.1 dB and that of neural codecs minus jpeg2000 (the effect) lies above 0; refuted if one of them lies on the
    other side. The intervals hold together (Holm).
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
        missing = f"rows under {LEAST_WAVES} Fourier perturbations of jpeg2000 and a neural codec"
        raise Lacking(f"{missing} near {MATCHED_BPP} bpp", ask)
    names = sorted(shared)
    whole = pd.concat({codec: table[names] for codec, table in tables.items()}, axis=1, join="inner").dropna()
    n = len(whole)
    weights = np.vstack([np.ones(n), bootstrap(n)]) / n if n else np.full((1, 0), np.nan)
    spread = {codec: np.std(weights @ whole[codec].to_numpy(np.float64), axis=1) for codec in codecs}
    own = spread.pop("jpeg2000")
    excess = np.mean(list(spread.values()), axis=0) - own
    parts = judged_together([Part(Resampled(own, n), "above", UNEVEN), Part(Resampled(excess, n), "above", 0)])
    base, effect = (part.effect for part in parts)
    decision = together(part.decision for part in parts)
    result = (
        f"standard deviation of PSNR over {len(names)} frequencies: {in_words(base, '.2f')} dB for jpeg2000; "
        f"neural codecs minus jpeg2000: {in_words(effect, '+.2f')} dB"
    )
    used = waves[waves["codec"].isin(codecs)]
    reason = because(n, decision, result)
    return Finding(decision, effect, "dB", len(used), rows.used(used), reason, codecs=tuple(codecs))


CLAIMS: Iterable[Claim] = (
    Claim(
        "H9",
        "At a fixed setting the rate rises strongly under noise and falls under blur, fog and contrast.",
        rate_follows_the_shift,
        version=2,
        since=date(2026, 11, 27),
    ),
    Claim(
        "H10",
        "Sensitivity depends on frequency, more so for neural codecs than for JPEG 2000.",
        sensitivity_depends_on_frequency,
        version=2,
        since=date(2026, 11, 27),
    ),
)
