"""Means per cell, confidence intervals over images, and worst cases.

Intervals come from a paired bootstrap over images. A resample draws as many images as there are, with replacement. One
draw serves every codec, condition and point, so that an image's effect on all codecs cancels in their differences. An
image is drawn with all of its rows, because conditions of one image are not independent evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .distortion import mean_squared_error, psnr_of_mse

CELL = ["set", "corruption", "severity", "codec", "point"]


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line per cell of a table of rows (columns as `benchmark.store.read` gives them).

    Columns: set, corruption, severity, codec, point; the numbers of images measured (`n`), failed or skipped
    (`n_failed`) and returned unchanged (`n_lossless`); `bpp_mean` over images, and `bpp_corpus`, the bits of all images
    over their pixels; `psnr_mean` over images without infinite values, `psnr_of_mse`, the PSNR of the mean squared
    error, and `ms_ssim_mean`; the same three against the clean image, with `_clean`; the medians `encode_s` and
    `decode_s` in seconds; `run`, the runs joined by a space. A mean over nothing is NaN.
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
        **{f"{name}_mse": mean_squared_error(rows[name]) for name in ("psnr", "psnr_clean")},
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
        table[name] = psnr_of_mse(table[name])
    table.insert(4, "bpp_corpus", table.pop("bits") / table.pop("pixels").where(table["n"] > 0))
    runs = rows.groupby(CELL, sort=False, observed=True)["run"].agg(lambda ids: " ".join(sorted(set(ids))))
    return table.join(runs).reset_index()


def finite_mean(values: Iterable[float]) -> float:
    """Return the mean of the finite values, NaN if there are none."""
    every = np.asarray(list(values), np.float64)
    finite = every[np.isfinite(every)]
    return math.fsum(finite) / len(finite) if len(finite) else math.nan


RESAMPLES = 10_000
SEED = 24
"""The default seed of the resamples: the same rows give the same intervals."""
CONFIDENCE = 0.95
MINIMUM_IMAGES = 6
"""The fewest images for an interval: the spread of fewer says too little about other images."""
MOST_LOST = 0.05
"""The largest share of resamples without a value that still gives an interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its confidence interval; both ends are NaN if there is no interval."""

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
        """Return whether the interval contains a value; a difference whose interval contains 0 may be zero."""
        return self.low <= value <= self.high


def bootstrap(images: int, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """Return how often each image is drawn in each resample, shape (resamples, images), rows adding up to `images`.

    One draw is used for every codec and condition of a set, which pairs them. A mean over the images of a resample is
    `bootstrap(n) @ values / n`.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(images, np.full(images, 1 / images), size=resamples).astype(np.float64)


def levels(images: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the quantiles of the resamples at which an interval over that many images ends.

    The percentile interval lies between the quantiles (1 - confidence) / 2 from either end. It is too narrow for few
    images: the resamples spread by the standard deviation with divisor n, and that deviation is itself an estimate. The
    expanded percentile interval corrects both. Its levels are Phi(-t sqrt(n / (n - 1))) and 1 minus that, with t the
    quantile of Student's distribution of n - 1 degrees of freedom. For a mean of normal values it is the t interval.
    Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015.
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - importing a room is free

    t = float(stdtrit(images - 1, (1 + confidence) / 2))
    low = float(ndtr(-t * math.sqrt(images / (images - 1))))
    return low, 1 - low


def expanded(critical: float, images: int) -> float:
    """Return a critical value of resampled differences over their standard deviation, corrected for few images.

    The correction is that of `levels`: the value is replaced by the quantile of Student's distribution at the same
    probability, times sqrt(n / (n - 1)).
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - importing a room is free

    return -float(stdtrit(images - 1, ndtr(-critical))) * math.sqrt(images / (images - 1))


def interval(estimate: float, resampled: ArrayLike, images: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of a number from its values in the resamples of that many images.

    A resample without a value is NaN, e.g. if two curves do not overlap in it, and is left out. There is no interval
    with fewer than MINIMUM_IMAGES images, without an estimate, or if more than MOST_LOST of the resamples are left out.
    """
    every = np.asarray(resampled, np.float64)
    values = every[~np.isnan(every)]
    enough = len(values) and len(every) - len(values) <= MOST_LOST * len(every)
    if images < MINIMUM_IMAGES or not math.isfinite(estimate) or not enough:
        return Interval(estimate, math.nan, math.nan)
    low, high = np.quantile(values, levels(images, confidence))
    return Interval(estimate, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Resampled:
    """A number over some images: `values` holds it for all of them, then for each resample of them."""

    values: NDArray[np.float64]
    images: int

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the number with its confidence interval."""
        return interval(float(self.values[0]), self.values[1:], self.images, confidence=confidence)


@dataclass(frozen=True, slots=True)
class Tail:
    """The worst cases among many, beside their mean.

    `decile` is the value that the worst tenth of the cases reach or exceed; `cvar` the mean of that tenth, the
    conditional value at risk: what to expect when it goes badly. `cases` is the number of cases with a value, `lacking`
    the number without.
    """

    mean: float
    decile: float
    cvar: float
    cases: int
    lacking: int


def tail(values: ArrayLike, worst: Literal["high", "low"], share: float = 0.1) -> Tail:
    """Return the mean and the worst `share` of values, one per case: "high" or "low" says which end is the bad one.

    The conditional value at risk of a sample averages the worst cases; the last one has a smaller weight, so that the
    weights add up to the share: Rockafellar and Uryasev, "Conditional value-at-risk for general loss distributions",
    Journal of Banking and Finance 26(7), 2002, proposition 8. Values that are not finite are cases without a value.
    """
    every = np.asarray(values, np.float64).ravel()
    cases = np.sort(every[np.isfinite(every)])
    if worst == "high":
        cases = cases[::-1]
    lacking = len(every) - len(cases)
    if not len(cases):
        return Tail(math.nan, math.nan, math.nan, 0, lacking)
    reach = share * len(cases)
    parts = np.clip(reach - np.arange(len(cases)), 0, 1)
    decile = cases[min(math.ceil(reach - 1e-9), len(cases)) - 1]
    return Tail(float(cases.mean()), float(decile), float(parts @ cases / reach), len(cases), lacking)
