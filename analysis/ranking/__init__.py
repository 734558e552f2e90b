"""The ranking of codecs: how many bits each needs under corruption, compared with all others, with intervals."""

from .contest import LOSSLESS, Fit
from .entries import gaps_of
from .ladders import Quality
from .leaderboard import NUMBERS, Entry, Intervals, Leaderboard, NotComparable
from .lossless import Lossless, lossless
from .on_curve import Aside, largest_shared, on_curve
from .rank import rank

__all__ = [
    "LOSSLESS",
    "NUMBERS",
    "Aside",
    "Entry",
    "Fit",
    "Intervals",
    "Leaderboard",
    "Lossless",
    "NotComparable",
    "Quality",
    "gaps_of",
    "largest_shared",
    "lossless",
    "on_curve",
    "rank",
]
