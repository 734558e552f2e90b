"""The numbers of an entry, each a mean of one quantity over some of the conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..conditions import BANDS, Condition, by_band
from ..rate import BdRate
from .point_tables import Floats, Mask

BD_RATE, LOG_INFLATION, PSNR_CLEAN = range(3)
"""The quantities of a codec under each condition: the first axis of the arrays below. The second is conditions."""
PENALTIES: Mapping[str, str] = {
    "penalty": "score",
    "penalty_low": "low",
    "penalty_medium": "medium",
    "penalty_high": "high",
}
"""The shift penalties, and the number of which each is the excess over clean images."""

Rules = Mapping[str, tuple[int, Mask]]
"""For each number, the quantity that it averages and the conditions that it averages over."""


def rules_of(conditions: Iterable[Condition], bands: Mapping[str, str]) -> Rules:
    """Return the quantity and the conditions of each number."""
    conditions = list(conditions)
    overall = "corrupted"
    masks = {
        group: np.array([condition in members for condition in conditions])
        for group, members in by_band(conditions, bands, overall).items()
    }
    clean, shifted = masks["clean"], masks[overall]
    return {
        "score": (BD_RATE, clean if clean.all() else shifted),
        "clean": (BD_RATE, clean),
        **{band: (BD_RATE, masks[band]) for band in BANDS},
        "inflation": (LOG_INFLATION, shifted),
        **{f"inflation_{band}": (LOG_INFLATION, masks[band]) for band in BANDS},
        "psnr_clean": (PSNR_CLEAN, shifted),
    }


def estimates(
    codec: str,
    conditions: Iterable[Condition],
    bd_rates: Mapping[tuple[str, Condition], BdRate],
    inflations: Mapping[tuple[str, Condition], float],
    psnr_clean: Mapping[tuple[str, Condition], float],
) -> Floats:
    """Return the quantities of a codec, shape (3, conditions), NaN where a value is unknown."""
    keys = [(codec, condition) for condition in conditions]
    return np.array(
        [
            [bd_rates[key].percent for key in keys],
            [math.log(inflations.get(key, math.nan)) for key in keys],
            [psnr_clean.get(key, math.nan) for key in keys],
        ]
    )


def numbers(rules: Rules, sound: Mask, values: Floats) -> dict[str, Floats]:
    """Return each number, shape (resamples,), from values of shape (3, conditions, resamples).

    `sound`, of shape (3, conditions), selects the values that count. A mean over nothing is NaN.
    """
    nothing = np.full(values.shape[2], math.nan)
    means = {}
    for name, (quantity, members) in rules.items():
        chosen = values[quantity, members & sound[quantity]]
        means[name] = chosen.mean(axis=0) if len(chosen) else nothing
        if quantity == LOG_INFLATION:
            means[name] = np.exp(means[name])
    shifted = not np.array_equal(rules["score"][1], rules["clean"][1])
    return means | {name: means[base] - means["clean"] if shifted else nothing for name, base in PENALTIES.items()}


def fewest(rules: Rules, sound: Mask, counts: NDArray[np.intp]) -> dict[str, int]:
    """Return the number of images of each number's condition with the fewest; `counts` has the shape of `sound`."""
    least = {}
    for name, (quantity, members) in rules.items():
        chosen = counts[quantity, members & sound[quantity]]
        least[name] = int(chosen.min()) if len(chosen) else 0
    return least | {name: min(least[base], least["clean"]) for name, base in PENALTIES.items()}
