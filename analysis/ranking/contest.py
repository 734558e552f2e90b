"""Which codecs and images are compared under a condition, and the least-squares ratings that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..conditions import Condition
from ..measures.table import find
from ..rate import Curve
from .ladders import Floats, Ladders, Mask, Quality

LEAST_DECIBELS = 0.5
"""The shortest shared range, in dB, over which two curves are compared."""
LEAST_SHARE = 0.05
"""The same for measures that are not in dB, as a share of the shorter curve's range."""

NO_ROWS = "not measured"
NO_CURVE = "fewer than two lossy points"
LOSSLESS = "lossless, apart from the ranking"
OTHER_IMAGES = "measured on fewer than half of the images"
NO_IMAGE = "no image coded at every point"
NO_SHARED = "no shared quality"


@dataclass(frozen=True, slots=True)
class Contest:
    """The codecs compared under one condition, on the images that all of them coded.

    `bpp` and `quality` have shape (points, images): the curve points of all codecs, those of codec k at
    `starts[k]:starts[k + 1]`, over the common `images`. `measured` is how many images there would be without failures.
    `absent` says why a codec takes no part.
    """

    condition: Condition
    codecs: tuple[str, ...]
    images: Mask
    measured: int
    bpp: Floats
    quality: Floats
    starts: NDArray[np.intp]
    absent: Mapping[str, str]

    def points(self, codec: str) -> slice:
        """Return the places of a codec's points."""
        k = self.codecs.index(codec)
        return slice(int(self.starts[k]), int(self.starts[k + 1]))


