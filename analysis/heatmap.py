"""The Fourier heatmap: how a wave of each frequency, added to the images, changes a codec's rate and fidelity.

After D. Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019, here applied to the
rate and error of codecs. A heatmap is computed from the rows on clean images and those under the corruptions called
`fourier_I_J_of_N` (I/N cycles per pixel down, J/N across) or `fourier_I_J` (cycles per image), with `m` for minus.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .conditions import CLEAN
from .distortion import mean_squared_error, psnr_of_mse
from .spectrum import third_of

Values = NDArray[np.float64]
Frequency = tuple[int, int]
Quantity = Literal["bpp", "psnr", "psnr_clean"]

QUANTITIES: tuple[Quantity, ...] = ("bpp", "psnr", "psnr_clean")
PREFIX = "fourier_"
_NUMBER = "0|m?[1-9][0-9]*"
_NAME = re.compile(rf"{PREFIX}({_NUMBER})_({_NUMBER})(?:_of_([1-9][0-9]*))?")

RMS: Mapping[int, float] = MappingProxyType({1: 1.0, 2: 2.0, 3: 4.0, 4: 8.0, 5: 16.0})
"""The root mean square of the wave in grey levels, by severity."""

RULE = (
    "Values are means over the images that have a clean row and the most frequencies (all images, once a run is done). "
    "bpp is averaged; PSNR is computed from the average of the mean squared errors, where an image returned unchanged "
    "has an error of 0. Changes are differences from the same images without a wave. Opposite frequencies are the same "
    "wave up to its phase and are measured once. A frequency that one of these images lacks is missing."
)
"""How rows become a heatmap."""


class NoHeatmap(ValueError):
    """Rows without a heatmap, or without the one requested; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Window:
    """The frequencies of a heatmap: every pair of `i` (down) and `j` (across), both rising.

    The unit is 1/`steps` cycle per pixel, where -steps/2 and steps/2 are the same frequency; it is cycles per image if
    `steps` is None.
    """

    steps: int | None
    i: tuple[int, ...]
    j: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of frequencies down and across."""
        return len(self.i), len(self.j)

    def canonical(self, frequency: Frequency) -> Frequency:
        """Return the same frequency for all equivalent ones: its opposite, and those a cycle per pixel away."""
        i, j = frequency
        if self.steps is None:
            return max((i, j), (-i, -j))
        return min((i % self.steps, j % self.steps), (-i % self.steps, -j % self.steps))

    def __str__(self) -> str:
        """Return what the frequencies are, e.g. "33 x 17 frequencies in steps of 1/32 cycle per pixel"."""
        unit = "1 cycle per image" if self.steps is None else f"1/{self.steps} cycle per pixel"
        return f"{len(self.i)} x {len(self.j)} frequencies in steps of {unit}"


def full_window(steps: int = 32) -> Window:
    """Return the half plane of all frequencies: -1/2 to 1/2 cycle per pixel down, 0 to 1/2 across; 33 x 17 of 32nds."""
    half = steps // 2
    return Window(steps, tuple(range(-half, half + 1)), tuple(range(half + 1)))


def low_window(n: int = 64) -> Window:
    """Return the n x n lowest frequencies in cycles per image, -n/2 to n/2 - 1 both ways: the usual heatmap."""
    lowest = tuple(range(-(n // 2), (n + 1) // 2))
    return Window(None, lowest, lowest)


def plane(window: Window, values: NDArray[np.float64]) -> Values:
    """Return the values of a window on the whole plane; the other half of a half plane follows by symmetry."""
    return values if window.j[0] < 0 else np.hstack([values[::-1, :0:-1], values])


@dataclass(frozen=True, slots=True)
class Heatmap:
    """The effect of the waves on one codec point at one strength; the arrays have the shape of the window.

    `bpp` is in bits per pixel. `psnr` is in dB against the image shown and `psnr_clean` against the clean one; both are
    infinite where every image was returned unchanged. Missing values are NaN. `clean_bpp` and `clean_psnr` are the
    values of the same images without a wave. `size` is the (height, width) of all the images, None if they differ.
    `failed` is the number of failed rows.
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
        """The frequencies without values."""
        return np.isnan(self.bpp)

    def clean(self, quantity: Quantity) -> float:
        """Return the value on clean images that the values under waves are compared with."""
        return self.clean_bpp if quantity == "bpp" else self.clean_psnr

    def change(self, quantity: Quantity) -> Values:
        """Return the difference to clean: NaN where missing, infinite where one value is infinite, 0 where both are."""
        values: Values = getattr(self, quantity)
        clean = self.clean(quantity)
        with np.errstate(invalid="ignore"):
            return np.where(np.isposinf(values) & np.isposinf(clean), 0.0, values - clean)

    def cycles(self) -> tuple[Values, Values]:
        """Return the frequencies in cycles per pixel, down and across; NaN where images of several sizes differ."""
        height, width = (self.window.steps,) * 2 if self.window.steps is not None else self.size or (math.nan,) * 2
        return np.array(self.window.i) / height, np.array(self.window.j) / width

    def places(self) -> Iterator[tuple[int, int]]:
        """Yield the indices of the arrays, each pair of opposite frequencies once."""
        seen = set()
        for row, i in enumerate(self.window.i):
            for column, j in enumerate(self.window.j):
                if (frequency := self.window.canonical((i, j))) not in seen:
                    seen.add(frequency)
                    yield row, column


