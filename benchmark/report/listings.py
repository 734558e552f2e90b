"""What there is to choose from, as reports: image sets, plans, and corruptions with their measured bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from ...codecs.neural.training import recipe
from ...corruptions.sets import KNOWN
from ...corruptions.table import find
from ..plan.plans import PLANS
from ..sets.bands import Measured, Measurement, notes
from .sheet import Column, Report, Sheet, Value, number

if TYPE_CHECKING:
    from ...codecs.neural.training.packing import Packed
    from ...codecs.neural.training.validation import Score

_CORRUPTIONS = (
    *(Column("corruption"), Column("levels"), Column("paper"), Column("measured"), number("centroid", ".3f")),
    *(number("dc %", ".1f"), number("low %", ".1f"), number("medium %", ".1f"), number("high %", ".1f")),
)


def sets() -> Report:
    """Return the image sets and where they come from."""
    lines = [(known.name, str(known.images or "any"), known.about, known.terms, known.url) for known in KNOWN.values()]
    return Report([Sheet(tuple(map(Column, ("set", "images", "what", "terms", "source"))), lines)])


def plans() -> Report:
    """Return the plans that `codecshift run` knows by name."""
    lines = [
        (plan.name, plan.about, " ".join(plan.sets), " ".join(map(str, plan.severities)), " ".join(plan.codecs))
        for plan in PLANS.values()
    ]
    return Report([Sheet(tuple(map(Column, ("plan", "what", "sets", "severities", "codecs"))), lines)])


def corruptions(measurement: Measurement, names: Sequence[str], severity: int) -> Report:
    """Return the corruptions with what was measured of them, and how that sits with the paper's bands."""
    measured = measurement.at(severity)
    lines = [_corruption(name, measured.get(name)) for name in names]
    return Report([Sheet(_CORRUPTIONS, lines, notes=notes(measurement, names, severity))])


def _corruption(name: str, row: Measured | None) -> tuple[Value, ...]:
    corruption = find(name)
    known = (name, _levels(corruption.levels), corruption.band)
    if row is None or not row.band:
        return (*known, *"------")
    mark = "" if corruption.band in {row.band, "extra"} else "*"
    shares = (row.share_dc, row.share_low, row.share_medium, row.share_high)
    return (*known, row.band + mark, row.centroid, *(100 * share for share in shares))


def _levels(levels: Sequence[Any]) -> str:
    """Return the levels of a corruption in few columns: all five, or the first and the last."""
    if is_dataclass(levels[0]):
        return f"{len(levels[0].__dataclass_fields__)} numbers each"
    every = " ".join(map(_level, levels))
    return every if len(every) <= 24 else f"{_level(levels[0])} .. {_level(levels[-1])}"


def _level(level: Any) -> str:
    if isinstance(level, tuple):
        return "/".join(f"{part:g}" for part in level) if len(level) < 4 else f"{level[0]:g}-{level[-1]:g}"
    return f"{level:g}"


def recipes() -> Report:
    """Return the recipes that come with the package."""
    known = [recipe.find(name) for name in recipe.names()]
    lines = [(each.name, each.architecture, f"{each.N}/{each.M}", each.steps, each.about) for each in known]
    columns = (Column("recipe"), Column("architecture"), Column("N/M"), number("steps"), Column("what"))
    return Report([Sheet(columns, lines)])


def packed(checkpoints: Sequence[Packed]) -> Report:
    """Return packed checkpoints with their scores as they were trained and in half precision."""
    lines = [
        (
            *(each.file, each.after.lam, each.steps, _score(each.before), _score(each.after)),
            "float16" if each.half else "float32",
        )
        for each in checkpoints
    ]
    columns = (
        *(Column("file"), number("lambda", "g"), number("steps"), Column("as trained"), Column("in half precision")),
        Column("kept as"),
    )
    return Report([Sheet(columns, lines)])


def _score(score: Score) -> str:
    return f"{score.bpp_real:.4f} bpp {score.psnr:.3f} dB"
