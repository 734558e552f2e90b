"""Suggestions for unknown names: the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SIMILARITY = 0.5  # the least that a suggestion needs, on a scale of 0 to 1: "jpg" and "jpeg" have 0.86


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'jpeg'?)" with the known name nearest to `name`, "" if no name is near."""
    in_lower_case = {text.lower(): text for text in known}
    nearest = difflib.get_close_matches(name.lower(), in_lower_case, n=1, cutoff=_SIMILARITY)
    return f" (did you mean {in_lower_case[nearest[0]]!r}?)" if nearest else ""
