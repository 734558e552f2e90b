"""What commands print of a run file is what it holds."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from codecshift.benchmark import store
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.store import Row

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[..., Any]


def test_rows_as_csv_are_the_table(measured: Path, say: Say) -> None:
    said = say("rows", measured)
    assert (said.code, said.err) == (0, "")
    table = store.read(measured)
    read = pd.read_csv(io.StringIO(said.out), float_precision="round_trip")
    pd.testing.assert_frame_equal(table, read.astype(table.dtypes.to_dict()))


def test_rows_as_json_are_the_table(measured: Path, say: Say) -> None:
    said = say("rows", measured, "--format", "json")
    assert said.code == 0
    table = store.read(measured)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert all(list(line) == list(table.columns) for line in lines)
    read = pd.DataFrame(lines)
    # JSON has no infinity: a lossless row has no PSNR, and is told from a failed one by its status.
    read.loc[read["status"] == "ok", ["psnr", "psnr_clean"]] = read[["psnr", "psnr_clean"]].fillna(float("inf"))
    pd.testing.assert_frame_equal(table, read.astype(table.dtypes.to_dict()), rtol=0, atol=1e-9)


def test_rows_as_parquet_are_the_table(
    measured: Path, tmp_path: Path, environment: dict[str, str], complaints: Callable[[str], list[str]]
) -> None:
    target = tmp_path / "rows.parquet"
    program = "from codecshift.benchmark.cli import main; main()"
    with target.open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program, "rows", measured, "--format", "parquet"],
            stdout=file,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
            check=False,
        )
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    table = store.read(measured)
    pd.testing.assert_frame_equal(table, pd.read_parquet(target).astype(table.dtypes.to_dict()))


def test_rows_that_failed_have_empty_cells(tmp_path: Path, row: Rows, write: Write, say: Say) -> None:
    path = write(tmp_path / "r.sqlite", [row(status="failed", message="why")])
    (line,) = csv.DictReader(io.StringIO(say("rows", path).out))
    empty = [
        "height",
        "width",
        "nbytes",
        "bpp",
        "psnr",
        "psnr_clean",
        "ms_ssim",
        "ms_ssim_clean",
        "encode_s",
        "decode_s",
    ]
    assert [name for name, value in line.items() if value == ""] == empty
    (data,) = map(json.loads, say("rows", path, "--format", "json").out.splitlines())
    assert [name for name, value in data.items() if value is None] == empty


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, row: Rows, write: Write, start: Command) -> None:
    path = write(tmp_path / "r.sqlite", [row(image=f"{number:05}") for number in range(5000)])
    process = start("rows", path)
    assert process.stdout.readline().startswith("set,corruption")
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), errors) == (0, "")


def test_the_text_leaderboard_fits(measured: Path, say: Say) -> None:
    said = say("leaderboard", measured)
    assert (said.code, said.err) == (0, "")
    assert [line for line in said.out.splitlines() if len(line) > WIDTH] == []
    assert said.out == (measured.parent / "out.txt").read_text(encoding="utf-8")


def test_the_leaderboards_formats_agree(measured: Path, say: Say) -> None:
    lines = list(csv.DictReader(io.StringIO(say("leaderboard", measured, "--format", "csv").out)))
    data = json.loads(say("leaderboard", measured, "--format", "json").out)
    markdown = say("leaderboard", measured, "--format", "markdown").out
    codecs = [entry["codec"] for entry in data["entries"]]
    assert sorted(codecs) == ["identity", "jpeg", "webp"]
    assert codecs == [line["codec"] for line in lines]
    ranking, _, settings = markdown.partition("bits: difference in bits")
    ranked = [entry["codec"] for entry in data["entries"] if entry["rank"] is not None]
    assert ranked == re.findall(r"^\| *\d* *\| (\w+) ", ranking.partition("---")[2], re.MULTILINE)
    assert sorted(codecs) == [one["codec"] for one in data["codecs"]]
    assert sorted(codecs) == re.findall(r"^\| (\w+) \| \d \| classical ", settings, re.MULTILINE)


def test_a_leaderboard_says_how_sure_it_is(measured: Path, say: Say) -> None:
    assert "Confidence intervals need at least 6" in say("leaderboard", measured).out
    assert "ntervals" not in say("leaderboard", measured, "--resamples", 0).out
    data = json.loads(say("leaderboard", measured, "--resamples", 100, "--seed", 7, "--format", "json").out)
    assert data["intervals"] == {"confidence": 0.95, "images": 2, "resamples": 100, "seed": 7}
    assert json.loads(say("leaderboard", measured, "--resamples", 0, "--format", "json").out)["intervals"] is None


def test_a_leaderboard_tells_the_worst_cases(measured: Path, say: Say) -> None:
    said = say("leaderboard", measured, "--tails")
    assert [line for line in said.out.splitlines() if len(line) > WIDTH] == []
    assert re.search(r"^ *codec +mean +worst decile +CVaR +cases +lacking$", said.out, re.MULTILINE)
    assert re.search(r"^ *webp( +[+-]\S+%){3} +4 +0$", said.out, re.MULTILINE)
    assert "| worst decile |" in say("leaderboard", measured, "--tails", "--format", "markdown").out


def test_the_columns_of_a_leaderboard_can_be_chosen(measured: Path, say: Say) -> None:
    said = say("leaderboard", measured, "--columns", "rank,codec,bd_rate")
    assert re.search(r"^ *rank +codec +BD-rate$", said.out, re.MULTILINE)
    refused = say("leaderboard", measured, "--columns", "bd-rate")
    assert refused.code == 2
    assert "unknown column 'bd-rate'" in refused.err


def test_a_leaderboard_can_be_narrowed(measured: Path, say: Say) -> None:
    data = json.loads(say("leaderboard", measured, "--corruption", "fog", "--anchor", "webp", "--format", "json").out)
    assert data["anchor"] == "webp"
    assert list(data["conditions"]) == ["none@0", "fog@2"]
    high = json.loads(say("leaderboard", measured, "--corruption", "high", "--format", "json").out)
    assert list(high["conditions"]) == ["none@0", "shot_noise@2"]
    similarity = json.loads(say("leaderboard", measured, "--quality", "ms_ssim", "--format", "json").out)
    assert similarity["quality"] == "ms_ssim"


def test_an_export_lists_its_files(measured: Path, tmp_path: Path, say: Say) -> None:
    said = say("export", measured, tmp_path / "results")
    assert said.code == 0
    listed = [Path(line) for line in said.out.splitlines()]
    assert all(path.is_file() for path in listed)
    assert [path.name for path in listed[:-2]] == ["identity.csv", "jpeg.csv", "webp.csv"]
    assert listed[-2].parent == tmp_path / "results" / "v1" / "runs"
    assert listed[-1] == tmp_path / "results" / "v1" / "codecs.csv"


def test_an_export_says_what_became_of_published_tables(
    measured: Path, tmp_path: Path, write: Write, row: Rows, say: Say, complaints: Callable[[str], list[str]]
) -> None:
    """The paths on stdout, what became of them on stderr; `--replace` is for those who mean it."""
    results = tmp_path / "results"
    table = results / "v1" / "kodak" / "jpeg.csv"
    known = {"sets": {"kodak": {"digest": "0"}}, "corruptions": {}, "measures": {}, "codecs": {"jpeg": {"version": 1}}}
    known["codecs"]["jpeg"]["library"] = "libx 1"  # type: ignore[index]
    full = write(tmp_path / "full", [row(image=image, run="full") for image in "ab"], known)
    small = write(tmp_path / "small", [row(image="a", run="small"), row(image="a", point="q9", run="small")], known)
    assert complaints(say("export", full, results).err) == []
    said = say("export", small, results)
    assert said.code == 0
    kept = "1 kept because they cover more images or measures than the run file"
    assert said.err == f"lines of {table}: 1 added, {kept}\n"
    assert said.out.splitlines()[0] == str(table)
    said = say("export", small, results, "--replace")
    orphan = results / "v1" / "runs" / "full.json"
    assert said.err.splitlines() == [
        f"lines of {table}: 2 replaced by 2",
        f"{orphan}: no table refers to this run; removed",
    ]
    assert not orphan.exists()
    assert "small" in table.read_text(encoding="utf-8")


def test_a_merge_says_what_it_did(measured: Path, tmp_path: Path, row: Rows, write: Write, say: Say) -> None:
    other = write(tmp_path / "other.sqlite", [row()])
    said = say("merge", measured, other, measured, "--out", tmp_path / "all.sqlite")
    count = len(store.read(measured))
    assert said.code == 0
    assert said.err.strip() == f"{count + 1} rows -> {tmp_path / 'all.sqlite'} ({count} were in several files)"
    assert len(store.read(tmp_path / "all.sqlite")) == count + 1
