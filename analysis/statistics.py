"""Aggregation rules by name, how sure a number is that rests on so few images, and how bad its worst cases are.

Intervals come from a paired bootstrap over images: a resample draws as many images as there are, with replacement, and
one draw serves every codec, condition and point, so that what is common to the codecs of an image cancels in their
differences. An image is drawn with everything that was measured on it: its conditions are no further evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .distortion import PEAK, psnr

CELL = ["set", "corruption", "severity", "codec", "point"]
RULES = {
    "n": "images measured",
    "n_failed": "images that failed or were skipped",
    "n_lossless": "images that came back unchanged; their PSNR is infinite and in no mean of decibels",
    "bpp_mean": "mean over images of bits per pixel",
    "bpp_corpus": "bits of all images over pixels of all images",
    "psnr_mean": "mean over images of PSNR in dB, without the infinite ones",
    "psnr_of_mse": "PSNR in dB of the mean over images of the mean squared error",
    "ms_ssim_mean": "mean over images of MS-SSIM, without those too small to have one",
    "encode_s": "median over images of the seconds to encode",
    "decode_s": "median over images of the seconds to decode",
}
"""What each column of `summarise` holds; `_clean` columns compare with the clean image, the others with the shown."""


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line per cell of a table of rows (columns as `benchmark.store.read` gives them).

    Columns: set, corruption, severity, codec, point, then those of RULES, with `_clean` variants, then `run`, the runs
    joined by a space. A mean over nothing is NaN.
    """
    ok = rows["status"] == "ok"
    bits, pixels = 8 * rows["nbytes"].astype("float64"), (rows["height"] * rows["width"]).astype("float64")
    flat = rows[[*CELL, "bpp", "encode_s", "decode_s"]].assign(
        ok=ok,
        failed=~ok,
        lossless=np.isposinf(rows["psnr"]),
        bits=bits.where(ok),
        pixels=pixels.where(ok),
        ms_ssim=rows["ms_ssim"],
        ms_ssim_clean=rows["ms_ssim_clean"],
        **{f"{name}_mse": PEAK**2 * 10 ** (-rows[name] / 10) for name in ("psnr", "psnr_clean")},
        **{name: rows[name].where(np.isfinite(rows[name])) for name in ("psnr", "psnr_clean")},
    )
    groups = flat.groupby(CELL, sort=False, observed=True)
    table = groups.agg(
        n=("ok", "sum"),
        n_failed=("failed", "sum"),
        n_lossless=("lossless", "sum"),
        bpp_mean=("bpp", "mean"),
        bits=("bits", "sum"),
        pixels=("pixels", "sum"),
        psnr_mean=("psnr", "mean"),
        psnr_of_mse=("psnr_mse", "mean"),
        ms_ssim_mean=("ms_ssim", "mean"),
        psnr_clean_mean=("psnr_clean", "mean"),
        psnr_clean_of_mse=("psnr_clean_mse", "mean"),
        ms_ssim_clean_mean=("ms_ssim_clean", "mean"),
        encode_s=("encode_s", "median"),
        decode_s=("decode_s", "median"),
    )
    for name in ("psnr_of_mse", "psnr_clean_of_mse"):
        table[name] = psnr(table[name] * 3, 1)  # a mean squared error is a summed one over three samples of one pixel
    table.insert(4, "bpp_corpus", table.pop("bits") / table.pop("pixels").where(table["n"] > 0))
    runs = rows.groupby(CELL, sort=False, observed=True)["run"].agg(lambda ids: " ".join(sorted(set(ids))))
    return table.join(runs).reset_index()


RESAMPLES = 10_000
SEED = 24
"""Of the resamples, unless another is asked for: the same rows give the same intervals."""
CONFIDENCE = 0.95
MINIMUM_IMAGES = 6
"""Under fewer images there is no interval: the spread among so few says too little of the images not seen."""
MOST_LOST = 0.05
"""The share of resamples that may have no value of a number; with more of them it has no interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the ends of its confidence interval; both are NaN where none can be given."""

    estimate: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def margin(self) -> float:
        """Half the width, NaN where there is no interval."""
        return (self.high - self.low) / 2

    def holds(self, value: float = 0.0) -> bool:
        """Say whether the interval contains a value: of a difference that holds 0, the two cannot be told apart."""
        return self.low <= value <= self.high


def bootstrap(images: int, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """Return how often each image is drawn in each resample, shape (resamples, images), rows adding up to `images`.

    Drawn once for a set and used for every codec and condition, which is what pairs them. A mean over the images of a
    resample is `bootstrap(n) @ values / n`.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(images, np.full(images, 1 / images), size=resamples).astype(np.float64)


def levels(images: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the quantiles of the resamples that are the ends of an interval over so many images.

    Between the quantiles (1 - confidence) / 2 from either end lies the percentile interval; it is too narrow for few
    images, because the resamples spread by the deviation with divisor n, and because that is itself an estimate. The
    expanded percentile interval makes up for both: its levels are Phi(-t sqrt(n / (n - 1))) and one less that, with t
    the quantile of Student's distribution of n - 1 degrees of freedom. Of a mean of normal values it is the t interval.
    Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - importing a room is free

    t = float(stdtrit(images - 1, (1 + confidence) / 2))
    low = float(ndtr(-t * math.sqrt(images / (images - 1))))
    return low, 1 - low


def interval(estimate: float, resampled: ArrayLike, images: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a number from its values in the resamples of so many images.

    A resample may have no value, NaN, as where curves that overlap do not do so in it; those are left out. There is no
    interval under MINIMUM_IMAGES images, without an estimate, or where more than MOST_LOST of the resamples are lost.
    """
    every = np.asarray(resampled, np.float64)
    values = every[~np.isnan(every)]
    enough = len(values) and len(every) - len(values) <= MOST_LOST * len(every)
    if images < MINIMUM_IMAGES or not math.isfinite(estimate) or not enough:
        return Interval(estimate, math.nan, math.nan)
    low, high = np.quantile(values, levels(images, confidence))
    return Interval(estimate, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Tail:
    """The worst cases among many, beside their mean.

    `decile` is the value that the worst tenth of the cases reach or exceed; `cvar` the mean of that tenth, the
    conditional value at risk: what to expect when it goes badly. `cases` are those with a value, `lacking` those
    without.
    """

    mean: float
    decile: float
    cvar: float
    cases: int
    lacking: int


def tail(values: ArrayLike, worst: Literal["high", "low"], share: float = 0.1) -> Tail:
    """Return the mean and the worst `share` of values, one per case: "high" or "low" says which end is the bad one.

    The conditional value at risk of a sample takes the worst cases whole and of the last one the part that makes up the
    share: Rockafellar and Uryasev, "Conditional value-at-risk for general loss distributions", Journal of Banking and
    Finance 26(7), 2002, proposition 8. Values that are not finite are cases without a value.
    """
    every = np.asarray(values, np.float64).ravel()
    found = np.sort(every[np.isfinite(every)])
    if worst == "high":
        found = found[::-1]
    lacking = len(every) - len(found)
    if not len(found):
        return Tail(math.nan, math.nan, math.nan, 0, lacking)
    reach = share * len(found)
    parts = np.clip(reach - np.arange(len(found)), 0, 1)
    decile = found[min(math.ceil(reach - 1e-9), len(found)) - 1]
    return Tail(float(found.mean()), float(decile), float(parts @ found / reach), len(found), lacking)
