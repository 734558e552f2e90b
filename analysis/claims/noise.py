"""Claims about what codecs do to noise: H4, H5 and H6."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ..matched import MATCHED_BPP, at_points
from ..rate import BdRate, Curve, bd_rate
from ..statistics import Interval, bootstrap, interval
from .claim import Claim, Decision, Finding, above, because, below, in_words, together
from .records import Floats, Lacking, Records, Rows, mean, per_image, rows_of

MATCHED_PSNR = 32.0
"""The PSNR in dB on clean images near which codecs are compared at equal quality."""
NEAR_PSNR = 1.5
"""How far from MATCHED_PSNR a codec's point may be, in dB."""
TO_DIFFER = 5.0
"""The difference in the share of noise kept, in percentage points, from which codecs differ."""
CLOSE = 10.0
"""The BD-rate in percent that pruning may cost."""
HURT = -0.2
"""The change in dB that pruning may cost under noise."""


def noise_is_removed(records: Records) -> Finding:
    """Compare PSNR under noise, at each codec's point nearest 0.5 bpp on clean images, with three references.

    The differences are means over codecs, noises and severities: (1) the effect, PSNR against the clean image minus
    the PSNR of the noisy image itself; (2) PSNR against the clean image minus the same at the codec's highest rate,
    which must be at least twice as high; (3) PSNR against the image given minus PSNR on clean images. Supported if the
    intervals of (1) and (2) lie above 0 and that of (3) below 0; refuted if one of them lies on the other side.
    """
    rows = rows_of(records)
    noisy = rows.under(records.noises())
    if noisy.empty:
        raise Lacking(f"rows under noise are needed: {records.command('--corruption none --corruption high')}")
    if noisy["uncompressed"].isna().all():
        ask = records.command("--corruption none --corruption high --codec identity")
        raise Lacking(f"the PSNR of the noisy images themselves is needed: {ask}")
    highest = _highest(rows, noisy)
    if not highest:
        ask = records.command("--corruption none --corruption high --codec jpeg --codec jpeg2000")
        raise Lacking(f"a codec is needed with points near {MATCHED_BPP} bpp and at twice that rate or more: {ask}")
    noisy = noisy.assign(gain=noisy["psnr_clean"] - noisy["uncompressed"])
    matched = [(codec, rows.near[codec].point) for codec in highest]
    at_low, at_high = at_points(noisy, matched), at_points(noisy, highest.items())
    at_clean = at_points(rows.clean, matched)
    gain = per_image(at_low, "gain")
    effect = mean(gain)
    more = mean(gain - per_image(at_high, "gain"))
    fall = mean(per_image(at_low, "psnr") - per_image(at_clean, "psnr"))
    decision = together([above(effect, 0), above(more, 0), below(fall, 0)])
    table = pd.concat([at_low, at_high, at_clean])
    result = (
        f"PSNR against the clean image, minus that of the noisy image: {in_words(effect)} dB, minus that at the "
        f"highest rates: {in_words(more)} dB; PSNR against the image given, minus PSNR on clean images: "
        f"{in_words(fall)} dB"
    )
    return Finding(decision, effect, "dB", len(table), rows.used(table), because(len(gain), decision, result))


def _highest(rows: Rows, noisy: pd.DataFrame) -> dict[str, str]:
    """Return each codec's point of highest rate, if it has a point near the matched rate and one at twice that rate."""
    rates = rows.clean.groupby(["codec", "point"])["bpp"].mean()
    highest = {}
    for codec, near in rows.near.items():
        by_point = rates[codec]
        if by_point.max() >= 2 * near.bpp and (noisy["codec"] == codec).any():
            highest[codec] = str(by_point.idxmax())
    return highest


