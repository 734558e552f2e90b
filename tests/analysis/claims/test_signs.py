"""Signs of many differences that are right together, and the decisions on orders that rest on them: H5 and H12."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from codecshift.analysis.claims.kept import mean_between, order_depends
from codecshift.analysis.claims.sets import rank_correlation
from codecshift.analysis.claims.signs import sure_signs
from codecshift.analysis.statistics import bootstrap

TRIALS = 200
AT_MOST = 0.05 + 2 * math.sqrt(0.05 * 0.95 / TRIALS)
"""An error rate of 5 %, and the uncertainty of measuring it."""
Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0, 1, shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.lognormal(0, 0.5, shape) - math.exp(0.125)


def resampled(values: np.ndarray, seed: int = 0, resamples: int = 300) -> np.ndarray:
    """Return the means of (images, differences) over all images and in each resample."""
    images = len(values)
    return np.vstack([np.ones(images), bootstrap(images, resamples, seed)]) @ values / images


def pair_differences(scores: np.ndarray) -> np.ndarray:
    return np.stack(
        [scores[..., i] - scores[..., j] for i, j in itertools.combinations(range(scores.shape[-1]), 2)], -1
    )


@pytest.mark.parametrize("noise", [normal, skewed])
@pytest.mark.parametrize("images", [8, 24])
def test_no_sign_is_sure_in_95_of_100_trials_where_all_codecs_are_equal(images: int, noise: Noise) -> None:
    rng = np.random.default_rng(images)
    wrong = sum(sure_signs(resampled(pair_differences(noise(rng, (images, 5)))), images).any() for _ in range(TRIALS))
    assert wrong / TRIALS <= AT_MOST


def test_large_differences_are_sure() -> None:
    scores = np.random.default_rng(0).normal((0, 1, 3), 0.1, (12, 3))
    assert sure_signs(resampled(pair_differences(scores)), 12).tolist() == [-1, -1, -1]
    assert not sure_signs(resampled(pair_differences(scores[:5])), 5).any()


def test_a_difference_without_a_value_in_many_resamples_is_not_sure() -> None:
    differences = resampled(np.full((8, 3), 5.0) + np.eye(8, 3))
    differences[1:100, 0] = np.nan
    differences[1:10, 1] = np.nan
    assert sure_signs(differences, 8).tolist() == [0, 1, 1]


def test_a_difference_that_never_varies_is_sure_unless_it_is_zero() -> None:
    assert sure_signs(resampled(np.tile([2.0, 0.0, -1.0], (8, 1))), 8).tolist() == [1, 0, -1]


# --- H5: whether the order depends on the matching


def trials_of_orders(by_rate: list[float], by_quality: list[float], noise: Noise, images: int = 8) -> dict[str, float]:
    """Return how often each decision comes out, for true differences of pairs of codecs."""
    rng = np.random.default_rng(images)
    decisions = []
    for _ in range(TRIALS):
        shared = noise(rng, (images, len(by_rate)))
        values = [truth + shared + noise(rng, shared.shape) for truth in (by_rate, by_quality)]
        decisions.append(order_depends(resampled(values[0]), resampled(values[1]), images))
    return {decision: decisions.count(decision) / TRIALS for decision in ("supported", "refuted", "undecided")}


@pytest.mark.parametrize("noise", [normal, skewed])
def test_a_dependence_on_matching_is_supported_in_at_most_5_of_100_trials_without_one(noise: Noise) -> None:
    """The hardest case: differences at equal rate that are sure, and none at equal quality."""
    assert trials_of_orders([9, 9, 9], [0, 0, 0], noise)["supported"] <= AT_MOST


@pytest.mark.parametrize("noise", [normal, skewed])
@pytest.mark.parametrize("swap", [-0.01, 0.01])
def test_a_dependence_on_matching_is_refuted_in_at_most_5_of_100_trials_with_one(noise: Noise, swap: float) -> None:
    """The hardest case: one pair that is swapped by next to nothing."""
    sign = -1 if swap > 0 else 1
    assert trials_of_orders([9, 9, 9 * sign], [9, 9, swap], noise)["refuted"] <= AT_MOST


def test_clear_orders_are_decided() -> None:
    assert trials_of_orders([9, 9, 9], [9, 9, -9], normal)["supported"] == 1
    assert trials_of_orders([9, 9, 9], [9, 9, 9], normal)["refuted"] == 1
    assert trials_of_orders([9, 9], [9, -9], normal, images=5)["undecided"] == 1


def test_the_mean_between_two_places_is_the_integral_of_lines() -> None:
    rng = np.random.default_rng(0)
    places, values = rng.uniform(0, 10, (5, 7)), rng.normal(0, 1, (5, 7))
    low, high = np.full(5, 3.0), np.array([4, 5, 6, 7, 3.0])
    means = mean_between(places, values, low, high)
    for row in range(4):
        order = np.argsort(places[row])
        low[row], high[row] = max(3, places[row].min()), min(high[row], places[row].max())
        middles = low[row] + (np.arange(20000) + 0.5) * (high[row] - low[row]) / 20000
        expected = np.interp(middles, places[row][order], values[row][order]).mean()
        assert mean_between(places, values, low, high)[row] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(means[4])


# --- H12: whether two sets rank codecs alike


def trials_of_tau(first: list[float], second: list[float], noise: Noise, images: tuple[int, int]) -> np.ndarray:
    """Return the ends of the interval of Kendall's tau in each trial, for true scores of codecs on two sets."""
    rng = np.random.default_rng(images[0])
    ends = []
    for _ in range(TRIALS):
        sets = [
            resampled(pair_differences(truth + noise(rng, (count, len(truth)))), seed)
            for seed, (truth, count) in enumerate(zip((np.array(first), np.array(second)), images, strict=True))
        ]
        tau = rank_correlation(*sets, min(images))
        ends.append((tau.low, tau.high))
    return np.array(ends)


@pytest.mark.parametrize("noise", [normal, skewed])
@pytest.mark.parametrize("images", [(8, 8), (24, 60)], ids=str)
def test_sets_agree_wrongly_in_at_most_5_of_100_trials(noise: Noise, images: tuple[int, int]) -> None:
    """Two of 15 pairs are swapped by next to nothing, so that tau is 0.73."""
    ends = trials_of_tau([0, 0.01, 5, 5.01, 10, 15], [0.01, 0, 5.01, 5, 10, 15], noise, images)
    assert np.mean(ends[:, 0] >= 0.8) <= AT_MOST
    assert np.mean((ends[:, 0] <= 1 - 4 / 15) & (ends[:, 1] >= 1 - 4 / 15)) >= 1 - AT_MOST


@pytest.mark.parametrize("noise", [normal, skewed])
def test_sets_disagree_wrongly_in_at_most_5_of_100_trials(noise: Noise) -> None:
    """Six codecs that are all but equal are in the same order on both sets: noise alone gives them another."""
    scores = [0, 0.01, 0.02, 0.03, 0.04, 0.05]
    assert np.mean(trials_of_tau(scores, scores, noise, (8, 8))[:, 1] < 0.8) <= AT_MOST


def test_clear_agreement_has_a_short_interval() -> None:
    apart = [0.0, 5, 10, 15, 20, 25]
    assert (trials_of_tau(apart, apart, normal, (12, 12)) == 1).all()
    assert (trials_of_tau(apart, apart[::-1], normal, (12, 12)) == -1).all()