def contest(ladders: Ladders, codecs: Sequence[str], condition: Condition) -> Contest:
    """Return the comparison of some codecs under one condition.

    An image is compared if at least half of the codecs with a curve were measured on it. A codec that was measured on
    fewer than half of these images takes no part, so that a few rows of one codec take no images from the others. Of
    the rest, the common images are those that every codec coded at each of its curve points.
    """
    absent: dict[str, str] = {}
    able = []
    for codec in codecs:
        ladder = ladders.of(codec, condition)
        if not ladder.measured.any():
            absent[codec] = NO_ROWS
        elif ladder.curve.sum() < 2:
            absent[codec] = NO_CURVE
        elif not ladder.complete(ladder.curve).any():
            absent[codec] = NO_IMAGE
        else:
            able.append(codec)
    measured = np.array([ladders.of(codec, condition).measured for codec in able], np.bool_)
    measured = measured.reshape(-1, len(ladders.images))
    images = 2 * measured.sum(axis=0) >= max(len(able), 1)
    enough = 2 * (measured & images).sum(axis=1) >= images.sum()
    absent |= {codec: OTHER_IMAGES for codec, is_enough in zip(able, enough, strict=True) if not is_enough}
    able = [codec for codec in able if codec not in absent]
    tables = [ladders.of(codec, condition) for codec in able]
    common = images.copy()
    for table in tables:
        common &= table.complete(table.curve)
    if not common.any():
        absent |= dict.fromkeys(able, NO_IMAGE)
        able, tables = [], []
    empty = np.empty((0, int(common.sum())))
    return Contest(
        condition=condition,
        codecs=tuple(able),
        images=common,
        measured=int(images.sum()),
        bpp=np.concatenate([empty, *(table.bpp[table.curve][:, common] for table in tables)]),
        quality=np.concatenate([empty, *(table.quality[table.curve][:, common] for table in tables)]),
        starts=np.cumsum([0, *(int(table.curve.sum()) for table in tables)]).astype(np.intp),
        absent=absent,
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """The ratings of the codecs under one condition, and what they were fitted to.

    `ratios` and `weights` have shape (codecs, codecs): for each pair, the mean difference in log rate over the shared
    qualities, NaN if not comparable, and its weight. `ratings` are log rates whose sum is 0; NaN for a codec that is
    not connected to the largest set of codecs that share quality. `inconsistency` is the root of the share of the
    weighted sum of squared ratios that the ratings leave unexplained, from 0 (differences add up) to 1.
    """

    codecs: tuple[str, ...]
    ratios: Floats
    weights: Floats
    ratings: Floats
    inconsistency: float


def fit(compared: Contest, measure: Quality) -> Fit:
    """Return the ratings over all common images: `kernel.compare`, `kernel.component` and `kernel.solve`."""
    from . import kernel  # noqa: PLC0415 - commands that do not rank start without Numba

    codecs = len(compared.codecs)
    ratios, weights, ratings = np.full((codecs, codecs), np.nan), np.zeros((codecs, codecs)), np.full(codecs, np.nan)
    if not codecs:
        return Fit(compared.codecs, ratios, weights, ratings, math.nan)
    bpp, quality = compared.bpp.mean(axis=1), compared.quality.mean(axis=1)
    member = np.zeros(codecs, np.bool_)
    kernel.compare(bpp, quality, compared.starts, *_shortest(measure), ratios, weights, np.empty((4, len(bpp))))
    kernel.component(weights, member)
    kernel.solve(ratios, weights, member, ratings)
    pairs = np.outer(member, member) & (weights > 0)
    residuals = (ratios - np.subtract.outer(ratings, ratings))[pairs]
    total = float(weights[pairs] @ ratios[pairs] ** 2)
    unexplained = math.sqrt(float(weights[pairs] @ residuals**2) / total) if total > 0 else 0.0
    return Fit(compared.codecs, ratios, weights, ratings, unexplained)


BLOCK = 1000
"""Resamples computed at a time: few enough for their means to stay in a core's cache."""


def resampled_ratings(compared: Contest, measure: Quality, draws: Floats) -> Floats:
    """Return the ratings in every resample, shape (resamples, codecs), NaN as in `Fit`.

    `draws` of shape (resamples, images) says how often each of the set's images is drawn, as from
    `statistics.bootstrap`; only the common images count.
    """
    from . import kernel  # noqa: PLC0415

    ratings = np.full((len(draws), len(compared.codecs)), np.nan)
    if not compared.codecs:
        return ratings
    # Points in the order of their rate are sorted fastest.
    order = np.concatenate(
        [
            start + np.argsort(compared.bpp[start:end].mean(axis=1), kind="stable")
            for start, end in zip(compared.starts[:-1], compared.starts[1:], strict=True)
        ]
    )
    bpp, quality = compared.bpp[order].T.copy(), compared.quality[order].T.copy()
    for first in range(0, len(draws), BLOCK):
        part = draws[first : first + BLOCK, compared.images]
        with np.errstate(invalid="ignore"):  # a resample without any common image has no ratings
            shares = part / part.sum(axis=1, keepdims=True)
        block = ratings[first : first + BLOCK]
        kernel.rate_all(shares @ bpp, shares @ quality, compared.starts, *_shortest(measure), block)
    return ratings


def _shortest(measure: Quality) -> tuple[float, float]:
    """Return the shortest shared range over which curves are compared: absolute, and as a share of the shorter."""
    return (LEAST_DECIBELS, 0.0) if find(measure).in_decibels else (0.0, LEAST_SHARE)


def coverages(compared: Contest) -> dict[str, float]:
    """Return which share of the condition's quality range each codec's curve covers.

    The range is from the 10th to the 90th percentile of the points on all curves. Where it is empty, e.g. with a single
    point, the coverage is 1.
    """
    bpp, quality = compared.bpp.mean(axis=1), compared.quality.mean(axis=1)
    places = {codec: compared.points(codec) for codec in compared.codecs}
    # Points off the frontier count nowhere: an encoder that has nothing left to spend repeats its best quality.
    curves = {codec: Curve.through(bpp[place], quality[place]).quality for codec, place in places.items()}
    low, high = np.percentile(np.concatenate(list(curves.values())), (10, 90)) if curves else (0.0, 0.0)
    covered = {}
    for codec, own in curves.items():
        shared = min(own.max(), high) - max(own.min(), low)
        covered[codec] = float(np.clip(shared / (high - low), 0, 1)) if high > low else 1.0
    return covered
