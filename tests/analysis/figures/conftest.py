"""Rows, spectra and pictures made by hand, of which every figure's values are known beforehand."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import Material
from codecshift.analysis.spectrum import GRID, density

BANDS = {"fog": "low", "glass_blur": "medium", "shot_noise": "high"}
CONDITIONS = [("none", 0), *((name, severity) for name in BANDS for severity in (1, 3))]
LEVELS = {"image": 60.0, "D": 10.0, "G": 20.0, "R": 30.0, "shift": 40.0}
"""The power density of each quantity in dB, the same at every frequency."""


def make_rows(codecs: Sequence[str] = ("jpeg", "jpeg2000", "webp"), points: int = 5) -> pd.DataFrame:
    """Return rows of curves that are straight over log rate, each codec 1 dB below the one before."""
    lines = []
    for (place, codec), (corruption, severity), point, image in itertools.product(
        enumerate(codecs), CONDITIONS, range(points), ("a", "b")
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


def flat(decibels: float) -> np.ndarray:
    """Return a grid of the same power density everywhere."""
    return 10 ** (decibels / 10) / density(np.ones(GRID))


def make_spectra(rows: pd.DataFrame) -> pd.DataFrame:
    """Return spectra beside rows, of the densities LEVELS, each codec 1 dB below the one before."""
    lines: list[dict[str, Any]] = []

    def add(condition: tuple[str, int], quantity: str, codec: str = "", point: str = "", lower: float = 0) -> None:
        place = {"set": "kodak", "corruption": condition[0], "severity": condition[1], "codec": codec, "point": point}
        lines.append({**place, "quantity": quantity, "channel": "Y", "n": 2, "power": flat(LEVELS[quantity] - lower)})

    pairs = list(dict.fromkeys(zip(rows["codec"], rows["point"], strict=True)))
    order = list(dict.fromkeys(rows["codec"]))
    for condition in CONDITIONS:
        clean = condition[0] == "none"
        add(condition, "image" if clean else "shift")
        for codec, point in pairs:
            for quantity in ("D",) if clean else ("G", "R"):
                add(condition, quantity, codec, point, order.index(codec))
    return pd.DataFrame(lines)


class Drawn:
    """Pictures of noise: what is shown is brighter by ten times the severity, what is decoded darker by its point."""

    def __init__(self, height: int = 120, width: int = 200, lacking: str = "") -> None:
        self._size = (height, width, 3)
        self._lacking = lacking

    def missing(self) -> str:
        return self._lacking

    def clean(self, image: str) -> np.ndarray:
        return np.random.default_rng(len(image)).integers(60, 160, self._size).astype(np.uint8)

    def shown(self, image: str, _corruption: str, severity: int) -> np.ndarray:
        return self.clean(image) + np.uint8(10 * severity)

    def decoded(self, image: str, corruption: str, severity: int, _codec: str, point: str) -> np.ndarray:
        return self.shown(image, corruption, severity) - np.uint8(point[1:])


@pytest.fixture(scope="session")
def spectra() -> Callable[[pd.DataFrame], pd.DataFrame]:
    return make_spectra


@pytest.fixture(scope="session")
def levels() -> Mapping[str, float]:
    return LEVELS


@pytest.fixture(scope="session")
def pictures() -> type[Drawn]:
    return Drawn


@pytest.fixture(scope="session")
def rows() -> Callable[..., pd.DataFrame]:
    return make_rows


@pytest.fixture(scope="session")
def material() -> Callable[..., Material]:
    """Return a function that makes material: of `make_rows` unless rows are given."""

    def make(rows: pd.DataFrame | None = None, **more: Any) -> Material:
        return Material(make_rows() if rows is None else rows, BANDS, **more)

    return make


@pytest.fixture(scope="session")
def everything() -> Material:
    """Return material of all that a figure may need: rows, waves, spectra, pictures, neural codecs and a linear one."""
    rows = make_rows(("jpeg", "jpeg2000", "webp", "linear"))
    rows.loc[rows["codec"] == "linear", "point"] = "r" + rows["point"].str[1:].astype(int).add(3).astype(str)
    of_jpeg = rows[(rows["codec"] == "jpeg") & (rows["corruption"] == "fog") & (rows["severity"] == 3)]
    waves = [of_jpeg.assign(corruption=f"fourier_{i}_{j}_of_4") for i in (1, 2) for j in (0, 1)]
    codecs = {name: {"kind": "neural", "chroma": "4:4:4"} for name in ("jpeg", "webp")}
    return Material(
        pd.concat([rows, *waves]),
        BANDS,
        make_spectra(rows),
        pictures=Drawn(),
        runs=("r",),
        codecs=codecs,
        file="k.sqlite",
    )
