"""Published tables say what the rows say, the same way each time."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.ranking import NotComparable
from codecshift.benchmark import store
from codecshift.benchmark.report.evidence import Evidence
from codecshift.benchmark.report.export import codecs_csv, export
from codecshift.benchmark.store import Row, RunFileError
from codecshift.benchmark.store.facts import FACTS

Rows = Callable[..., Row]
Curves = Callable[..., list[Row]]
Write = Callable[..., Path]

DOCUMENTED = [
    *("corruption", "severity", "point", "n", "n_failed", "n_lossless", "bpp_mean", "bpp_corpus"),
    *("psnr_mean", "psnr_of_mse", "ms_ssim_mean", "psnr_clean_mean", "psnr_clean_of_mse", "ms_ssim_clean_mean"),
    *("encode_s", "decode_s", "run"),
]


def test_an_export_is_one_table_per_codec_and_the_runs(path: Path, tmp_path: Path) -> None:
    written = export(Evidence.open(path), tmp_path / "out").files
    assert [str(file.relative_to(tmp_path / "out")) for file in written] == [
        *("v1/kodak/anchor.csv", "v1/kodak/big.csv", "v1/kodak/short.csv", "v1/runs/r.json", "v1/codecs.csv")
    ]
    assert sorted(written) == sorted(file for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert store.runs(path)["r"] == json.loads(written[-2].read_text(encoding="utf-8"))


KNOWN = {"version": 1, "kind": "classical", "chroma": "4:2:0", "bit_depth": 8, "colour": "BT.601 full", "settings": "x"}
KNOWN |= {"effort": "speed 6", "threads": 1, "process": False, "library": "libx 1, Pillow 2", "header_bytes": 30}
OLDER = {name: KNOWN[name] for name in ("version", "kind", "chroma", "bit_depth", "colour", "settings", "library")}


def of_codecs(**codecs: dict[str, Any]) -> dict[str, Any]:
    return {"sets": {"kodak": {"digest": "0", "images": 2}}, "corruptions": {}, "measures": {}, "codecs": codecs}


def test_an_export_says_what_every_codec_was_set_to_in_every_run_that_lies_there(
    tmp_path: Path, curves: Curves, write: Write
) -> None:
    """A run of an earlier version noted less; that is empty, not wrong."""
    out = tmp_path / "out"
    older = write(tmp_path / "older.sqlite", curves(run="older"), of_codecs(big=OLDER, anchor=OLDER))
    newer = write(tmp_path / "newer.sqlite", curves("clic", run="newer"), of_codecs(anchor=KNOWN))
    export(Evidence.open(older), out)
    target = export(Evidence.open(newer), out).files[-1]
    assert target == out / "v1" / "codecs.csv"
    lines = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert [(line["codec"], line["run"]) for line in lines] == [
        *(("anchor", "newer"), ("anchor", "older"), ("big", "older"))
    ]
    assert list(lines[0]) == ["codec", "run", *FACTS]
    assert lines[0] == {"codec": "anchor", "run": "newer"} | {name: str(value) for name, value in KNOWN.items()}
    unknown = dict.fromkeys(("effort", "threads", "process", "header_bytes"), "")
    assert lines[2] == {"codec": "big", "run": "older"} | {name: str(value) for name, value in OLDER.items()} | unknown
    before = target.read_bytes()
    export(Evidence.open(older), out)
    assert target.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"codecs": 5}', '{"codecs": {"jpeg": 5}}'])
def test_what_is_no_provenance_among_the_published_is_named_and_nothing_written(
    text: str, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "v1" / "runs").mkdir(parents=True)
    stray = tmp_path / "out" / "v1" / "runs" / "stray.json"
    stray.write_text(text, encoding="utf-8")
    with pytest.raises(NotComparable, match=rf"^{stray} is not the provenance of a run: move it elsewhere$"):
        export(Evidence.open(path), tmp_path / "out")
    assert [file for file in (tmp_path / "out").rglob("*") if file.is_file()] == [stray]


def test_the_published_table_of_codecs_is_that_of_the_published_runs() -> None:
    root = Path(__file__).parents[3] / "results" / "v1"
    runs = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (root / "runs").glob("*.json")}
    expected = codecs_csv(runs)
    assert (root / "codecs.csv").read_text(encoding="utf-8") == expected


def test_the_columns_are_those_documented(path: Path, tmp_path: Path) -> None:
    for file in export(Evidence.open(path), tmp_path / "out").files[:-2]:
        assert pd.read_csv(file).columns.tolist() == DOCUMENTED


def test_numbers_are_those_computed_by_hand(tmp_path: Path, row: Rows, write: Write) -> None:
    rows = [
        row(image="a", nbytes=100, error=6000, error_clean=12000, encode_s=1.0),
        row(image="b", nbytes=100, height=40, error=24000, error_clean=48000, encode_s=2.0, ms_ssim=0.5),
        row(image="c", nbytes=400, error=0, error_clean=600, encode_s=6.0, ms_ssim=None, ms_ssim_clean=None),
        row(image="d", status="failed", message="why"),
        row(image="e", status="skipped", message="why"),
    ]
    file = export(Evidence.open(write(tmp_path / "r.sqlite", rows)), tmp_path / "out").files[0]
    (one,) = pd.read_csv(file).to_dict("records")
    peak = 20 * math.log10(255)
    mse, mse_clean = [10.0, 20.0, 0.0], [20.0, 40.0, 1.0]
    expected = {
        "corruption": "fog",
        "severity": 3,
        "point": "q75",
        "n": 3,
        "n_failed": 2,
        "n_lossless": 1,
        "bpp_mean": (4 + 2 + 16) / 3,
        "bpp_corpus": 8 * 600 / 800,
        "psnr_mean": peak - 10 * (math.log10(10) + math.log10(20)) / 2,
        "psnr_of_mse": peak - 10 * math.log10(sum(mse) / 3),
        "ms_ssim_mean": (0.75 + 0.5) / 2,
        "psnr_clean_mean": peak - 10 * sum(map(math.log10, mse_clean)) / 3,
        "psnr_clean_of_mse": peak - 10 * math.log10(sum(mse_clean) / 3),
        "ms_ssim_clean_mean": 0.5,
        "encode_s": 2.0,
        "decode_s": 0.125,
        "run": "r",
    }
    numbers = {name: pytest.approx(value, rel=1e-5) for name, value in expected.items() if isinstance(value, float)}
    assert expected | numbers == one


def test_a_cell_that_failed_altogether_has_no_numbers(tmp_path: Path, row: Rows, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", [row(status="failed", message="why")])
    (one,) = pd.read_csv(export(Evidence.open(path), tmp_path / "out").files[0]).to_dict("records")
    assert (one["n"], one["n_failed"]) == (0, 1)
    assert all(math.isnan(one[name]) for name in DOCUMENTED[6:16])


def test_the_same_run_file_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    first = [file.read_bytes() for file in export(Evidence.open(path), tmp_path / "one").files]
    assert first == [file.read_bytes() for file in export(Evidence.open(path), tmp_path / "two").files]
    assert first == [file.read_bytes() for file in export(Evidence.open(path), tmp_path / "one").files]


def test_sets_of_like_names_are_not_exported_over_each_other(tmp_path: Path, row: Rows, write: Write) -> None:
    names = ("folder:a b", "folder:a-b")
    path = write(tmp_path / "r.sqlite", [row(set=name, nbytes=size) for name, size in zip(names, (1, 2), strict=True)])
    with pytest.raises(NotComparable, match="would both be written to"):
        export(Evidence.open(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_file_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="no run file"):
        export(Evidence.open(tmp_path / "missing"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
