"""The Fourier heatmap: what a wave of each frequency, added to the images, does to a codec's rate and fidelity.

D. Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019; here for codecs, with the
rate beside the error. A heatmap is a function of rows: those on clean images, and those under the corruptions called
`fourier_I_J_of_N` (I/N cycles per pixel down, J/N across) or `fourier_I_J` (cycles per image), with `m` for minus.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .distortion import PEAK, psnr
from .spectrum import third

Values = NDArray[np.float64]
Frequency = tuple[int, int]
Quantity = Literal["bpp", "psnr", "psnr_clean"]

QUANTITIES: tuple[Quantity, ...] = ("bpp", "psnr", "psnr_clean")
CLEAN = "none"
PREFIX = "fourier_"
_NAME = re.compile(rf"{PREFIX}(m?\d+)_(m?\d+)(?:_of_(\d+))?")

RMS: Mapping[int, float] = MappingProxyType({1: 1.0, 2: 2.0, 3: 4.0, 4: 8.0, 5: 16.0})
"""The root mean square of the wave in grey levels, by severity."""

RULE = (
    "Values are over the images that have a clean row and the most frequencies (every one, once a run is done): bpp is "
    "the mean over them, PSNR that of the mean over them of the mean squared error, in which an image that came back "
    "unchanged is an error of 0. Differences are to the same figure of the same images without a wave. Opposite "
    "frequencies are one wave but for its phase, measured once. A frequency that one of the images lacks is missing."
)
"""How rows become a heatmap."""


class NoHeatmap(ValueError):
    """Rows that hold no heatmap, or not the one asked for; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Window:
    """The frequencies of a heatmap: every pair of `i` (down) and `j` (across), both rising.

    In `of`-ths of a cycle per pixel, -of/2 and of/2 being one; where that is None, in cycles per image.
    """

    of: int | None
    i: tuple[int, ...]
    j: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """How many frequencies there are down and across."""
        return len(self.i), len(self.j)

    def same(self, frequency: Frequency) -> Frequency:
        """Return the one name of a frequency and its opposite, and of those a cycle per pixel away from either."""
        i, j = frequency
        if self.of is None:
            return max((i, j), (-i, -j))
        return min((i % self.of, j % self.of), (-i % self.of, -j % self.of))

    def __str__(self) -> str:
        """Say what the frequencies are, e.g. "33 x 17 frequencies in steps of 1/32 cycle per pixel"."""
        unit = "1 cycle per image" if self.of is None else f"1/{self.of} cycle per pixel"
        return f"{len(self.i)} x {len(self.j)} frequencies in steps of {unit}"


def full(of: int = 32) -> Window:
    """Return the half plane of the whole band: -1/2 to 1/2 cycle per pixel down, 0 to 1/2 across; 33 x 17 of 32nds."""
    half = of // 2
    return Window(of, tuple(range(-half, half + 1)), tuple(range(half + 1)))


