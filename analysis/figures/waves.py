"""Fourier heatmaps among the figures: what a wave of each frequency costs each codec."""

from __future__ import annotations

from ..figures_heatmap import ABOUT, draw
from ..heatmap import RULE, Heatmap, NoHeatmap, heatmaps, windows
from .evidence import Drawing, Evidence, Kind, Need, NothingToDraw, used
from .needs import require
from .style import pages

CODECS_A_PAGE = 4


def _command(evidence: Evidence) -> str:
    of = next(iter(evidence.rows["set"]), "SET")
    return f"codecshift heatmap --set {of} --codec LABEL --out {evidence.file}"


def _waves(evidence: Evidence) -> str:
    return "" if windows(evidence.rows) else f"rows of waves of many frequencies are needed: {_command(evidence)}"


WAVES = Need("rows of waves (codecshift heatmap)", _waves)


def fourier_heatmap(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the heatmaps of the rows, a drawing for each strength of the waves."""
    require(evidence, WAVES)
    try:
        found = [one for one in heatmaps(evidence.rows) if one.images]
    except NoHeatmap as error:
        raise NothingToDraw(str(error)) from error
    if not found:
        raise NothingToDraw(f"waves and clean images of the same codec point are needed: {_command(evidence)}")
    drawings = []
    by_strength: dict[float, list[Heatmap]] = {}
    for one in found:
        by_strength.setdefault(one.rms, []).append(one)
    for rms, several in by_strength.items():
        strength = f"rms{rms:g}" if len(by_strength) > 1 else ""
        labelled = {f"{one.codec}:{one.point}": one for one in several}
        for page, labels in pages(list(labelled), CODECS_A_PAGE):
            some = [labelled[label] for label in labels]
            suffix = "-".join(part for part in (strength, page) if part)
            told = used(_count(evidence, some), evidence, f"waves of RMS {rms:g}, and clean images")
            drawings.append(Drawing(draw(some), told, f"{some[0].window}.", suffix))
    return tuple(drawings)


def _count(evidence: Evidence, several: list[Heatmap]) -> int:
    """Return how many rows the heatmaps are made of."""
    rows = evidence.rows
    points = {(one.codec, one.point) for one in several}
    mine = rows[[pair in points for pair in zip(rows["codec"], rows["point"], strict=True)]]
    mine = mine[(mine["status"] == "ok") & mine["image"].isin({image for one in several for image in one.images})]
    waves = ~mine["corruption"].isin({"none", *evidence.bands}) & (mine["severity"] == several[0].severity)
    return int((waves | (mine["corruption"] == "none")).sum())


KINDS = (
    Kind(
        name="fourier-heatmap",
        about=ABOUT,
        rule=RULE,
        needs=(WAVES,),
        draw=fourier_heatmap,
    ),
)
