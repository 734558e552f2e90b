"""Rows into a ranking: how many more bits than an anchor each codec needs once the images shift, with intervals."""

from .intervals import intervals
from .leaderboard import NUMBERS, TAILS, Entry, Intervals, Leaderboard, NotComparable
from .point_tables import Quality
from .rank import rank

__all__ = [
    "NUMBERS",
    "TAILS",
    "Entry",
    "Intervals",
    "Leaderboard",
    "NotComparable",
    "Quality",
    "intervals",
    "rank",
]
