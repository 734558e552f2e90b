"""Parts of a claim are judged together: Holm's procedure, and its error rate."""

import math

import numpy as np
import pytest
from codecshift.analysis.claims.claim import Part, judged_together
from codecshift.analysis.statistics import Resampled, bootstrap
from scipy.special import ndtri
from scipy.stats import t as student

IMAGES, PARTS = 12, 4
DRAWS = bootstrap(IMAGES, 1000)


def resampled(values: np.ndarray) -> Resampled:
    return Resampled(np.append(values.mean(), DRAWS @ values / len(values)), len(values))


@pytest.mark.parametrize("seed", range(8))
def test_parts_are_decided_as_by_holm_on_p_values(seed: int) -> None:
    """Resamples that are spread as a normal distribution give the intervals of Student's."""
    spread = ndtri((np.arange(100_000) + 0.5) / 100_000) * math.sqrt((IMAGES - 1) / IMAGES)
    estimates = np.random.default_rng(seed).uniform(1.5, 4, PARTS)
    parts = [Part(Resampled(np.append(each, each + spread), IMAGES), "above", 0.0) for each in estimates]
    p_values = 2 * student.sf(estimates, IMAGES - 1)
    decided = set()
    for place, k in enumerate(np.argsort(p_values)):
        if p_values[k] >= 0.05 / (PARTS - place):
            break
        decided.add(int(k))
    judged = judged_together(parts)
    assert {k for k, part in enumerate(judged) if part.decision == "supported"} == decided
    for estimate, outcome in zip(estimates, judged, strict=True):
        assert outcome.effect.estimate == estimate
        assert (outcome.decision == "undecided") == outcome.effect.holds(0)


def test_no_part_is_decided_in_95_of_100_trials_where_all_lie_at_their_thresholds() -> None:
    rng = np.random.default_rng(0)
    trials = 400
    wrong = 0
    for values in rng.normal(0, 1, (trials, PARTS, IMAGES)):
        parts = [Part(resampled(value), side, 0.0) for value, side in zip(values, ("above", "below") * 2, strict=True)]
        wrong += any(part.decision != "undecided" for part in judged_together(parts))
    assert wrong / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)
