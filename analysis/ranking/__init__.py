"""The ranking of codecs: how many bits each needs under corruption, compared with all others, with intervals."""

from .contest import Fit
from .entries import gaps_of
from .ladders import Quality
from .leaderboard import NUMBERS, Entry, Intervals, Leaderboard, NotComparable
from .on_curve import Aside, largest_shared, on_curve
from .rank import rank

__all__ = [
    "NUMBERS",
    "Aside",
    "Entry",
    "Fit",
    "Intervals",
    "Leaderboard",
    "NotComparable",
    "Quality",
    "gaps_of",
    "largest_shared",
    "on_curve",
    "rank",
]