def parse(name: str) -> tuple[int, int, int | None] | None:
    """Return the (i, j, steps) of a corruption that is a wave, None for any other corruption."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    i, j = (int(text.replace("m", "-")) for text in match.groups()[:2])
    steps = int(match[3]) if match[3] else None
    if steps is not None and not all(-steps < 2 * part <= steps for part in (i, j)):
        return None  # beyond half a cycle per pixel it is an alias of a wave that has another name
    return i, j, steps


def windows(rows: pd.DataFrame) -> list[Window]:
    """Return the windows whose waves the rows contain, the one with the most waves first."""
    frequencies: defaultdict[int | None, list[Frequency]] = defaultdict(list)
    for name in rows["corruption"].unique():
        if (wave := parse(name)) is not None:
            frequencies[wave[2]].append(wave[:2])
    ordered = sorted(frequencies, key=lambda steps: -len(frequencies[steps]))
    highest = max((abs(cycles) for frequency in frequencies[None] for cycles in frequency), default=0)
    return [full_window(steps) if steps is not None else low_window(2 * max(1, highest)) for steps in ordered]


def heatmaps(rows: pd.DataFrame, window: Window | None = None) -> list[Heatmap]:
    """Return the heatmap of every codec point at every strength in the rows of one set, weakest first.

    The columns are those of `benchmark.store.read`; RULE says how rows are aggregated. The default window is the one
    with the most frequencies. A codec point without comparable images has a heatmap without images.

    Raises NoHeatmap if rows have no waves, none of that window, or several sets.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) > 1:
        raise NoHeatmap(f"a heatmap shows one set: choose one of {', '.join(sets)}")
    available = windows(rows)
    if not available:
        raise NoHeatmap("a heatmap needs rows of waves of many frequencies: codecshift heatmap --out FILE")
    window = window or available[0]
    names = {name: window.canonical(wave[:2]) for name in rows["corruption"].unique() if (wave := _in(window, name))}
    if not names:
        raise NoHeatmap(f"no rows of {window}: the file has {', '.join(map(str, available))}")
    waves = rows[rows["corruption"].isin(names)]
    waves = waves.assign(frequency=waves["corruption"].map(names))
    clean = rows[(rows["corruption"] == CLEAN) & (rows["status"] == "ok")]
    return [
        _heatmap(part, clean[(clean["codec"] == codec) & (clean["point"] == point)], window)
        for (_, codec, point), part in waves.groupby(["severity", "codec", "point"], sort=True)
    ]


def _in(window: Window, name: str) -> tuple[int, int, int | None] | None:
    """Return the wave called `name` if it is in the window, else None."""
    wave = parse(name)
    if wave is None or wave[2] != window.steps:
        return None
    return wave if any(i in window.i and j in window.j for i, j in (wave[:2], (-wave[0], -wave[1]))) else None


def _heatmap(rows: pd.DataFrame, clean: pd.DataFrame, window: Window) -> Heatmap:
    """Return the heatmap of the rows of one codec point and severity, with its clean rows that are ok."""
    first = rows.iloc[0]
    ok = rows[(rows["status"] == "ok") & rows["image"].isin(clean["image"])]
    ok = ok.assign(**{name: mean_squared_error(ok[name]) for name in ("psnr", "psnr_clean")})
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
                values[row, column] = known.get(window.canonical((i, j)), math.nan)
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
        clean_psnr=float(psnr_of_mse(mean_squared_error(clean["psnr"]).mean())),
        bpp=arrays["bpp"],
        psnr=psnr_of_mse(arrays["psnr"]),
        psnr_clean=psnr_of_mse(arrays["psnr_clean"]),
    )


def table(heatmap: Heatmap) -> pd.DataFrame:
    """Return a heatmap as a table with one line per frequency, in the order of its window.

    Columns: set, codec, point, severity, rms, i, j, fy, fx (cycles per pixel), n (images, 0 where it is missing), then
    bpp, psnr and psnr_clean, then the difference of each to clean as bpp_change, psnr_change and psnr_clean_change.
    """
    i, j = np.meshgrid(heatmap.window.i, heatmap.window.j, indexing="ij")
    fy, fx = np.meshgrid(*heatmap.cycles(), indexing="ij")
    arrays = {"i": i, "j": j, "fy": fy, "fx": fx, "n": np.where(heatmap.missing, 0, len(heatmap.images))}
    arrays |= {name: getattr(heatmap, name) for name in QUANTITIES}
    arrays |= {f"{name}_change": heatmap.change(name) for name in QUANTITIES}
    lines = pd.DataFrame({name: values.ravel() for name, values in arrays.items()})
    for column, name in enumerate(("set", "codec", "point", "severity", "rms")):
        lines.insert(column, name, getattr(heatmap, name))
    return lines


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of one quantity of a heatmap: its value on clean images, and how the waves change it.

    `low`, `medium` and `high` are mean differences over the thirds of the frequency range, NaN for a third without
    frequencies; `worst` is the greatest loss, at (`i`, `j`).
    """

    clean: float
    low: float
    medium: float
    high: float
    worst: float
    i: int
    j: int


def summarise(heatmap: Heatmap, quantity: Quantity) -> Summary | None:
    """Return the summary of one quantity, counting opposite frequencies once; None if all values are missing."""
    change = heatmap.change(quantity)
    fy, fx = heatmap.cycles()
    places = [place for place in heatmap.places() if not heatmap.missing[place]]
    if not places:
        return None
    by_third = defaultdict(list)
    for row, column in places:
        radius = math.hypot(fy[row], fx[column])
        if not math.isnan(radius):
            by_third[third_of(radius)].append(change[row, column])
    row, column = max(places, key=lambda place: change[place] if quantity == "bpp" else -change[place])
    return Summary(
        clean=heatmap.clean(quantity),
        **{name: float(np.mean(by_third[name])) if by_third[name] else math.nan for name in ("low", "medium", "high")},
        worst=float(change[row, column]),
        i=heatmap.window.i[row],
        j=heatmap.window.j[column],
    )
