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

FOUND = [
    Verdict(
        CLAIMS["H9"],
        Finding("supported", Interval(30, 25.5, 41), "%", 40, "kodak, 8 images, fog|snow@3", "noise +30 %"),
    ),
    Verdict(
        CLAIMS["H1"], Finding("refuted", Interval(3, math.nan, math.nan), "% of the power", 2, "D of 2 points", "3 %")
    ),
    Verdict(CLAIMS["H6"], Finding("undecided", Interval(*3 * [math.nan]), "", 0, "", "a pruned codec is needed")),
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


def test_text_tells_the_effect_the_rule_and_the_rows() -> None:
    text = render(claims.report(FOUND), Format.text)
    assert max(map(len, text.splitlines())) <= WIDTH
    words = " ".join(text.split())
    assert "H9 supported +30.00 (+25.50 to +41.00) % " in words
    assert "H1 refuted +3.00 % of the power " in words
    assert "H6 undecided - " in words
    assert "H1 found: 3 %. Based on 2 spectra: D of 2 points. H1 rule: " in words
    assert "H6 missing: a pruned codec is needed H6 rule: " in words
    for verdict in FOUND:
        assert f"{verdict.claim.name} rule: {verdict.claim.rule}" in words


def test_the_numbers_of_claims_are_explained() -> None:
    (sheet,) = claims.report(FOUND).sheets
    assert {verdict.claim.statement for verdict in FOUND} == {line[3] for line in sheet.lines}
    untested = {f"H{number}" for number in range(1, 13)} - set(CLAIMS)
    assert untested == set(re.findall(r"H\d+", sheet.notes[-1].partition(";")[2]))
    assert "Lieberman et al." in sheet.notes[-1]


def test_markdown_is_a_table_with_the_rules_under_it() -> None:
    lines = render(claims.report(FOUND), Format.markdown).splitlines()
    assert lines[2].startswith("| H9 | supported | +30.00 (+25.50 to +41.00) % | ")
    assert lines[4].startswith("| H6 | undecided | - | ")
    assert "H9 found: noise +30 %. Based on 40 rows: kodak, 8 images, fog|snow@3." in lines


def test_json_and_csv_have_every_digit_and_nothing_for_what_is_not_known() -> None:
    first, second, third = json.loads(render(claims.report(FOUND), Format.json))["claims"]
    assert first["effect"] == {"estimate": 30, "low": 25.5, "high": 41}
    assert (first["verdict"], first["rows"], first["unit"]) == ("supported", 40, "%")
    assert (second["effect"]["low"], second["spectra"]) == (None, 2)
    assert (third["effect"]["estimate"], third["reason"]) == (None, "a pruned codec is needed")
    lines = list(csv.DictReader(io.StringIO(render(claims.report(FOUND), Format.csv))))
    assert [(line["name"], line["effect"], line["effect_high"]) for line in lines] == [
        *(("H9", "30", "41"), ("H1", "3", ""), ("H6", "", "")),
    ]
    assert [(line["count"], line["rests_on"]) for line in lines] == [("40", "rows"), ("2", "spectra"), ("0", "rows")]
