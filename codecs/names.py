"""Names that are not known, told with the nearest one that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SIMILARITY = 0.5  # of two names, from 0 to 1: "jpg" and "jpeg" have 0.86, "fgo" and "fog" 0.67


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'jpeg'?)" with the known name nearest to `name`, "" where none is near."""
    in_lower_case = {text.lower(): text for text in known}
    nearest = difflib.get_close_matches(name.lower(), in_lower_case, n=1, cutoff=_SIMILARITY)
    return f" (did you mean {in_lower_case[nearest[0]]!r}?)" if nearest else ""
