"""The claim that pruning a neural codec costs little: H6."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import pandas as pd

from ..matched import MATCHED_BPP, at_points
from ..rate import Curve, bd_rate
from ..statistics import Resampled, bootstrap
from .claim import Claim, Finding, Part, because, in_words, judged_together, together
from .families import architecture, are_twins, is_pruned
from .records import Floats, Lacking, Records, mean, per_image, rows_of

CLOSE = 10.0
"""The BD-rate in percent that pruning may cost."""
HURT = -0.2
"""The change in dB that pruning may cost under noise."""
RESAMPLES = 1000
"""Fewer than for other claims: each resample of a BD-rate fits two curves."""


def pruning_costs_little(records: Records) -> Finding:
    """Compare each pruned neural codec ("prun" in its name) with its dense twin.

    The twin has the same architecture, the same width (N, M) and the same loss of training, as the runs state them.
    The effect is PSNR against the clean image under noise, pruned minus dense, each codec at its point nearest 0.5 bpp,
    as a mean over pairs. Supported if the interval of the largest BD-rate of a pair on clean images lies below +10 %
    and that of the effect above -0.2 dB. Refuted if one of them lies on the other side. The intervals hold together
    (Holm).
    """
    rows = rows_of(records)
    high = rows.under(records.noises())
    neural = [codec for codec in rows.codecs() if records.is_neural(codec)]
    pruned = [codec for codec in neural if is_pruned(codec)]
    if not pruned:
        more = "--corruption none --corruption high --codec hyperprior-pruned95-cs"
        raise Lacking("pruned neural codec (prun in its name)", records.command(more))
    twins = [
        (dense, codec)
        for dense, codec in itertools.product(neural, pruned)
        if are_twins(records, dense, codec, is_pruned)
    ]
    if not twins:
        raise Lacking("; ".join(_without_twin(records, codec) for codec in pruned))
    able = [
        (dense, codec)
        for dense, codec in twins
        if all(name in rows.near and (high["codec"] == name).any() for name in (dense, codec))
    ]
    labels = [f"--codec {codec}" for codec in dict.fromkeys(itertools.chain(*twins))]
    command = records.command("--corruption none --corruption high", *labels)
    if not able:
        raise Lacking(
            f"rows of a pruned codec and its dense twin near {MATCHED_BPP} bpp, clean and under noise", command
        )
    rates = {pair: _bd_rates(rows.clean, *pair) for pair in able}
    pairs = [pair for pair in able if np.isfinite(rates[pair].values[0])]
    if not pairs:
        raise Lacking(f"four points that overlap on clean images, of {', '.join(itertools.chain(*able))}", command)
    parts = {
        codec: at_points(high, [(codec, rows.near[codec].point)]) for codec in dict.fromkeys(itertools.chain(*pairs))
    }
    values = {codec: per_image(part, "psnr_clean") for codec, part in parts.items()}
    costs = pd.concat([values[codec] - values[dense] for dense, codec in pairs], axis=1).dropna().mean(axis=1)
    largest = np.max([rates[pair].values for pair in pairs], axis=0)
    images = min(rates[pair].images for pair in pairs)
    judged = judged_together(
        [Part(Resampled(largest, images), "below", CLOSE), Part(mean(costs), "above", HURT)],
    )
    rate, effect = (part.effect for part in judged)
    decision = together(part.decision for part in judged)
    table = pd.concat(parts.values())
    of_pairs = ", ".join(f"{codec} against {dense} {rates[dense, codec].values[0]:+.1f} %" for dense, codec in pairs)
    result = (
        f"BD-rate on clean images: {of_pairs}, the largest {in_words(rate)} %; "
        f"PSNR against the clean image under noise, pruned minus dense: {in_words(effect, '+.2f')} dB"
    )
    reason = because(min(images, len(costs)), decision, result)
    return Finding(decision, effect, "dB", len(table), rows.used(table), reason, codecs=tuple(values))


def _without_twin(records: Records, codec: str) -> str:
    settings = records.settings.get(codec, "").removeprefix("ours, ") or "no stated settings"
    return f"dense twin of {codec} ({architecture(codec)}; {settings})"


def _bd_rates(clean: pd.DataFrame, anchor: str, codec: str) -> Resampled:
    """Return the BD-rate in percent over the images that both codecs share; NaN where curves cannot be compared."""
    tables = {
        name: clean[clean["codec"] == name].pivot_table(index="image", columns="point", values=["bpp", "psnr"])
        for name in (anchor, codec)
    }
    whole = pd.concat(tables, axis=1).dropna()
    images = len(whole)
    if not images:
        return Resampled(np.full(1, np.nan), 0)
    weights = np.vstack([np.ones(images), bootstrap(images, RESAMPLES)]) / images
    means = {
        name: [weights @ whole[name][column].to_numpy(np.float64) for column in ("bpp", "psnr")] for name in tables
    }
    percents = [
        _percent([[column[k] for column in columns] for columns in means.values()]) for k in range(len(weights))
    ]
    return Resampled(np.array(percents), images)


def _percent(curves: Sequence[Sequence[Floats]]) -> float:
    return bd_rate(*(Curve.through(bpp, psnr) for bpp, psnr in curves)).percent


CLAIMS: Iterable[Claim] = (
    Claim(
        "H6",
        "Pruning keeps clean rate-distortion close and does not hurt R under high-band shifts.",
        pruning_costs_little,
        version=2,
        since=date(2026, 11, 27),
    ),
)
