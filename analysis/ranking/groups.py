"""The groups of conditions that the numbers of a leaderboard average over, and the averages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..conditions import BANDS, CLEAN_CONDITION, Condition, by_band
from .ladders import Floats
from .leaderboard import PENALTIES

Groups = Mapping[str, tuple[Condition, ...]]


def groups_of(conditions: Iterable[Condition], bands: Mapping[str, str]) -> Groups:
    """Return the conditions of each number: "score", "clean", each of BANDS, and "extra".

    `bands` maps a corruption to its band; corrupted conditions outside BANDS are "extra". The score is over the
    conditions in BANDS. Without any it is over the extra ones, and without those over clean images.
    """
    conditions = tuple(conditions)
    overall = "corrupted"
    parts = {name: tuple(members) for name, members in by_band(conditions, bands, overall).items()}
    shifted = parts.pop(overall)
    banded = tuple(condition for condition in shifted if bands.get(condition[0]) in BANDS)
    extra = tuple(condition for condition in shifted if condition not in banded)
    return {"score": banded or extra or (CLEAN_CONDITION,), **parts, "extra": extra}


def mean_over(values: Mapping[Condition, Floats], members: Sequence[Condition]) -> Floats:
    """Return the mean over severities within a corruption, then over corruptions.

    Values may be arrays, e.g. of codecs and resamples. The mean is NaN if there are no members, and wherever the value
    of one of them is.
    """
    if not members:
        return np.full(np.shape(next(iter(values.values()), 0.0)), np.nan)
    severities = Counter(corruption for corruption, _ in members)
    total = sum(values[member] / severities[member[0]] for member in members)
    return np.asarray(total / len(severities))


def numbers(values: Mapping[Condition, Floats], groups: Groups) -> dict[str, Floats]:
    """Return every number of FITTED, in log rate, from the ratings against the anchor by condition.

    A number over an empty group is NaN.
    """
    logs = {name: mean_over(values, members) for name, members in groups.items()}
    if groups["score"] == groups["clean"]:
        return logs | {name: np.full_like(logs["score"], np.nan) for name in PENALTIES}
    return logs | {name: logs[base] - logs["clean"] for name, base in PENALTIES.items()}
