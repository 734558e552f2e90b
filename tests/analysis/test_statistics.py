"""The aggregation rules against the same sums written out in plain Python."""

import math
import statistics
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.statistics import CELL, RULES, summarise

Raw = dict[str, Any]


def row(image: str, **raw: Any) -> Raw:
    """Return what a run file holds of one image; whatever is not given is that of an ordinary row."""
    ordinary = {
        "set": "kodak",
        "corruption": "fog",
        "severity": 3,
        "codec": "jpeg",
        "point": "q75",
        "image": image,
        "height": 100,
        "width": 200,
        "nbytes": 2500,
        "error": 60_000,
        "error_clean": 600_000,
        "ms_ssim": 0.98,
        "ms_ssim_clean": 0.9,
        "encode_s": 0.25,
        "decode_s": 0.125,
        "status": "ok",
        "run": "r1",
    }
    assert set(raw) <= set(ordinary)
    return ordinary | raw


def failed(image: str, status: str = "failed", **raw: Any) -> Raw:
    measured = ("height", "width", "nbytes", "error", "error_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s")
    return row(image, **dict.fromkeys(measured), status=status, **raw)


def decibels(error: int | None, pixels: int | None) -> float:
    if error is None or pixels is None:
        return math.nan
    return 10 * math.log10(255**2 * 3 * pixels / error) if error else math.inf


def table(rows: Sequence[Raw]) -> pd.DataFrame:
    """Return the rows as `benchmark.store.read` does, derived by hand."""
    frame = pd.DataFrame(rows)
    pixels = [None if one["height"] is None else one["height"] * one["width"] for one in rows]
    for name in ("psnr", "psnr_clean"):
        error = name.replace("psnr", "error")
        frame[name] = [decibels(one[error], area) for one, area in zip(rows, pixels, strict=True)]
    frame["bpp"] = [
        math.nan if area is None else 8 * one["nbytes"] / area for one, area in zip(rows, pixels, strict=True)
    ]
    whole = dict.fromkeys(("height", "width", "nbytes"), "Int64")
    real = dict.fromkeys(("ms_ssim", "ms_ssim_clean", "encode_s", "decode_s"), "float64")
    return frame.drop(columns=["error", "error_clean"]).astype(whole | real)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def line(rows: Sequence[Raw]) -> Raw:
    """Return the line of one cell, in plain Python."""
    ok = [one for one in rows if one["status"] == "ok"]
    pixels = [one["height"] * one["width"] for one in ok]
    found: Raw = {name: rows[0][name] for name in CELL}
    found["n"] = len(ok)
    found["n_failed"] = len(rows) - len(ok)
    found["n_lossless"] = sum(one["error"] == 0 for one in ok)
    found["bpp_mean"] = mean([8 * one["nbytes"] / area for one, area in zip(ok, pixels, strict=True)])
    found["bpp_corpus"] = 8 * sum(one["nbytes"] for one in ok) / sum(pixels) if ok else math.nan
    for ending in ("", "_clean"):
        errors = [one[f"error{ending}"] for one in ok]
        similarities = [one[f"ms_ssim{ending}"] for one in ok]
        squares = mean([error / (3 * area) for error, area in zip(errors, pixels, strict=True)])
        each = [decibels(error, area) for error, area in zip(errors, pixels, strict=True) if error]
        found[f"psnr{ending}_mean"] = mean(each)
        found[f"psnr{ending}_of_mse"] = (
            math.nan if not ok else 10 * math.log10(255**2 / squares) if squares else math.inf
        )
        found[f"ms_ssim{ending}_mean"] = mean([value for value in similarities if value is not None])
    for name in ("encode_s", "decode_s"):
        found[name] = median([one[name] for one in ok])
    found["run"] = " ".join(sorted({one["run"] for one in rows}))
    return found


def cell(one: Raw) -> tuple[Any, ...]:
    return tuple(one[name] for name in CELL)


CASES = {
    "one row": [row("a")],
    "several errors": [row("a", error=1), row("b", error=10_000), row("c", error=999_999, error_clean=1)],
    "sizes differ": [
        row("a", height=512, width=768, nbytes=100_000, error=5_000_000),
        row("b", height=161, width=333, nbytes=30_001, error=77),
    ],
    "one is lossless": [row("a", error=0, error_clean=5, ms_ssim=1.0), row("b"), row("c", error=12)],
    "all are lossless": [row("a", error=0, error_clean=0), row("b", error=0, error_clean=5)],
    "lossless of a spoilt image": [row("a", error=0, error_clean=50_000)],
    "no MS-SSIM": [row("a", height=100, width=10, ms_ssim=None, ms_ssim_clean=None), row("b")],
    "no MS-SSIM at all": [row(name, ms_ssim=None, ms_ssim_clean=None) for name in "ab"],
    "some failed": [row("a"), failed("b"), row("c", nbytes=1), failed("d", "skipped")],
    "all failed": [failed("a"), failed("b", "skipped")],
    "times": [row(name, encode_s=2.0**k, decode_s=3.0**k) for k, name in enumerate("abcd")],
    "several runs": [row("a", run="r2"), failed("b", run="r3"), row("c", run="r1"), row("d", run="r2")],
}


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
def test_a_cell_is_summarised_by_the_rules(rows: list[Raw]) -> None:
    found = summarise(table(rows))
    pd.testing.assert_frame_equal(found[list(line(rows))], pd.DataFrame([line(rows)]), check_dtype=False, rtol=1e-12)


def test_every_cell_has_a_line_of_its_own() -> None:
    everything = [
        one | {"point": f"q{k}", "codec": codec, "severity": k % 5}
        for codec in ("webp", "jpeg")
        for k, rows in enumerate(CASES.values())
        for one in rows
    ]
    shuffled = [everything[k] for k in np.random.default_rng(5).permutation(len(everything))]
    groups = [list(group) for _, group in groupby(sorted(everything, key=cell), cell)]
    expected = pd.DataFrame([line(group) for group in groups])
    found = summarise(table(shuffled)).sort_values(CELL, ignore_index=True)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False, rtol=1e-12)


def test_the_two_aggregations_of_rate_part_where_sizes_differ() -> None:
    rows = [row("small", height=10, width=10, nbytes=100), row("large", height=100, width=100, nbytes=1000)]
    found = summarise(table(rows)).loc[0]
    assert found["bpp_mean"] == pytest.approx((8 + 0.8) / 2)
    assert found["bpp_corpus"] == pytest.approx(8 * 1100 / 10_100)


def test_the_columns_are_the_cell_the_rules_and_the_runs() -> None:
    clean = ["psnr_clean_mean", "psnr_clean_of_mse", "ms_ssim_clean_mean"]
    rules = list(RULES)
    after = rules.index("ms_ssim_mean") + 1
    assert list(summarise(table([row("a")]))) == [*CELL, *rules[:after], *clean, *rules[after:], "run"]