def noise_is_kept_differently(records: Records) -> Finding:
    """Compare the share of the noise's squared error that codecs keep, (R - D) / shift, over all noises and severities.

    The effect is the share of neural codecs minus that of classical codecs, each codec at its point nearest 0.5 bpp on
    clean images. Supported if its interval lies beyond 5 percentage points on either side, and the codecs rank in
    another order at their points nearest 32 dB. Refuted if the interval lies within 5 points, or the order is the same.
    """
    rows = rows_of(records)
    noisy = rows.under(records.noises())
    noisy = noisy[noisy[["D", "R", "shift"]].notna().all(axis=1)]
    by_rate = {codec: near.point for codec, near in rows.near.items()}
    by_quality = _nearest_quality(rows.clean)
    codecs = [codec for codec in by_rate if codec in by_quality and (noisy["codec"] == codec).any()]
    neural = [codec for codec in codecs if records.is_neural(codec)]
    if not neural or len(neural) == len(codecs):
        raise _lacking_of_two_kinds(records, rows, [codec for codec in by_rate if codec in by_quality])
    points = {(codec, chosen[codec]) for codec in codecs for chosen in (by_rate, by_quality)}
    table = at_points(noisy, points)
    images = list(per_image(table, "R").index)
    weights = np.vstack([np.ones(len(images)), bootstrap(len(images))]) if images else np.ones((1, 0))
    kept = {point: 100 * _kept(at_points(table, [point]), images, weights) for point in points}
    means = [
        np.mean([kept[codec, by_rate[codec]] for codec in codecs if (codec in neural) == is_neural], axis=0)
        for is_neural in (True, False)
    ]
    difference = means[0] - means[1]
    effect = interval(float(difference[0]), difference[1:], len(images))
    orders = [
        [codec for _, codec in sorted((float(kept[codec, chosen[codec]][0]), codec) for codec in codecs)]
        for chosen in (by_rate, by_quality)
    ]
    decision = together([_beyond(effect, TO_DIFFER), "supported" if orders[0] != orders[1] else "refuted"])
    result = (
        f"share of the noise kept, neural minus classical codecs: {in_words(effect)} percentage points; order from "
        f"least to most noise kept, at equal rate: {', '.join(orders[0])}; at equal quality: {', '.join(orders[1])}"
    )
    reason = because(len(images), decision, result)
    return Finding(decision, effect, "percentage points of the noise", len(table), rows.used(table), reason)


def _lacking_of_two_kinds(records: Records, rows: Rows, near: Sequence[str]) -> Lacking:
    """Return what is missing of a neural and a classical codec under noise.

    `near` lists the codecs that have a point near the matched rate and one near the matched quality.
    """
    noisy = rows.under(records.noises())
    lacking, codecs = [], []
    for kind, default in (("neural", "hyperprior-cs"), ("classical", "jpeg")):
        present = [codec for codec in rows.codecs() if records.is_neural(codec) == (kind == "neural")]
        able = [codec for codec in present if codec in near]
        if not able:
            unsuitable = f" (missing for {', '.join(present)})" if present else ""
            points = f"points near {MATCHED_BPP} bpp and near {MATCHED_PSNR:g} dB"
            lacking.append(f"a {kind} codec with {points}{unsuitable}")
            codecs.append(present[0] if present else default)
        elif not noisy["codec"].isin(able).any():
            lacking.append(f"rows of {able[0]} under noise")
            codecs.append(able[0])
    if noisy["shift"].isna().all():
        lacking.append("the squared error of the noise itself, which measuring another codec adds")
        codecs.append("identity")
    ask = records.command("--corruption none --corruption high", *(f"--codec {shlex.quote(codec)}" for codec in codecs))
    return Lacking(f"needed: {'; '.join(lacking)}: {ask}")


def _nearest_quality(clean: pd.DataFrame) -> dict[str, str]:
    """Return each codec's point nearest MATCHED_PSNR, where that is within NEAR_PSNR."""
    quality = clean.groupby(["codec", "point"], sort=False)["psnr"].mean()
    off = (quality - MATCHED_PSNR).abs()
    codecs = dict.fromkeys(clean["codec"])
    return {str(codec): str(off[codec].idxmin()) for codec in codecs if off[codec].min() <= NEAR_PSNR}


def _kept(table: pd.DataFrame, images: Sequence[str], weights: Floats) -> Floats:
    """Return the share of noise that one point keeps, in all images and in each resample of them."""
    sums = table.assign(kept=table["R"] - table["D"]).groupby("image")[["kept", "shift"]].sum().loc[list(images)]
    kept, shift = sums.to_numpy(np.float64).T
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ kept) / (weights @ shift), np.float64)


