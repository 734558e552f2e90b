"""What intervals cost: 10,000 resamples of a full Kodak-C leaderboard, and BD-rates of ours against the library's."""

import math
import time
import warnings

import bjontegaard
import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.ranking import intervals, rank
from codecshift.analysis.ranking.curves import Curves, bd_rates
from codecshift.analysis.statistics import RESAMPLES

IMAGES, POINTS = 24, 11
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
    """Return the rows of ten codecs under fifteen corruptions at five severities; less when not measured."""
    severities = range(1, 6) if benchmark.enabled else (3,)
    conditions = [("none", 0), *((name, severity) for name in BANDS for severity in severities)]
    return rows(10 if benchmark.enabled else 2, conditions if benchmark.enabled else conditions[:3])


def test_intervals_of_a_full_leaderboard(kodak_c: pd.DataFrame, benchmark) -> None:
    resamples = RESAMPLES if benchmark.enabled else 50
    board = rank(kodak_c, BANDS)
    start = time.process_time()
    found = benchmark.pedantic(intervals, args=(kodak_c, BANDS, board), kwargs={"resamples": resamples}, rounds=1)
    benchmark.extra_info["seconds of all cores together"] = round(time.process_time() - start, 1)
    benchmark.extra_info["BD-rates"] = resamples * len(board.bd_rates)
    assert all(found.numbers[entry.codec]["score"].known for entry in board.entries)


def test_the_leaderboard_itself(kodak_c: pd.DataFrame, benchmark) -> None:
    board = benchmark.pedantic(rank, args=(kodak_c, BANDS), rounds=1)
    assert len(board.entries) == kodak_c["codec"].nunique()


@pytest.fixture
def curves() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return bpp and quality of two codecs in 2,000 resamples."""
    random = np.random.default_rng(2)
    found = []
    for shift in (0.0, 0.3):
        bpp = np.exp(np.linspace(-2.2, 1.5, POINTS)[:, None] + 0.05 * random.normal(size=2000) + shift)
        found.append((bpp, np.linspace(26, 44, POINTS)[:, None] + 0.1 * random.normal(size=(POINTS, 2000))))
    return found


@pytest.mark.benchmark(group="2000 BD-rates")
def test_bd_rates_of_ours(curves: list[tuple[np.ndarray, np.ndarray]], benchmark) -> None:
    found = benchmark(lambda: bd_rates(*(Curves.through(*one) for one in curves)))
    assert found.mean() == pytest.approx(100 * math.expm1(0.3), abs=3)


@pytest.mark.benchmark(group="2000 BD-rates")
def test_bd_rates_of_the_library(curves: list[tuple[np.ndarray, np.ndarray]], benchmark) -> None:
    (bpp, quality), (others_bpp, others) = curves
    count = 2000 if benchmark.enabled else 20

    def loop() -> list[float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            columns = [(bpp[:, k], quality[:, k], others_bpp[:, k], others[:, k]) for k in range(count)]
            return [bjontegaard.bd_rate(*one, "pchip", min_overlap=0) for one in columns]

    expected = bd_rates(*(Curves.through(*one) for one in curves))[:count]
    assert benchmark.pedantic(loop, rounds=1) == pytest.approx(expected, rel=1e-9)
