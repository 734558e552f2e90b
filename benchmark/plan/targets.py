"""Matched operating points: for each codec, the point nearest to a given rate or quality on clean images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...analysis.dial import Dial, nearest
from ...analysis.measures.measure import Measure
from ...analysis.measures.table import known
from ...codecs.protocol import Point, Spec
from .measures import RATE, catalogue
from .names import named


class WrongTarget(ValueError):
    """A target that cannot be matched, or a job without a codec to match; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Means:
    """Means of one codec point over the `images` images that it coded successfully, NaN if there are none.

    `quality` has the mean of each measure by its name, over the images that are large enough for it; PSNR is infinite
    if any image was coded without loss. `fault` is the message of a failed image, "" if none failed.
    """

    images: int
    bpp: float
    fault: str
    quality: Mapping[str, float] = field(default_factory=dict)

    def of(self, quantity: str) -> float:
        """Return the mean of bpp or of a measure, NaN if it is unknown."""
        return self.bpp if quantity == RATE else self.quality.get(quantity, math.nan)


UNKNOWN = Means(0, math.nan, "")
"""The means of a point that has not been measured."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that can be matched: the range of its values, and the axis on which one tolerance suits all values."""

    low: float
    high: float
    axis: Callable[[float], float]
    tolerance: float
    off: Callable[[float], str]
    """Formats a difference on the axis."""


# One percent of rate is worth about a twentieth of a decibel.
_BPP = Quantity(0, 24, math.log, math.log(1.01), lambda gap: f"{100 * math.expm1(gap):+.1f} %")
_DECIBELS = 0.05
_SHARE = 1 / 2000  # of the range of a measure that is not in dB: 0.05 on a scale to 100


def quantities(measures: Mapping[str, Measure]) -> Mapping[str, Quantity]:
    """Return what can be matched, by column name: bpp to one percent, each measure on its axis.

    A measure whose axis is in dB is matched to 0.05 dB, any other to a two-thousandth of its range.
    """
    return {RATE: _BPP} | {name: _quantity(measure) for name, measure in measures.items()}


def _quantity(measure: Measure) -> Quantity:
    if measure.in_decibels:
        return Quantity(measure.low, measure.high, measure.on_axis, _DECIBELS, lambda gap: f"{gap:+.2f} dB")
    tolerance = _SHARE * (measure.high - measure.low)
    return Quantity(measure.low, measure.high, measure.on_axis, tolerance, lambda gap: f"{gap:+.3g}")


def _every_quantity() -> Mapping[str, Quantity]:
    return quantities(catalogue().measures)


@dataclass(frozen=True, slots=True)
class Target:
    """The rate or quality that each codec is matched to on clean images: "bpp=0.5", "psnr=32", "ms_ssim=0.97"."""

    quantity: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Target:
        """Return the target that `text` describes; raise WrongTarget or UnknownName if it describes none."""
        name, equals, digits = text.partition("=")
        if not equals:
            raise WrongTarget(f"expected a quantity and its value, such as bpp=0.5 or psnr=32, got {text!r}")
        at_hand = quantities(known())
        quantity = at_hand[name] if name in at_hand else named("quantity to match", name, _every_quantity())
        try:
            value = float(digits)
        except ValueError:
            value = math.nan
        if not quantity.low < value < quantity.high:
            raise WrongTarget(f"expected {name} between {quantity.low:g} and {quantity.high:g}, got {digits!r}")
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.quantity}={self.value:g}"

    def gap(self, means: Means) -> float:
        """Return how far a point lies above the target on the axis of the quantity, NaN if it was not measured."""
        return self.scale.axis(means.of(self.quantity)) - self.scale.axis(self.value)

    @property
    def scale(self) -> Quantity:
        """The range, axis and tolerance of the quantity."""
        return quantities(known())[self.quantity]


@dataclass(frozen=True, slots=True)
class Search:
    """One codec to be matched to one target."""

    codec: str
    target: Target

    def __str__(self) -> str:
        return f"{self.codec} {self.target}"


@dataclass(frozen=True, slots=True)
class Match:
    """The result of a search: the point, its means on clean images, and the number of points tried.

    `reason` is empty if the target was met, otherwise it says why not. `point` is None if nothing could be measured.
    """

    codec: str
    target: Target
    point: Point | None
    achieved: Means
    looks: int
    reason: str

    @property
    def off(self) -> str:
        """The distance from the target in words, e.g. "+2.4 %"."""
        return self.target.scale.off(self.target.gap(self.achieved))

    def record(self) -> dict[str, object]:
        """Return the match as recorded in the provenance of a run."""
        return {
            "codec": self.codec,
            "target": str(self.target),
            "point": self.point.name if self.point else None,
            "met": not self.reason,
            "reason": self.reason,
            "images": self.achieved.images,
            "looks": self.looks,
            # MS-SSIM is summed in single precision: its last digits depend on the processor.
            RATE: _recorded(self.achieved.bpp),
            **{name: _recorded(value) for name, value in self.achieved.quality.items()},
        }


def _recorded(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Matched:
    """The matches of a run, the set of the search, and the labels `codec:point` that were given, not searched."""

    set: str
    matches: tuple[Match, ...]
    fixed: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """Return the matches as recorded in the provenance of a run."""
        return {"set": self.set, "points": [match.record() for match in self.matches], "fixed": list(self.fixed)}


class _Unmeasured(Exception):
    """A point that has to be measured before a search can continue."""

    def __init__(self, point: Point) -> None:
        super().__init__(point)
        self.point = point


def settle(search: Search, spec: Spec, known: Mapping[tuple[str, str], Means]) -> Match | Point:
    """Return the result of a search, or the point to measure next; `known` has the means by codec and point."""

    def gap(value: float) -> float:
        point = _point(spec, value)
        if (spec.name, point.name) not in known:
            raise _Unmeasured(point)
        looked_at.append(point)
        return search.target.gap(known[spec.name, point.name])

    looked_at: list[Point] = []
    try:
        end = nearest(_dial(spec), gap, search.target.scale.tolerance)
    except _Unmeasured as next_look:
        return next_look.point
    if not math.isnan(end.value):
        point = _point(spec, end.value)
        return Match(spec.name, search.target, point, known[spec.name, point.name], end.looks, end.reason)
    last = known[spec.name, looked_at[-1].name]
    lacking = f"no image of the set has a value of {search.target.quantity}" if last.images else last.fault
    reason = f"nothing was measured at {looked_at[-1].name}: {lacking}"
    return Match(spec.name, search.target, None, last, end.looks, reason)


def _dial(spec: Spec) -> Dial:
    """Return a codec's scale with its ladder as rungs, or the indices of its ladder if it has no scale."""
    scale = spec.scale
    if scale is None:
        indices = range(len(spec.points))
        return Dial(0, len(spec.points) - 1, rungs=tuple(indices))
    values = [point.params.get(scale.parameter) for point in spec.points]
    rungs = [value for value in values if isinstance(value, int | float) and scale.low <= value <= scale.high]
    return Dial(scale.low, scale.high, scale.integer, scale.rising, tuple(rungs))


def _point(spec: Spec, value: float) -> Point:
    return spec.points[int(value)] if spec.scale is None else spec.scale.at(value)