def _beyond(effect: Interval, size: float) -> Decision:
    """Decide whether the magnitude of an effect exceeds a size by its interval."""
    if effect.low > size or effect.high < -size:
        return "supported"
    return "refuted" if effect.low > -size and effect.high < size else "undecided"


def pruning_costs_little(records: Records) -> Finding:
    """Compare each pruned neural codec ("prun" in its name) with the unpruned codec of the same architecture.

    The effect is PSNR against the clean image under noise, pruned minus unpruned, each codec at its point nearest
    0.5 bpp, as a mean over pairs. Supported if the BD-rate on clean images is at most +10 % for every pair and the
    interval of the effect lies above -0.2 dB. Refuted if one of the two is on the other side.
    """
    rows = rows_of(records)
    high = rows.under(records.noises())
    able = [name for name in rows.near if records.is_neural(name) and (high["codec"] == name).any()]
    pairs = [
        (base, pruned)
        for base, pruned in itertools.permutations(able, 2)
        if _is_pruned(pruned) and not _is_pruned(base) and _base(base) == _base(pruned)
    ]
    command = records.command("--corruption none --corruption high --codec ARCH@FOLDER --codec ARCH@PRUNED-FOLDER")
    if not pairs:
        raise Lacking(
            f"rows under noise and near {MATCHED_BPP} bpp are needed of a pruned neural codec ('prun' in its name) and "
            f"of an unpruned one of the same architecture: {command}"
        )
    rates = {pair: _bd_rate(rows.clean, *pair) for pair in pairs}
    pairs = [pair for pair in pairs if not rates[pair].reason]
    if not pairs:
        why = "; ".join(f"{pruned}: {rate.reason}" for (_, pruned), rate in rates.items())
        raise Lacking(f"a BD-rate on clean images is needed, with four checkpoints in each folder ({why}): {command}")
    parts = {
        codec: at_points(high, [(codec, rows.near[codec].point)]) for codec in dict.fromkeys(itertools.chain(*pairs))
    }
    values = {codec: per_image(part, "psnr_clean") for codec, part in parts.items()}
    costs = pd.concat([values[pruned] - values[base] for base, pruned in pairs], axis=1).dropna().mean(axis=1)
    effect = mean(costs)
    percents = [rates[pair].percent for pair in pairs]
    decision = together(["supported" if max(percents) <= CLOSE else "refuted", above(effect, HURT)])
    table = pd.concat(parts.values())
    costs_of_rate = ", ".join(f"{percent:+.1f}" for percent in percents)
    result = (
        f"BD-rate on clean images, pruned against unpruned: {costs_of_rate} %; "
        f"PSNR against the clean image under noise, pruned minus unpruned: {in_words(effect, '+.2f')} dB"
    )
    return Finding(decision, effect, "dB", len(table), rows.used(table), because(len(costs), decision, result))


def _is_pruned(codec: str) -> bool:
    return "prun" in codec.lower()


def _base(codec: str) -> str:
    """Return the architecture of a codec, pruned or not; for our own codecs, the family.

    >>> _base("bmshj2018-hyperprior@pruned95"), _base("hyperprior-pruned95-cs")
    ('bmshj2018-hyperprior', 'hyperprior-cs')
    """
    return re.sub(r"-pruned\d*", "", codec.partition("@")[0])


def _bd_rate(clean: pd.DataFrame, anchor: str, codec: str) -> BdRate:
    means = clean.groupby(["codec", "point"])[["bpp", "psnr"]].mean()
    return bd_rate(*(Curve.through(*means.loc[name].to_numpy().T) for name in (anchor, codec)))


CLAIMS: Iterable[Claim] = (
    Claim(
        "H4",
        "Under noise PSNR falls, but PSNR against the clean image exceeds that of the noisy image itself, more so at "
        "low rate.",
        noise_is_removed,
    ),
    Claim(
        "H5",
        "Classical and neural codecs differ in how much noise they keep, and their ranking depends on whether rate or "
        "quality is matched.",
        noise_is_kept_differently,
    ),
    Claim(
        "H6",
        "Pruning keeps clean rate-distortion close and does not hurt R under high-band shifts.",
        pruning_costs_little,
    ),
)
