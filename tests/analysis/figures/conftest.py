"""Rows, spectra and pictures made by hand, of which every figure's values are known beforehand."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.figures import Evidence

BANDS = {"fog": "low", "glass_blur": "medium", "shot_noise": "high"}


def make_rows(codecs: Sequence[str] = ("jpeg", "jpeg2000", "webp"), points: int = 5) -> pd.DataFrame:
    """Return rows of curves that are straight over log rate, each codec 1 dB below the one before."""
    conditions = [("none", 0), *((name, severity) for name in BANDS for severity in (1, 3))]
    lines = []
    for (place, codec), (corruption, severity), point, image in itertools.product(
        enumerate(codecs), conditions, range(points), ("a", "b")
    ):
        bpp = 0.1 * 2**point
        quality = 30 + 6 * math.log2(bpp) - place - 2 * severity + (image == "b")
        lines.append(
            {
                "set": "kodak",
                "corruption": corruption,
                "severity": severity,
                "codec": codec,
                "point": f"p{point}",
                "image": image,
                "height": 100,
                "width": 100,
                "nbytes": round(bpp * 1250),
                "bpp": bpp,
                "psnr": quality,
                "psnr_clean": quality - severity,
                "ms_ssim": 0.9,
                "ms_ssim_clean": 0.8,
                "encode_s": 0.1,
                "decode_s": 0.1,
                "status": "ok",
                "run": "r",
            }
        )
    return pd.DataFrame(lines)


@pytest.fixture
def rows() -> Callable[..., pd.DataFrame]:
    return make_rows


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Return a function that makes evidence: of `make_rows` unless rows are given."""

    def make(rows: pd.DataFrame | None = None, **more: Any) -> Evidence:
        return Evidence(make_rows() if rows is None else rows, BANDS, **more)

    return make
