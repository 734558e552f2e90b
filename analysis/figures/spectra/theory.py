"""The linear codec, predicted against measured, and how far from linear the other codecs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from ...conditions import CLEAN
from ...theory import balance_of_spectra, deviations
from ..parts.kind import Drawing, Kind, Need, used_spectra
from ..parts.looks import BAND_COLOURS
from ..parts.material import Material
from ..parts.style import INK, SMALL, TEXT, columns_of, legend, legend_height, rate_scale, sheet, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CODEC = "linear"
Rank = TypeVar("Rank", int, str)
BAND_NAMES = {"low": "low band", "medium": "medium band", "high": "high band", "extra": "outside the bands"}
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_RANKS = len(MARKS)
UNIT = "(grey level)²"


def _spectra(material: Material) -> str:
    if material.window != "none":
        return (
            "spectra without a window are needed, because only their sums are squared errors: "
            f"{material.command('--spectra --window none --out without-window.sqlite')}"
        )
    table = deviations(material.spectra, CODEC)
    shifted = table[table["corruption"].isin(list(material.bands))]
    if (table["quantity"] == "D").any() and {"G", "R"} <= set(shifted["quantity"]):
        return ""
    ask = material.command("--codec linear:r3 --codec linear:r10 --codec linear:r36 --spectra")
    return f"spectra of the linear codec are needed, on clean images and under corruptions: {ask}"


SPECTRA_OF_LINEAR = Need("spectra of the linear codec", _spectra)


def theory_linear(material: Material) -> tuple[Drawing, ...]:
    """Return D, G and R of the linear codec, predicted against measured, and the balance of every codec."""
    table = deviations(material.spectra, CODEC)
    table = table[table["corruption"].isin([CLEAN, *material.bands])]
    ranks = spread(sorted(set(table["rank"])), MOST_RANKS)
    table = table[table["rank"].isin(ranks)]
    balance = balance_of_spectra(material.spectra)
    balance = balance[balance["corruption"].isin(list(material.bands))]
    balanced = set(balance["codec"])
    codecs = [name for name in dict.fromkeys([CODEC, *material.names(), *sorted(balanced)]) if name in balanced]

    labels = [*BAND_NAMES.values(), *(f"rank {rank}" for rank in ranks)]
    width = material.chosen.width
    columns = columns_of(3, width, 2.2)
    lines = -(-3 // columns)
    figure = sheet(width, 2.6 * lines + legend_height(labels, width) + 0.12 * max(0, len(codecs) - 8))
    axes = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axis in axes[3:]:
        axis.remove()
    known = table[table["quantity"] != "G"]
    _against(axes[0], material, known, "predicted", ranks)
    axes[0].set_title("D (black) and R", fontsize=TEXT)
    generalisation = table[table["quantity"] == "G"]
    correlated = bool(generalisation["correlated"].notna().all())
    _against(axes[1], material, generalisation, "predicted", ranks, hollow=correlated)
    if correlated:
        _against(axes[1], material, generalisation, "correlated", ranks)
    axes[1].set_title("G" if not correlated else "G (hollow: independent)", fontsize=TEXT)
    _balances(axes[2], material, balance, codecs)
    _key(axes[0], material, sorted(set(table["corruption"]) - {CLEAN}), ranks)
    legend(figure, axes[:1])
    return (Drawing(figure, _used(material, table, balance), _notes(table, balance, correlated=correlated)),)


def spread(ordered: Sequence[Rank], most: int) -> list[Rank]:
    """Return at most so many of the ranks or points, spread evenly from the first to the last."""
    chosen = np.linspace(0, len(ordered) - 1, min(len(ordered), most)).round().astype(int)
    return [ordered[place] for place in dict.fromkeys(chosen.tolist())]


def _against(
    axis: Axes, material: Material, table: pd.DataFrame, column: str, ranks: Sequence[int], *, hollow: bool = False
) -> None:
    """Draw predicted over measured; the colour of a mark is the band of the shift, its shape the rank."""
    for corruption, rank in dict.fromkeys(zip(table["corruption"], table["rank"], strict=True)):
        part = table[(table["corruption"] == corruption) & (table["rank"] == rank)]
        colour = BAND_COLOURS.get(material.bands.get(corruption, ""), "black")
        look: dict[str, Any] = {"marker": MARKS[ranks.index(rank)], "linestyle": "none", "ms": 3.2}
        look |= {"mfc": "none", "mec": colour, "mew": 0.6} if hollow else {"color": colour, "mew": 0}
        axis.plot(part["measured"], part[column], alpha=0.85, **look)
    values = [float(value) for line in axis.lines for value in np.concatenate(line.get_data()) if value > 0]
    for side in ("x", "y"):
        rate_scale(axis, values, side)
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], color=INK, lw=0.7, zorder=0)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_box_aspect(1)
    axis.set_xlabel(f"measured, {UNIT}", fontsize=TEXT)
    axis.set_ylabel(f"predicted, {UNIT}", fontsize=TEXT)
    tidy(axis)


def _balances(axis: Axes, material: Material, balance: pd.DataFrame, codecs: Sequence[str]) -> None:
    """Draw a row per codec with a mark per corruption: the mean of the residual over points and severities."""
    means = balance.groupby(["codec", "corruption"])["residual"].mean().reset_index()
    bands = list(BAND_COLOURS)
    for codec, corruption, residual in means.itertuples(index=False):
        band = material.bands[corruption]
        height = codecs.index(codec) + 0.16 * (bands.index(band) - 1)
        axis.plot(residual, height, marker="|", ms=5, mew=1.1, color=BAND_COLOURS[band], linestyle="none")
    axis.axvline(0, color=INK, lw=0.7, zorder=0)
    axis.set_yticks(range(len(codecs)), codecs)
    axis.set_ylim(len(codecs) - 0.4, -0.6)
    axis.set_xlabel("$G+R-2D-\\mathrm{shift}$,\n% of $2D+\\mathrm{shift}$", fontsize=TEXT)
    axis.set_title("balance, by corruption", fontsize=TEXT)
    tidy(axis)
    axis.tick_params(axis="y", labelsize=SMALL, length=0)
    axis.grid(visible=False, axis="y")


def _key(axis: Axes, material: Material, corruptions: Sequence[str], ranks: Sequence[int]) -> None:
    for band, colour in BAND_COLOURS.items():
        if any(material.bands[name] == band for name in corruptions):
            axis.plot([], [], marker="o", ms=4, mew=0, linestyle="none", color=colour, label=BAND_NAMES[band])
    for rank, mark in zip(ranks, MARKS, strict=False):
        look: dict[str, Any] = {"marker": mark, "ms": 4, "mfc": "none", "mec": INK, "mew": 0.7, "linestyle": "none"}
        axis.plot([], [], label=f"rank {rank}", **look)


def _used(material: Material, table: pd.DataFrame, balance: pd.DataFrame) -> str:
    """Return how many spectra were used: those of predictions and balances, of shifts and of clean images."""
    spectra = material.spectra[material.spectra["channel"] == "Y"]
    points = {(CODEC, point) for point in table["point"]}
    points |= set(zip(balance["codec"], balance["point"], strict=True))
    codec_points = pd.Series(list(zip(spectra["codec"], spectra["point"], strict=True)), index=spectra.index)
    shown = spectra["corruption"].isin([CLEAN, *material.bands])
    count = int((shown & (codec_points.isin(list(points)) | (spectra["codec"] == ""))).sum())
    return used_spectra(count, material, "luminance, lossless codecs left out")


def _notes(table: pd.DataFrame, balance: pd.DataFrame, *, correlated: bool) -> str:
    """Return how close the predictions of each quantity are to the measurements, for the caption."""
    sentences = []
    for quantity, part in table.groupby("quantity"):
        sentences.append(f"{quantity} {_nearness(part['deviation'])}")
        if quantity == "G" and correlated:
            sentences.append(f"G with the measured correlation {_nearness(part['correlated_deviation'])}")
    severities = ", ".join(map(str, sorted(set(balance["severity"]))))
    return (
        "Median deviation of the prediction, and in brackets how many predictions are within a factor of 2 of the "
        f"measurement: {'; '.join(sentences)}. Severities {severities}. The prediction uses the principal components "
        "of these images; the codec was fitted to other photographs."
    )


def _nearness(deviations: pd.Series[float]) -> str:
    """Return the median absolute deviation in percent, and how many deviations are within a factor of 2.

    The largest would be misleading: it is a ratio to a measurement that may be nearly 0, such as G under strong blur.
    """
    near = int(deviations.between(-50, 100).sum())
    return f"{deviations.abs().median():.1f} % ({near} of {len(deviations)})"


KINDS = (
    Kind(
        name="theory-linear",
        about="D, G and R of the linear codec in luminance, predicted against measured, and how far each codec "
        "deviates from G + R = 2D + shift, which holds for a linear projector under an independent shift",
        rule="Left and middle: each mark is a rank, a corruption and a severity; on the line, prediction and "
        "measurement agree. Predictions come from the eigenvalues of the patches' covariance, by the mean spectra of "
        "the clean images and of the shift, which is taken as independent of the images. If G has hollow marks, those "
        "assume independence and the filled ones use the spectrum of the images shown. Right: each mark is the mean "
        "over a codec's points and severities.",
        needs=(SPECTRA_OF_LINEAR,),
        plot=theory_linear,
    ),
)
