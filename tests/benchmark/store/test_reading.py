"""Tables have the columns of the contract, derived by the definition."""

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.store import TABLE_COLUMNS, Row, RunFile

Rows = Callable[..., Row]
Write = Callable[..., Path]
CONTRACT = (
    "set, corruption, severity, codec, point, image, height, width, nbytes, bpp, psnr, psnr_clean, ms_ssim, "
    "ms_ssim_clean, encode_s, decode_s, status, run"
)


def test_the_columns_are_those_of_the_contract() -> None:
    assert CONTRACT.split(", ") == list(TABLE_COLUMNS)


def test_bpp_and_psnr_are_derived_by_the_definition(tmp_path: Path, row: Rows, write: Write) -> None:
    table = store.read(write(tmp_path / "r.sqlite", [row()]))
    assert list(table.columns) == list(TABLE_COLUMNS)
    (one,) = table.to_dict("records")
    assert one["bpp"] == 8 * 100 / (20 * 10)
    # The mean squared errors are 6000 / 600 = 10 and 60000 / 600 = 100.
    assert one["psnr"] == pytest.approx(20 * math.log10(255) - 10, abs=1e-12)
    assert one["psnr_clean"] == pytest.approx(20 * math.log10(255) - 20, abs=1e-12)
    assert (one["ms_ssim"], one["ms_ssim_clean"]) == (0.75, 0.5)
    derived = {"bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean"}
    same = {name: getattr(row(), name) for name in TABLE_COLUMNS if name not in derived}
    assert same == {name: one[name] for name in same}


def test_the_types_of_columns_do_not_depend_on_the_rows(tmp_path: Path, row: Rows, write: Write) -> None:
    full = store.read(write(tmp_path / "full.sqlite", [row()])).dtypes.astype(str)
    failed = store.read(write(tmp_path / "failed.sqlite", [row(status="failed", message="why")])).dtypes.astype(str)
    empty = store.read(write(tmp_path / "empty.sqlite", [])).dtypes.astype(str)
    assert full["severity"] == "int64"
    assert set(full[["height", "width", "nbytes"]]) == {"Int64"}
    floats = ["bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s"]
    assert set(full[floats]) == {"float64"}
    assert full.to_dict() == failed.to_dict()
    assert full.to_dict() == empty.to_dict()


def test_a_lossless_row_is_infinite_and_a_failed_one_missing(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [row(image="a", error=0), row(image="b", status="failed", message="why")]
    table = store.read(write(tmp_path / "r.sqlite", rows)).set_index("image")
    assert table.loc["a", "psnr"] == math.inf
    assert math.isfinite(table.loc["a", "psnr_clean"])
    numbers = ["height", "width", "nbytes", "bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s"]
    assert table.loc["b", [*numbers, "decode_s"]].isna().all()
    assert table.loc["b", "status"] == "failed"


def test_an_image_too_small_for_ms_ssim_has_a_psnr(tmp_path: Path, row: Rows, write: Write) -> None:
    table = store.read(write(tmp_path / "r.sqlite", [row(ms_ssim=None, ms_ssim_clean=None)]))
    assert math.isnan(table["ms_ssim"][0])
    assert math.isfinite(table["psnr"][0])


def test_the_largest_error_of_a_gigapixel_image_is_kept_exactly(tmp_path: Path, row: Rows, write: Write) -> None:
    error = 255**2 * 3 * 10**9 + 1
    path = write(tmp_path / "r.sqlite", [row(error=error, height=10**5, width=10**4)])
    assert store.read(path)["psnr"][0] == pytest.approx(0, abs=1e-9)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT error FROM rows").fetchone() == (error,)
    connection.close()


def test_rows_come_in_the_order_of_their_key(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [row(image=image, severity=severity) for severity in (5, 1, 3) for image in ("b", "a")]
    table = store.read(write(tmp_path / "r.sqlite", rows))
    expected = [(severity, image) for severity in (1, 3, 5) for image in ("a", "b")]
    assert expected == list(zip(table["severity"], table["image"], strict=True))


def test_a_file_says_when_its_runs_sat_and_with_how_many_jobs(tmp_path: Path, row: Rows) -> None:
    path = tmp_path / "r.sqlite"
    for started, jobs in (("2026-01-02T03:04:05+00:00", 2), ("2026-01-02T04:00:00+00:00", 16)):
        with RunFile.open(path) as file:
            file.begin("r", {}, started, jobs)
    assert store.sittings(path).to_dict("records") == [
        {"run": "r", "started": "2026-01-02T03:04:05+00:00", "jobs": 2},
        {"run": "r", "started": "2026-01-02T04:00:00+00:00", "jobs": 16},
    ]
