"""The claims command says what the claims found, in words, as a table and as data."""

import csv
import io
import json
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.analysis.claims import CLAIMS, Finding, Verdict
from codecshift.analysis.statistics import Interval
from codecshift.benchmark import store
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report import claims
from codecshift.benchmark.report.evidence import Evidence
from codecshift.benchmark.report.formats import WIDTH, render
from codecshift.benchmark.report.sheet import Format
from codecshift.benchmark.store import Row

Here = Callable[..., "subprocess.CompletedProcess[str]"]
Rows = Callable[..., Row]
Write = Callable[..., Path]

LACKING = "codecshift run --set kodak --codec jpeg --codec hyperprior-pruned95-cs --out r.sqlite"
FOUND = [
    Verdict(
        CLAIMS["H9"],
        Finding(
            *("supported", Interval(30, 25.5, 41), "%", 40, "kodak, 8 images, fog|snow@3", "noise +30 %"),
            codecs=("jpeg", "webp"),
        ),
    ),
    Verdict(
        CLAIMS["H1"],
        Finding(
            *("refuted", Interval(3, math.nan, math.nan), "% of the power", 2, "D of 2 points", "3 %"),
            codecs=("jpeg",),
        ),
    ),
    Verdict(
        CLAIMS["H6"],
        Finding("undecided", Interval(*3 * [math.nan]), "", 0, "", "pruned neural codec", command=LACKING),
    ),
]


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Here) -> Path:
    """A run of two images and two codecs under the corruptions that H9 speaks of."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    shifts = ("none", "gaussian_noise", "defocus_blur", "fog", "contrast")
    options = [option for name in shifts for option in ("--corruption", name)]
    codecs = ("--codec", "identity", "--codec", "jpeg:q30", "--codec", "webp:q50")
    done = command("run", "--set", f"folder:{pair}", *codecs, *options, "--severity", 3, "--out", path)
    assert done.returncode == 0, done.stderr
    return path


def test_a_run_file_is_judged_as_it_is(measured: Path) -> None:
    one = claims.judged_by(Evidence.open(measured))
    assert len(one.rows) == len(store.read(measured))
    assert (one.bands["fog"], one.kinds["jpeg"], one.file) == ("low", "classical", str(measured))
    found = claims.verdicts(Evidence.open(measured))
    assert [verdict.claim.name for verdict in found] == list(CLAIMS)
    (rate,) = (verdict.finding for verdict in found if verdict.claim.name == "H9")
    assert rate.effect.estimate > 20
    assert rate.decision == "undecided"
    assert "confidence intervals need at least 6 images, and only 2 can be compared" in rate.reason


def test_only_what_is_asked_for_is_judged(measured: Path, command: Here) -> None:
    done = command("claims", measured, "--only", "H9", "--only", "H4", "--format", "json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [claim["name"] for claim in data["claims"]] == ["H9", "H4"]
    assert data["claims"][0]["effect"]["low"] is None
    for form in ("text", "markdown"):
        shown = command("claims", measured, "--only", "H9", "--format", form)
        assert CLAIMS["H9"].statement in " ".join(shown.stdout.split())


def test_a_name_that_is_no_claim_s_is_refused(measured: Path, command: Here) -> None:
    with pytest.raises(UnknownName, match="unknown claim 'H2': expected one of H1, H3"):
        claims.verdicts(Evidence.open(measured), ["H2"])
    done = command("claims", measured, "--only", "H2")
    assert (done.returncode, done.stdout) == (2, "")


def test_text_tells_the_effect_the_codecs_and_the_rows() -> None:
    text = render(claims.report(FOUND), Format.text)
    assert max(len(line) for line in text.splitlines() if LACKING not in line) <= WIDTH
    words = " ".join(text.split())
    assert f"H9 supported +30.00 (+25.50 to +41.00) % v{CLAIMS['H9'].version}, {CLAIMS['H9'].since} " in words
    assert "H1 refuted +3.00 % of the power " in words
    assert "H9 of 2 codecs (jpeg, webp): noise +30 %. Based on 40 rows: kodak, 8 images, fog|snow@3." in words
    assert "H1 of 1 codec (jpeg): 3 %. Based on 2 spectra: D of 2 points." in words
    assert "rule:" not in words


def test_rules_are_written_out_for_the_claims_asked_for() -> None:
    words = " ".join(render(claims.report(FOUND, ["H9", "H6"]), Format.text).split())
    assert [name for name in ("H9", "H1", "H6") if f"{name} rule: {CLAIMS[name].rule}" in words] == ["H9", "H6"]


def test_a_claim_that_lacks_rows_is_one_line_and_the_command_comes_once() -> None:
    more = "codecshift run --set kodak --corruption none --codec webp --out r.sqlite"
    other = Verdict(CLAIMS["H4"], Finding("undecided", Interval(*3 * [math.nan]), "", 0, "", "noise", command=more))
    (sheet,) = claims.report([FOUND[2], other]).sheets
    assert [(line[0], line[2], line[3]) for line in sheet.lines] == [
        ("H6", CLAIMS["H6"].statement, "pruned neural codec"),
        ("H4", CLAIMS["H4"].statement, "noise"),
    ]
    codecs = "--codec jpeg --codec hyperprior-pruned95-cs --codec webp"
    merged = f"codecshift run --set kodak --corruption none {codecs} --out r.sqlite"
    assert [note for note in sheet.notes if "codecshift" in note] == [f"Measure what is missing: {merged}"]


def test_the_numbers_of_claims_are_explained() -> None:
    sheets = claims.report(FOUND).sheets
    assert {verdict.claim.statement for verdict in FOUND} == {
        line[[column.name for column in sheet.columns].index("statement")] for sheet in sheets for line in sheet.lines
    }
    untested = {f"H{number}" for number in range(1, 13)} - set(CLAIMS)
    assert untested == set(re.findall(r"H\d+", sheets[-1].notes[-1].partition(";")[2]))
    assert "Lieberman et al." in sheets[-1].notes[-1]


def test_markdown_is_two_tables() -> None:
    lines = render(claims.report(FOUND), Format.markdown).splitlines()
    assert lines[2].startswith("| H9 | supported | +30.00 (+25.50 to +41.00) % | v2, ")
    (lacking,) = (line for line in lines if line.startswith("| H6 "))
    assert lacking.endswith("| pruned neural codec |")


def test_json_and_csv_have_every_digit_and_nothing_for_what_is_not_known() -> None:
    first, second, third = json.loads(render(claims.report(FOUND), Format.json))["claims"]
    assert first["effect"] == {"estimate": 30, "low": 25.5, "high": 41}
    assert (first["verdict"], first["rows"], first["unit"]) == ("supported", 40, "%")
    assert (first["version"], first["since"]) == (CLAIMS["H9"].version, CLAIMS["H9"].since.isoformat())
    assert (first["codecs"], first["rule"]) == (["jpeg", "webp"], CLAIMS["H9"].rule)
    assert (second["effect"]["low"], second["spectra"]) == (None, 2)
    assert (third["effect"]["estimate"], third["reason"], third["command"]) == (None, "pruned neural codec", LACKING)
    lines = list(csv.DictReader(io.StringIO(render(claims.report(FOUND), Format.csv))))
    assert [(line["name"], line["effect"], line["effect_high"]) for line in lines] == [
        *(("H9", "30", "41"), ("H1", "3", ""), ("H6", "", "")),
    ]
    assert [(line["count"], line["rests_on"]) for line in lines] == [("40", "rows"), ("2", "spectra"), ("0", "rows")]
    assert [line["codecs"] for line in lines] == ["jpeg webp", "jpeg", ""]