def low(n: int = 64) -> Window:
    """Return the n x n lowest frequencies in cycles per image, -n/2 to n/2 - 1 both ways: the usual heatmap."""
    lowest = tuple(range(-(n // 2), (n + 1) // 2))
    return Window(None, lowest, lowest)


def plane(window: Window, values: NDArray[np.float64]) -> Values:
    """Return the values of a window on the whole plane, its other half by symmetry; those of `low` as they are."""
    return values if window.j[0] < 0 else np.hstack([values[::-1, :0:-1], values])


@dataclass(frozen=True, slots=True)
class Heatmap:
    """What the waves do to one codec point at one strength; the arrays have the shape of the window.

    `bpp` in bits per pixel, `psnr` in dB against the image shown and `psnr_clean` against the clean one, infinite where
    every image came back unchanged; NaN where it is missing. `clean_bpp` and `clean_psnr` are those of the same images
    without a wave. `size` is the (height, width) that all of them have, if they have one. `failed` counts rows.
    """

    set: str
    codec: str
    point: str
    severity: int
    window: Window
    images: tuple[str, ...]
    size: tuple[int, int] | None
    failed: int
    clean_bpp: float
    clean_psnr: float
    bpp: Values
    psnr: Values
    psnr_clean: Values

    @property
    def rms(self) -> float:
        """The root mean square of the wave in grey levels."""
        return RMS[self.severity]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Where nothing is known."""
        return np.isnan(self.bpp)

    def clean(self, quantity: Quantity) -> float:
        """Return what the wave's values are compared with."""
        return self.clean_bpp if quantity == "bpp" else self.clean_psnr

    def change(self, quantity: Quantity) -> Values:
        """Return the difference to clean, NaN where it is missing, infinite where one of the two is, 0 where both."""
        values: Values = getattr(self, quantity)
        clean = self.clean(quantity)
        with np.errstate(invalid="ignore"):
            return np.where(np.isposinf(values) & np.isposinf(clean), 0.0, values - clean)

    def cycles(self) -> tuple[Values, Values]:
        """Return the frequencies in cycles per pixel, down and across; NaN where images of several sizes differ."""
        height, width = (self.window.of,) * 2 if self.window.of is not None else self.size or (math.nan,) * 2
        return np.array(self.window.i) / height, np.array(self.window.j) / width

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield the places in the arrays, each pair of opposite frequencies once."""
        seen = set()
        for row, i in enumerate(self.window.i):
            for column, j in enumerate(self.window.j):
                if (one := self.window.same((i, j))) not in seen:
                    seen.add(one)
                    yield row, column


def parse(name: str) -> tuple[int, int, int | None] | None:
    """Return the (i, j, of) of a corruption that is a wave, None of any other."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    i, j = (int(text.replace("m", "-")) for text in match.groups()[:2])
    return i, j, int(match[3]) if match[3] else None


def windows(rows: pd.DataFrame) -> list[Window]:
    """Return the windows that rows hold waves of, the one with the most of them first."""
    found: defaultdict[int | None, list[Frequency]] = defaultdict(list)
    for name in rows["corruption"].unique():
        if (wave := parse(name)) is not None:
            found[wave[2]].append(wave[:2])
    ordered = sorted(found, key=lambda of: -len(found[of]))
    return [full(of) if of is not None else low(2 * max(1, *map(abs, _flat(found[of])))) for of in ordered]


def _flat(frequencies: Iterable[Frequency]) -> list[int]:
    return [one for frequency in frequencies for one in frequency]


def heatmaps(rows: pd.DataFrame, window: Window | None = None) -> list[Heatmap]:
    """Return the heatmap of every codec point at every strength that rows of one set hold, weakest first.

    The columns are those of `benchmark.store.read`; RULE says how they are aggregated. The window is the one that has
    the most rows unless another is given. A codec point of which nothing can be compared has a heatmap without images.

    Raises NoHeatmap for rows without waves, or none of that window, or of several sets.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) > 1:
        raise NoHeatmap(f"a heatmap is of one set: choose one of {', '.join(sets)}")
    held = windows(rows)
    if not held:
        raise NoHeatmap("a heatmap needs rows of waves of many frequencies: codecshift heatmap --out FILE")
    window = window or held[0]
    names = {name: window.same(wave[:2]) for name in rows["corruption"].unique() if (wave := _in(window, name))}
    if not names:
        raise NoHeatmap(f"no rows of {window}: there are {', '.join(map(str, held))}")
    waves = rows[rows["corruption"].isin(names)]
    waves = waves.assign(frequency=waves["corruption"].map(names))
    clean = rows[(rows["corruption"] == CLEAN) & (rows["status"] == "ok")]
    return [
        _heatmap(part, clean[(clean["codec"] == codec) & (clean["point"] == point)], window)
        for (_, codec, point), part in waves.groupby(["severity", "codec", "point"], sort=True)
    ]


def _in(window: Window, name: str) -> tuple[int, int, int | None] | None:
    """Return the wave called `name` if the window shows it."""
    wave = parse(name)
    if wave is None or wave[2] != window.of:
        return None
    return wave if any(i in window.i and j in window.j for i, j in (wave[:2], (-wave[0], -wave[1]))) else None


def _heatmap(rows: pd.DataFrame, clean: pd.DataFrame, window: Window) -> Heatmap:
    """Return the heatmap of rows of one codec point and severity, and of its clean ones that are ok."""
    first = rows.iloc[0]
    ok = rows[(rows["status"] == "ok") & rows["image"].isin(clean["image"])]
    ok = ok.assign(**{name: _squared(ok[name]) for name in ("psnr", "psnr_clean")})
    counts = ok.groupby("image")["frequency"].nunique()
    images = sorted(counts.index[counts == counts.max()])
    ok, clean = ok[ok["image"].isin(images)], clean[clean["image"].isin(images)]
    means = ok.groupby("frequency")[list(QUANTITIES)].mean()
    means = means[ok.groupby("frequency").size() == len(images)]
    sizes = set(zip(clean["height"].astype(int), clean["width"].astype(int), strict=True))
    arrays = {name: np.full(window.shape, math.nan) for name in QUANTITIES}
    for name, values in arrays.items():
        known = means[name].to_dict()
        for row, i in enumerate(window.i):
            for column, j in enumerate(window.j):
                values[row, column] = known.get(window.same((i, j)), math.nan)
    return Heatmap(
        set=str(first["set"]),
        codec=str(first["codec"]),
        point=str(first["point"]),
        severity=int(first["severity"]),
        window=window,
        images=tuple(images),
        size=sizes.pop() if len(sizes) == 1 else None,
        failed=int((rows["status"] != "ok").sum()),
        clean_bpp=float(clean["bpp"].mean()),
        clean_psnr=float(_decibels(_squared(clean["psnr"]).mean())),
        bpp=arrays["bpp"],
        psnr=_decibels(arrays["psnr"]),
        psnr_clean=_decibels(arrays["psnr_clean"]),
    )


def _squared(decibels: pd.Series[float]) -> pd.Series[float]:
    """Return the mean squared error per sample of a PSNR, 0 of an infinite one."""
    return PEAK**2 * 10 ** (-decibels / 10)


def _decibels(squared: Values | float) -> Values:
    return psnr(np.asarray(squared) * 3, 1)  # a summed squared error over the three samples of one pixel


def table(heatmap: Heatmap) -> pd.DataFrame:
    """Return a heatmap as lines, frequency by frequency in the order of its window.

    Columns: set, codec, point, severity, rms, i, j, fy, fx (cycles per pixel), n (images, 0 where it is missing), then
    bpp, psnr and psnr_clean, then the difference of each to clean as bpp_change, psnr_change and psnr_clean_change.
    """
    i, j = np.meshgrid(heatmap.window.i, heatmap.window.j, indexing="ij")
    fy, fx = np.meshgrid(*heatmap.cycles(), indexing="ij")
    arrays = {"i": i, "j": j, "fy": fy, "fx": fx, "n": np.where(heatmap.missing, 0, len(heatmap.images))}
    arrays |= {name: getattr(heatmap, name) for name in QUANTITIES}
    arrays |= {f"{name}_change": heatmap.change(name) for name in QUANTITIES}
    lines = pd.DataFrame({name: values.ravel() for name, values in arrays.items()})
    for place, name in enumerate(("set", "codec", "point", "severity", "rms")):
        lines.insert(place, name, getattr(heatmap, name))
    return lines


@dataclass(frozen=True, slots=True)
class Summary:
    """One quantity of a heatmap in a few numbers: what it is on clean images, and what the waves change of it.

    `low`, `medium` and `high` are mean differences over the frequencies in thirds of the band, NaN where a third has
    none; `worst` is the greatest loss, at (`i`, `j`).
    """

    clean: float
    low: float
    medium: float
    high: float
    worst: float
    i: int
    j: int


def summarise(heatmap: Heatmap, quantity: Quantity) -> Summary | None:
    """Return a quantity of a heatmap in a few numbers, opposite frequencies counting once; None if all is missing."""
    change = heatmap.change(quantity)
    fy, fx = heatmap.cycles()
    places = [place for place in heatmap.places() if not heatmap.missing[place]]
    if not places:
        return None
    thirds = defaultdict(list)
    for row, column in places:
        radius = math.hypot(fy[row], fx[column])
        if not math.isnan(radius):
            thirds[third(radius)].append(change[row, column])
    row, column = max(places, key=lambda place: change[place] if quantity == "bpp" else -change[place])
    return Summary(
        clean=heatmap.clean(quantity),
        **{name: float(np.mean(thirds[name])) if thirds[name] else math.nan for name in ("low", "medium", "high")},
        worst=float(change[row, column]),
        i=heatmap.window.i[row],
        j=heatmap.window.j[column],
    )
