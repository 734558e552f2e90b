"""Conditions are grouped by the band of their corruption."""

from codecshift.analysis.conditions import CLEAN, CLEAN_CONDITION, by_band


def test_conditions_outside_the_bands_count_only_in_the_mean_over_all() -> None:
    conditions = [("fog", 3), CLEAN_CONDITION, ("speckle_noise", 1), ("shot_noise", 5)]
    bands = {"fog": "low", "shot_noise": "high", "speckle_noise": "extra"}
    assert by_band(conditions, bands, "all") == {
        "clean": [(CLEAN, 0)],
        "low": [("fog", 3)],
        "medium": [],
        "high": [("shot_noise", 5)],
        "all": [("fog", 3), ("speckle_noise", 1), ("shot_noise", 5)],
    }
