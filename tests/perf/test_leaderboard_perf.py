"""What a leaderboard costs: 10,000 resamples of a full Kodak-C board, and its fit against one in plain SciPy."""

import math
import time
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.ranking import rank
from codecshift.analysis.ranking.contest import Contest, resampled_ratings
from codecshift.analysis.rate import Curve
from codecshift.analysis.statistics import RESAMPLES, bootstrap
from scipy.interpolate import PchipInterpolator

IMAGES, POINTS, CODECS = 24, 11, 12
BANDS = {f"corruption{k}": ("low", "medium", "high")[k % 3] for k in range(15)}


def rows(codecs: int, conditions: list[tuple[str, int]]) -> pd.DataFrame:
    """Return rows of curves as codecs have them: they rise, but for a point out of place now and then."""
    random = np.random.default_rng(1)
    shape = (codecs, len(conditions), POINTS, IMAGES)
    codec, condition, point, image = (axis.ravel() for axis in np.indices(shape))
    cost, hard = random.normal(0, 0.3, IMAGES), random.normal(0, 2.5, IMAGES)
    own = random.normal(0, 0.2, (codecs, len(conditions)))[..., None, None] + random.normal(0, 0.03, shape)
    quality = 26 + 1.8 * point - hard[image] + random.normal(0, 0.2, shape).ravel()
    quality += random.normal(0, 0.4, shape[:3])[codec, condition, point]
    return pd.DataFrame(
        {
            "set": "kodak",
            "corruption": np.array([name for name, _ in conditions])[condition],
            "severity": np.array([severity for _, severity in conditions])[condition],
            "codec": np.array([f"codec{k}" for k in range(codecs)])[codec],
            "point": np.array([f"p{k:02}" for k in range(POINTS)])[point],
            "image": np.array([f"kodim{k:02}" for k in range(IMAGES)])[image],
            "bpp": np.exp(-2.2 + 0.37 * point + cost[image] + own.ravel()),
            "psnr": quality,
            "psnr_clean": quality - 3,
            "ms_ssim": 1 - 10 ** (-quality / 20),
            "status": "ok",
        }
    )


@pytest.fixture
def kodak_c(benchmark) -> pd.DataFrame:
    """Return the rows of twelve codecs under fifteen corruptions at five severities; less when not measured."""
    severities = range(1, 6) if benchmark.enabled else (3,)
    conditions = [("none", 0), *((name, severity) for name in BANDS for severity in severities)]
    return rows(CODECS if benchmark.enabled else 2, conditions if benchmark.enabled else conditions[:3])


def test_a_full_leaderboard_with_intervals(kodak_c: pd.DataFrame, benchmark) -> None:
    resamples = RESAMPLES if benchmark.enabled else 50
    start = time.process_time()
    board = benchmark.pedantic(rank, args=(kodak_c, BANDS), kwargs={"resamples": resamples}, rounds=1)
    benchmark.extra_info["seconds of all cores together"] = round(time.process_time() - start, 1)
    assert all(math.isfinite(entry.score_low) for entry in board.entries)


def test_the_leaderboard_itself(kodak_c: pd.DataFrame, benchmark) -> None:
    board = benchmark.pedantic(rank, args=(kodak_c, BANDS), rounds=1)
    assert len(board.entries) == kodak_c["codec"].nunique()


@pytest.fixture
def compared() -> Contest:
    """Return twelve codecs under one condition."""
    random = np.random.default_rng(2)
    cost, point = random.normal(0, 0.3, IMAGES), np.tile(np.arange(POINTS), CODECS)[:, None]
    bpp = np.exp(-2.2 + 0.37 * point + cost + 0.05 * random.normal(size=(CODECS * POINTS, IMAGES)))
    quality = 26 + 1.8 * point + random.normal(0, 0.2, (CODECS * POINTS, IMAGES))
    names = tuple(f"codec{k}" for k in range(CODECS))
    starts = np.arange(CODECS + 1) * POINTS
    return Contest(("fog", 3), names, np.ones(IMAGES, bool), IMAGES, bpp, quality, starts, {})


def plainly(compared: Contest, draw: np.ndarray) -> np.ndarray:
    """Return the ratings of one resample by SciPy's interpolator and NumPy's least squares."""
    bpp, quality = (table @ draw / draw.sum() for table in (compared.bpp, compared.quality))
    curves = [Curve.through(bpp[compared.points(codec)], quality[compared.points(codec)]) for codec in compared.codecs]
    splines = [PchipInterpolator(curve.quality, np.log(curve.bpp)) for curve in curves]
    matrix, right = [np.ones(CODECS)], [0.0]
    for i, j in combinations(range(CODECS), 2):
        low, high = (end(curves[i].quality[k], curves[j].quality[k]) for end, k in ((max, 0), (min, -1)))
        root = math.sqrt((high - low) / min(np.ptp(curves[k].quality) for k in (i, j)))
        matrix.append(root * (np.eye(CODECS)[i] - np.eye(CODECS)[j]))
        right.append(root * (splines[i].integrate(low, high) - splines[j].integrate(low, high)) / (high - low))
    return np.linalg.lstsq(np.array(matrix), np.array(right), rcond=None)[0]


def test_the_kernel_is_a_hundred_times_as_fast_as_scipy(compared: Contest, benchmark) -> None:
    draws = bootstrap(IMAGES, 500 if benchmark.enabled else 3)
    expected = plainly(compared, draws[0])
    np.testing.assert_allclose(resampled_ratings(compared, "psnr", draws)[0], expected, atol=1e-9)  # compiles it too
    start = time.process_time()
    for draw in draws[:3]:
        plainly(compared, draw)
    plain = (time.process_time() - start) / 3
    start = time.process_time()
    benchmark.pedantic(resampled_ratings, args=(compared, "psnr", draws), rounds=1)
    ratio = plain / ((time.process_time() - start) / len(draws))
    benchmark.extra_info["times as fast as SciPy"] = round(ratio)
    assert ratio > 100 or not benchmark.enabled
