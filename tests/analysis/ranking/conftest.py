"""Rows of codecs whose rates are known multiples of each other's at equal quality."""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
import pytest

Condition = tuple[str, int]
Make = Callable[..., pd.DataFrame]

POINTS = tuple(f"p{k}" for k in range(6))


@pytest.fixture
def photographs() -> Make:
    """Return a function that makes rows of codecs, whose bpp is 2^k / 8 x a factor x what the image costs.

    `codecs` maps a codec to its log factor by condition, or one for all conditions. Each image has a cost and a quality
    of its own, and `spread` is the deviation over images of a codec's own log factor, under each condition anew.
    """

    def make(
        codecs: Mapping[str, float | Mapping[Condition, float]],
        conditions: Iterable[Condition],
        *,
        images: int = 4,
        points: Iterable[str] = POINTS,
        spread: float = 0.0,
        seed: int = 0,
    ) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        names = [f"image{k:02}" for k in range(images)]
        parts = []
        for condition in conditions:
            cost, hard = random.normal(0, 0.4, images), random.normal(0, 2, images)
            for codec, factor in codecs.items():
                log = factor[condition] if isinstance(factor, Mapping) else factor
                own = np.exp(cost + log + spread * random.normal(size=images))
                for place, point in enumerate(points):
                    quality = 24 + 3 * place + hard
                    line = {"codec": codec, "corruption": condition[0], "severity": condition[1], "point": point}
                    line |= {"image": names, "bpp": 0.125 * 2**place * own, "psnr": quality, "psnr_clean": quality - 3}
                    parts.append(pd.DataFrame(line | {"ms_ssim": 1 - 10 ** (-quality / 20)}))
        return pd.concat(parts, ignore_index=True).assign(set="kodak", status="ok")

    return make


@pytest.fixture
def fail() -> Callable[[pd.DataFrame, "pd.Series[bool]"], pd.DataFrame]:
    """Return a function that makes some rows of a table failed ones."""

    def make(table: pd.DataFrame, where: "pd.Series[bool]", status: str = "failed") -> pd.DataFrame:
        table = table.copy()
        table.loc[where, ["bpp", "psnr", "psnr_clean", "ms_ssim"]] = math.nan
        table.loc[where, "status"] = status
        return table

    return make
