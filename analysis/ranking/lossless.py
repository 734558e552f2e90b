"""Lossless codecs have no rate curve: their rates and times, apart from the ranking."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..conditions import BANDS, CLEAN, Condition
from .groups import groups_of, mean_over
from .ladders import lossless_codecs

RAW_BPP = 24.0
"""Bits per pixel of three 8-bit channels without compression."""


@dataclass(frozen=True, slots=True)
class Lossless:
    """One setting of a lossless codec; NaN where unknown.

    `clean`, `low`, `medium` and `high` are bits per pixel: means over images, then over severities, then over
    corruptions. `encode_s` and `decode_s` are median seconds an image on clean images. `n` is the number of images in
    the condition with the fewest.
    """

    codec: str
    point: str
    n: int
    clean: float
    low: float
    medium: float
    high: float
    encode_s: float
    decode_s: float


def lossless(rows: pd.DataFrame, conditions: Collection[Condition], bands: Mapping[str, str]) -> tuple[Lossless, ...]:
    """Return the lossless codecs of one set's rows, the fewest bits on clean images first.

    `bands` maps a corruption to "low", "medium" or "high". Under each condition the codecs are compared on the images
    that all of them coded there. A codec without a row under some condition of a band has no number for that band. A
    codec that takes RAW_BPP or more on every image, as raw pixels do, is left out.
    """
    ok = rows[(rows["status"] == "ok") & rows["codec"].isin(lossless_codecs(rows))]
    least = ok.groupby("codec", sort=False)["bpp"].min()
    ok = ok[ok["codec"].isin(least.index[least < RAW_BPP])]
    cells = {
        (corruption, severity): part.pivot_table(index="image", columns=["codec", "point"], values="bpp").dropna()
        for corruption, severity in conditions
        if len(part := ok[(ok["corruption"] == corruption) & (ok["severity"] == severity)])
    }
    means = {condition: cell.mean() for condition, cell in cells.items()}
    groups = groups_of(conditions, bands)
    seconds = ok[ok["corruption"] == CLEAN].groupby(["codec", "point"])[["encode_s", "decode_s"]].median()
    lines = []
    for codec, point in dict.fromkeys(zip(ok["codec"], ok["point"], strict=True)):
        key = (codec, point)
        rates = {condition: np.asarray(mean.get(key, math.nan), np.float64) for condition, mean in means.items()}
        whole = {condition: rates.get(condition, np.asarray(math.nan)) for condition in conditions}
        clean, low, medium, high = (float(mean_over(whole, groups[name])) for name in ("clean", *BANDS))
        encode_s, decode_s = (float(seconds[name].get(key, math.nan)) for name in ("encode_s", "decode_s"))
        n = min((len(cell) for cell in cells.values() if key in cell.columns), default=0)
        lines.append(Lossless(codec, point, n, clean, low, medium, high, encode_s, decode_s))
    return tuple(sorted(lines, key=lambda line: (math.isnan(line.clean), line.clean)))
