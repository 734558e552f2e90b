"""Lists of what a user can choose, as reports: image sets, plans, corruptions with their measured bands, recipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from ...analysis.counted import counted
from ...codecs.neural.training import recipe
from ...corruptions.sets import KNOWN
from ...corruptions.table import find
from ..plan.plans import PLANS
from ..sets.bands import NUMBERS, Measured, Measurement, out_of_order
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
    """Return the corruptions with their measured spectra, compared with the paper's bands."""
    measured = measurement.at(severity)
    lines = [_corruption(name, measured.get(name)) for name in names]
    records = [_record(name, severity, measured.get(name)) for name in names]
    return Report([Sheet(_CORRUPTIONS, lines, notes=list(_notes(measurement, names, severity)))], records)


def _record(name: str, severity: int, row: Measured | None) -> dict[str, Any]:
    """Return a corruption as a record for CSV and JSON: shares from 0 to 1, the centroid in cycles per pixel."""
    corruption = find(name)
    known = {"corruption": name, "band": corruption.band, "version": corruption.version, "severity": severity}
    numbers = {field: getattr(row, field) if row else None for field in NUMBERS}
    return {**known, "measured_band": row.band if row else "", **numbers}


def _notes(measurement: Measurement, names: Sequence[str], severity: int) -> Iterator[str]:
    (image_set, images), *_ = measurement.provenance["sets"].items()
    measured = {name: row for name, row in measurement.at(severity).items() if name in names and row.band}
    yield (
        f"Measured at severity {severity} on {counted(images['images'], 'image')} of {image_set} (sha256 "
        f"{images['digest'][:12]}), codecshift {measurement.provenance['codecshift']}: mean power spectrum of "
        "corrupted - clean. centroid: its mean radius in cycles per pixel. measured: the third of the range 0 to 1/2 "
        "that contains the centroid. low, medium, high: shares of power below 1/6, from 1/6 to 1/3, and above 1/3. "
        "dc: share of frequency 0, included in low. extra: not one of the paper's fifteen corruptions."
    )
    grouped = [name for name in measured if find(name).band != "extra"]
    elsewhere = [name for name in grouped if find(name).band != measured[name].band]
    if elsewhere:
        yield f"* The measured third differs from the paper's band for {len(elsewhere)} of {len(grouped)} corruptions."
    crossed = out_of_order({name: row.centroid for name, row in measured.items()})
    for lower, upper in crossed:
        yield f"{lower} (paper: {find(lower).band}) has a higher centroid than {upper} ({find(upper).band})."
    stale = [name for name in measured if measurement.provenance["corruptions"][name] != find(name).version]
    if stale:
        yield f"Out of date, measured with another version of the corruption: {', '.join(stale)}."
    if {find(name).band for name in measured} >= {"low", "medium", "high"} and not crossed:
        yield "Sorted by centroid, the corruptions are in the order of the paper's bands."


def _corruption(name: str, row: Measured | None) -> tuple[Value, ...]:
    corruption = find(name)
    known = (name, _levels(corruption.levels), corruption.band)
    if row is None or not row.band:
        return (*known, *"------")
    mark = "" if corruption.band in {row.band, "extra"} else "*"
    shares = (row.share_dc, row.share_low, row.share_medium, row.share_high)
    return (*known, row.band + mark, row.centroid, *(100 * share for share in shares))


def _levels(levels: Sequence[Any]) -> str:
    """Return the levels of a corruption as short text: all five, or the first and the last."""
    if is_dataclass(levels[0]):
        return f"{len(levels[0].__dataclass_fields__)} numbers each"
    every = " ".join(map(_level, levels))
    return every if len(every) <= 24 else f"{_level(levels[0])} .. {_level(levels[-1])}"


def _level(level: Any) -> str:
    if isinstance(level, tuple):
        return "/".join(f"{part:g}" for part in level) if len(level) < 4 else f"{level[0]:g}-{level[-1]:g}"
    return f"{level:g}"


def recipes() -> Report:
    """Return the training recipes that come with the package."""
    recipes = [recipe.find(name) for name in recipe.names()]
    lines = [(known.name, known.architecture, f"{known.N}/{known.M}", known.steps, known.about) for known in recipes]
    columns = (Column("recipe"), Column("architecture"), Column("N/M"), number("steps"), Column("what"))
    return Report([Sheet(columns, lines)])


def packed(checkpoints: Sequence[Packed]) -> Report:
    """Return packed checkpoints with their scores, as trained and in half precision."""
    lines = [
        (
            *(checkpoint.file, checkpoint.after.lam, checkpoint.steps),
            *(_score(checkpoint.before), _score(checkpoint.after)),
            "float16" if checkpoint.half else "float32",
        )
        for checkpoint in checkpoints
    ]
    columns = (
        *(Column("file"), number("lambda", "g"), number("steps"), Column("as trained"), Column("in half precision")),
        Column("kept as"),
    )
    return Report([Sheet(columns, lines)])


def _score(score: Score) -> str:
    return f"{score.bpp_real:.4f} bpp {score.psnr:.3f} dB"
