"""Evidence is what was chosen of a run file, and is refused where its rows may not stand together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codecshift.analysis.ranking import NotComparable
from codecshift.analysis.spectrum import GRID
from codecshift.benchmark import store
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report.evidence import Choice, Evidence, NothingChosen
from codecshift.benchmark.store import Recorded, Row, RunFile, RunFileError, Shift, Spectra
from codecshift.benchmark.store.provenance import MATCHED, SPECTRA

Rows = Callable[..., Row]
Curves = Callable[..., list[Row]]
Write = Callable[..., Path]


def provenance(**more: Any) -> dict[str, Any]:
    return {"sets": {"kodak": {"digest": "0"}}, "corruptions": {}, "measures": {}, "codecs": {}, **more}


def test_everything_is_chosen_unless_something_is(path: Path) -> None:
    evidence = Evidence.open(path)
    assert len(evidence.rows) == len(store.read(path))
    assert set(evidence.runs) == {"r"}


@pytest.mark.parametrize(
    ("choice", "column", "expected"),
    [
        (Choice(sets=["sample"]), "set", {"sample"}),
        (Choice(corruptions=["fog"]), "corruption", {"none", "fog"}),
        (Choice(corruptions=["high"]), "corruption", {"none", "gaussian_noise"}),
        (Choice(corruptions=["low", "gaussian_noise"]), "corruption", {"none", "fog", "gaussian_noise"}),
        (Choice(severities=[3]), "severity", {0, 3}),
        (Choice(codecs=["big", "short"]), "codec", {"big", "short"}),
        (Choice(codecs=["big:p1"]), "point", {"p1"}),
        (Choice(images=["b"]), "image", {"b"}),
        (Choice(first=1), "image", {"a"}),
        (Choice(first=9), "image", {"a", "b"}),
    ],
    ids=["set", "corruption", "band", "both", "severity", "codecs", "point", "image", "first", "all-images"],
)
def test_what_is_chosen_comes_with_the_clean_images(
    choice: Choice, column: str, expected: set[object], tmp_path: Path, curves: Curves, write: Write
) -> None:
    path = write(tmp_path / "two.sqlite", [*curves(), *curves("sample")])
    assert set(Evidence.open(path, choice).rows[column]) == expected


def test_shifts_and_profiles_are_those_of_the_images_of_the_rows(tmp_path: Path, row: Rows, write: Write) -> None:
    """An image that is gone from its set has none, and neither has a set that was not chosen."""
    spectra = Spectra({("G", "Y"): np.ones(GRID)}, {("shift", "Y"): np.ones(GRID)})
    places = [("kodak", "a"), ("kodak", "gone"), ("sample", "a")]
    path = write(tmp_path / "r.sqlite", [row(set=name, image=image, spectra=spectra) for name, image in places])
    with RunFile.open(path) as file:
        file.append([], [Shift(name, "fog", 3, image, 20, 10, 600, "r", {}) for name, image in places])
        file.take("kodak", {"a": Recorded("0", is_present=True), "gone": Recorded("1", is_present=False)})
    evidence = Evidence.open(path, Choice(sets=["kodak"]))
    assert evidence.shifts()[["set", "image"]].to_numpy().tolist() == [["kodak", "a"]]
    profiles = evidence.profiles().index.to_frame()
    assert profiles[["set", "image", "quantity"]].to_numpy().tolist() == [
        ["kodak", "a", "shift"],
        ["kodak", "a", "G"],
    ]


WRONG = {
    "set": (Choice(sets=["kodac"]), r"holds no rows of set kodac: expected one of kodak \(did you mean 'kodak'\?\)"),
    "corruption": (Choice(corruptions=["snow"]), "holds no rows of corruption snow: expected one of fog, gaussian"),
    "severity": (Choice(severities=[9]), "holds no rows of severity 9: expected one of 0, 3"),
    "codec": (Choice(codecs=["avif"]), "holds no rows of codec avif: expected one of anchor, big, short"),
    "point": (Choice(codecs=["big:p7"]), "holds no rows of codec big:p7: expected one of big:p0, big:p1"),
}


@pytest.mark.parametrize(("choice", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_refused_with_what_is(choice: Choice, sentence: str, path: Path) -> None:
    """Else a table of clean images is taken for one of what was asked for."""
    with pytest.raises(NothingChosen, match=sentence):
        Evidence.open(path, choice)


def test_an_unknown_corruption_is_told_with_the_nearest(path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'fog'"):
        Evidence.open(path, Choice(corruptions=["fgo"]))


def test_a_file_without_rows_is_refused(tmp_path: Path, write: Write) -> None:
    with pytest.raises(NothingChosen, match="holds no rows yet: measure some"):
        Evidence.open(write(tmp_path / "empty.sqlite", []))
    with pytest.raises(RunFileError, match="no run file"):
        Evidence.open(tmp_path / "missing.sqlite")


@pytest.fixture
def mixed(tmp_path: Path, curves: Curves, write: Write) -> Path:
    """A file of two runs with different versions of fog; only one of them has rows of noise."""
    noise = [row for row in curves(run="old") if row.corruption == "gaussian_noise"]
    path = write(tmp_path / "c.sqlite", [*curves(run="old")], provenance(corruptions={"fog": 1}))
    fog = [row for row in curves(run="new", images="c") if row.corruption == "fog"]
    assert noise
    return write(path, fog, provenance(corruptions={"fog": 2}))


def test_rows_that_may_not_stand_together_are_refused(mixed: Path) -> None:
    with pytest.raises(NotComparable, match="cannot be compared: corruption 'fog' is not the same in all runs"):
        Evidence.open(mixed)


def test_runs_without_a_chosen_row_do_not_count(mixed: Path) -> None:
    assert set(Evidence.open(mixed, Choice(corruptions=["gaussian_noise"])).runs) == {"old"}


@pytest.mark.parametrize("record", [MATCHED, SPECTRA])
def test_a_run_that_recorded_a_search_or_spectra_counts_without_rows(record: str, path: Path) -> None:
    with RunFile.open(path) as file:
        file.begin("s", provenance(**{record: {"points": [], "fixed": []}}), "now", 1)
        file.begin("t", provenance(), "now", 1)
    assert set(Evidence.open(path).runs) == {"r", "s"}


def test_by_set_each_set_has_its_rows_and_runs(tmp_path: Path, curves: Curves, write: Write) -> None:
    path = write(tmp_path / "r.sqlite", curves(run="k"))
    path = write(path, curves("sample", run="s"), {**provenance(), "sets": {"sample": {"digest": "1"}}})
    parts = list(Evidence.open(path).by_set())
    assert [(set(part.rows["set"]), set(part.runs)) for part in parts] == [({"kodak"}, {"k"}), ({"sample"}, {"s"})]


def test_facts_are_a_line_per_codec_and_run(tmp_path: Path, curves: Curves, write: Write) -> None:
    """A run of an earlier version stated less: that is None."""
    stated: dict[str, Any] = {"big": {"version": 1, "library": "x", "kind": "classical"}}
    stated["anchor"] = {"version": 2, "library": "x", "chroma": "4:2:0"}
    evidence = Evidence.open(write(tmp_path / "r.sqlite", curves(), provenance(codecs=stated)))
    first, second = evidence.facts()
    assert (first["codec"], first["run"], first["version"], first["kind"]) == ("anchor", "r", 2, None)
    assert (second["codec"], second["kind"]) == ("big", "classical")
    assert json.dumps(evidence.facts())
    (note,) = evidence.chroma_notes(["big", "anchor", "anchor"])
    assert note == "Codecs with subsampled chroma, which limits the PSNR they can reach: anchor (4:2:0)."
    assert evidence.chroma_notes(["big"]) == []
