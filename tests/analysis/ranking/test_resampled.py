"""A resample is the leaderboard of the images drawn: as if each were there as often as it was drawn."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.ranking import rank
from codecshift.analysis.ranking.point_tables import PointTables
from codecshift.analysis.ranking.resampled import BLOCK, resample
from codecshift.analysis.statistics import bootstrap

CONDITIONS = (CLEAN, ("fog", 3), ("shot_noise", 1), ("shot_noise", 5))
BANDS = {"fog": "low", "shot_noise": "high"}
IMAGES = tuple(f"image{k}" for k in range(8))
POINTS = {"jpeg2000": 7, "jpeg": 8, "webp": 6, "short": 2}


def rows(seed: int = 0, wobble: float = 0.3) -> pd.DataFrame:
    """Return rows of codecs whose images differ, and whose curves are bumpy in places."""
    random = np.random.default_rng(seed)
    hard = {image: random.normal(0, 2) for image in IMAGES}
    lines = []
    for place, (codec, points) in enumerate(POINTS.items()):
        for corruption, severity in CONDITIONS:
            for point in range(points):
                for image in IMAGES:
                    bpp = 0.1 * 1.7**point * math.exp(0.1 * place + 0.05 * severity + 0.1 * random.normal())
                    quality = 26 + 2 * point - 0.5 * severity + hard[image] + wobble * random.normal()
                    lines.append(
                        {
                            "set": "kodak",
                            "corruption": corruption,
                            "severity": severity,
                            "codec": codec,
                            "point": f"p{point}",
                            "image": image,
                            "bpp": bpp,
                            "psnr": quality,
                            "psnr_clean": quality - severity,
                            "ms_ssim": 1 - 10 ** (-quality / 20),
                            "status": "ok",
                        }
                    )
    return pd.DataFrame(lines)


def duplicated(table: pd.DataFrame, counts: Sequence[float], images: Sequence[str]) -> pd.DataFrame:
    """Return the table with each image as often as it was drawn, under names of its own."""
    copies = [
        table[table["image"] == image].assign(image=f"{image} again {k}")
        for image, count in zip(images, counts, strict=True)
        for k in range(int(count))
    ]
    return pd.concat(copies, ignore_index=True)


def spoilt(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a row that failed, one that is lossless, one without MS-SSIM, and a point not run."""
    table = table.copy()

    def at(codec: str, corruption: str, point: str, image: str) -> pd.Series:
        chosen = (table["codec"] == codec) & (table["corruption"] == corruption)
        return chosen & (table["point"] == point) & (table["image"] == image)

    table.loc[at("jpeg", "fog", "p2", "image1"), "status"] = "failed"
    table.loc[at("webp", "none", "p5", "image3"), "psnr"] = math.inf
    table.loc[at("jpeg2000", "fog", "p1", "image0"), "ms_ssim"] = math.nan
    return table[~((table["codec"] == "jpeg") & (table["corruption"] == "shot_noise") & (table["point"] == "p0"))]


@pytest.mark.parametrize("quality", ["psnr", "ms_ssim"])
@pytest.mark.parametrize("table", [rows(), rows(1, wobble=3.0), spoilt(rows(2))], ids=["smooth", "bumpy", "spoilt"])
def test_a_resample_is_the_leaderboard_of_the_images_drawn(table: pd.DataFrame, quality: str) -> None:
    tables = PointTables(table, quality)
    weights = bootstrap(len(IMAGES), 12, seed=3)
    found = resample(tables, "jpeg2000", weights, matched_bpp=0.5, minimum_overlap=0.3)
    for place, counts in enumerate(weights):
        board = rank(duplicated(table, counts, tables.images), BANDS, anchor="jpeg2000", quality=quality)
        for row, codec in enumerate(tables.codecs):
            for column, condition in enumerate(tables.conditions):
                key = (codec, condition)
                for values, expected in (
                    (found.bd_rate, board.bd_rates[key].percent),
                    (np.exp(found.log_inflation), board.inflations.get(key, math.nan)),
                    (found.psnr_clean, board.psnr_clean.get(key, math.nan)),
                ):
                    assert values[row, column, place] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), key


def test_every_image_once_is_the_leaderboard() -> None:
    tables = PointTables(spoilt(rows()), "psnr")
    board = rank(spoilt(rows()), BANDS)
    found = resample(tables, board.anchor, np.ones((1, len(IMAGES))), matched_bpp=0.5)
    for row, codec in enumerate(tables.codecs):
        expected = [board.bd_rates[codec, condition].percent for condition in tables.conditions]
        np.testing.assert_allclose(found.bd_rate[row, :, 0], expected, rtol=1e-9, atol=1e-9)


def test_blocks_are_one_after_another() -> None:
    tables = PointTables(rows(), "psnr")
    weights = bootstrap(len(IMAGES), BLOCK + 10, seed=3)
    whole = resample(tables, "jpeg", weights, matched_bpp=0.5)
    for part in (slice(0, 5), slice(BLOCK - 3, BLOCK + 10)):
        alone = resample(tables, "jpeg", weights[part], matched_bpp=0.5)
        for name in ("bd_rate", "log_inflation", "psnr_clean"):
            np.testing.assert_allclose(getattr(whole, name)[..., part], getattr(alone, name), rtol=1e-12)


def test_a_resample_without_the_images_that_are_shared_has_no_value() -> None:
    table = rows()
    table = table[(table["codec"] != "webp") | (table["image"] == "image2")]
    tables = PointTables(table, "psnr")
    without, alone = np.ones(8), np.zeros(8)
    without[2], alone[2] = 0, 8
    found = resample(tables, "jpeg2000", np.array([without, alone]), matched_bpp=0.5)
    webp = tables.codecs.index("webp")
    assert np.isnan(found.bd_rate[webp, :, 0]).all()
    expected = rank(table[table["image"] == "image2"], BANDS).bd_rates
    np.testing.assert_allclose(
        found.bd_rate[webp, :, 1], [expected["webp", one].percent for one in tables.conditions], rtol=1e-9
    )
