"""What a measure is: the facts known before it is loaded, and the instrument that computes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Better = Literal["higher", "lower"]
Axis = Literal["value", "-10 log10(1 - value)"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of quality; results of different versions are never compared.

    `best` is the value of two identical images. `axis` is the axis that curves are drawn and averaged on. `low` and
    `high` are the range of values that a codec can be matched to. Images with a side under `smallest` pixels have no
    value. Two values of one row agree if they differ by no more than `tolerance`.

    `load` names a function that returns the Instrument, "module:function"; it is empty for PSNR, which is derived
    from the squared errors of a row. `extra` is the optional dependency of this package that the measure needs,
    `hint` what to do where it cannot be loaded; `compiled` means that its first use on a machine takes seconds.
    `referee` is the implementation it was compared with, `disagreement` the largest difference that was found.
    """

    name: str
    title: str
    version: int
    unit: str
    better: Better
    best: float
    load: str
    about: str
    axis: Axis = "value"
    low: float = 0
    high: float = 100
    smallest: int = 1
    tolerance: float = 1e-5
    source: str = ""
    referee: str = ""
    disagreement: str = ""
    extra: str = ""
    hint: str = ""
    compiled: bool = False

    @property
    def is_derived(self) -> bool:
        """Whether values are computed from the squared errors that every row has."""
        return not self.load

    @property
    def in_decibels(self) -> bool:
        """Whether the axis of curves is in dB."""
        return self.unit == "dB" or self.axis != "value"

    def on_axis(self, value: float) -> float:
        """Return a value on the axis of curves, where more is better, infinite at the end of a logarithmic axis."""
        if self.axis != "value":
            return math.inf if value >= 1 else -10 * math.log10(1 - value)
        return value if self.better == "higher" else -value


class Instrument(Protocol):
    """A loaded measure. Images are uint8 arrays of shape (height, width, 3), RGB."""

    def prepare(self, image: NDArray[np.uint8], /) -> Any:
        """Return what comparisons of an image need, computed once."""

    def compare(self, reference: Any, seen: Any, /) -> float:
        """Return the value of a decoded image against a reference, both prepared and of one shape."""


@runtime_checkable
class Joint(Instrument, Protocol):
    """An instrument that compares an image with several references in less time than with one after the other."""

    def compare_with(self, references: Sequence[Any], seen: Any, /) -> list[float]:
        """Return the value of a decoded image against each reference, all prepared and of one shape."""


@runtime_checkable
class Batched(Instrument, Protocol):
    """An instrument that compares many pairs faster than one by one."""

    def compare_many(self, pairs: Sequence[tuple[Any, Any]], /) -> list[float]:
        """Return the value of each pair (reference, seen), all prepared."""
