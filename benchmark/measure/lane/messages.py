"""The messages that the lane's process sends to the lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

What = Literal["within", "coded", "done", "broken"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message about the batch of a number.

    "within": it is being worked, and the next message comes in `value` seconds. "coded": the device is free again.
    "done": `value` is its Worked, or an exception that is a fault of ours. "broken": the process cannot go on, and why.
    """

    number: int
    what: What
    value: Any = None


FAREWELL = 2.0
"""Seconds the process has to close its codec when nothing more is wanted of it."""
