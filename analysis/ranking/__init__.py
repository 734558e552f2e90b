"""The ranking of codecs: how many more bits than an anchor each needs under corruption, with intervals."""

from .intervals import intervals
from .leaderboard import NUMBERS, TAILS, Entry, Intervals, Leaderboard, NotComparable
from .on_curve import Aside, largest_shared, on_curve, with_curves
from .point_tables import Quality
from .rank import rank

__all__ = [
    "NUMBERS",
    "TAILS",
    "Aside",
    "Entry",
    "Intervals",
    "Leaderboard",
    "NotComparable",
    "Quality",
    "intervals",
    "largest_shared",
    "on_curve",
    "rank",
    "with_curves",
]
