"""An export adds to what is published, loses nothing of it unasked, and leaves no mixture however it ends."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.ranking import NotComparable
from codecshift.benchmark import store
from codecshift.benchmark.report.evidence import Evidence
from codecshift.benchmark.report.export import Export, codecs_csv, export, orphans, remove_orphans
from codecshift.benchmark.report.published import LINE_KEY, lines_of, replaced, runs_in, runs_of
from codecshift.benchmark.store import Row

Rows = Callable[..., Row]
Curves = Callable[..., list[Row]]
Write = Callable[..., Path]
Everything = Callable[[Path], dict[str, bytes]]
RESULTS = Path(__file__).parents[3] / "results"


def provenance(*, codec: int = 1, digest: str = "0", sets: Sequence[str] = ("kodak",), **more: Any) -> dict[str, Any]:
    known = {"version": codec, "kind": "classical", "chroma": "4:4:4", "library": "libx 1"}
    return {
        "sets": {name: {"digest": digest, "images": 2} for name in sets},
        "corruptions": {"fog": 1, "gaussian_noise": 1},
        "measures": {"psnr": 1},
        "codecs": dict.fromkeys(("anchor", "big", "short"), known),
        **more,
    }


@pytest.fixture
def publish(tmp_path: Path, write: Write) -> Callable[..., Export]:
    """Return a function that exports rows of one run into the folder "out"; the run's provenance can be given."""
    numbers = iter(range(100))

    def make(rows: Sequence[Row], known: dict[str, Any] | None = None, out: str = "out", **how: Any) -> Export:
        path = write(tmp_path / f"{next(numbers)}.sqlite", rows, known or provenance())
        return export(Evidence.open(path), tmp_path / out, **how)

    return make


@pytest.fixture
def everything() -> Everything:
    """Return a function that gives every file below a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


def under(rows: Sequence[Row], *corruptions: str) -> list[Row]:
    return [row for row in rows if row.corruption in corruptions]


def numbers_of(folder: Path, codec: str = "anchor") -> dict[tuple[str, ...], tuple[int, str]]:
    """Return n and the runs of each line of a published table, by key."""
    table = pd.read_csv(folder / "v1" / "kodak" / f"{codec}.csv", dtype={"run": str})
    return {tuple(line[column] for column in LINE_KEY): (line["n"], line["run"]) for line in table.to_dict("records")}


# --- lines are joined by their keys


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_two_exports_are_the_export_of_the_merged_file(
    order: Sequence[int], tmp_path: Path, curves: Curves, write: Write, everything: Everything
) -> None:
    """Where no cell is in both, byte for byte."""
    files = [
        write(tmp_path / "0", under(curves(run="first"), "none", "gaussian_noise"), provenance()),
        write(tmp_path / "1", under(curves(run="second"), "fog"), provenance()),
    ]
    for number in order:
        export(Evidence.open(files[number]), tmp_path / "out")
    store.merge(files, tmp_path / "merged")
    export(Evidence.open(tmp_path / "merged"), tmp_path / "expected")
    assert everything(tmp_path / "out") == everything(tmp_path / "expected")


def test_a_smaller_table_leaves_a_fuller_one_as_it_is(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves(images="abc", run="full"))
    before = everything(tmp_path / "out")
    written = publish(under(curves(images="a", run="small"), "none", "fog"))
    assert everything(tmp_path / "out") == before
    table = tmp_path / "out" / "v1" / "kodak" / "anchor.csv"
    assert written.notes[0] == (
        f"lines of {table}: 5 kept because the run file lacks them, "
        "10 kept because they cover more images or measures than the run file"
    )
    assert table in written.files


def test_a_line_gives_way_to_one_over_more_images_and_new_ones_are_added(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export]
) -> None:
    publish(under(curves(images="ab", run="first"), "none", "fog"))
    written = publish(under(curves(images="abc", run="second"), "fog", "gaussian_noise"))
    points = [f"p{point}" for point in range(5)]
    assert numbers_of(tmp_path / "out") == {
        **{("none", 0, point): (2, "first") for point in points},
        **{("fog", 3, point): (3, "second") for point in points},
        **{("gaussian_noise", 3, point): (3, "second") for point in points},
    }
    assert written.notes[0].endswith(".csv: 5 added, 5 replaced, 5 kept because the run file lacks them")


def test_a_line_with_fewer_measures_does_not_replace_one_with_more(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves(run="full"))
    before = everything(tmp_path / "out")
    publish(curves(run="bare", ms_ssim=None, ms_ssim_clean=None))
    assert everything(tmp_path / "out") == before


def test_a_column_of_a_further_measure_stays(tmp_path: Path, curves: Curves, publish: Callable[..., Export]) -> None:
    publish(under(curves(run="first"), "fog"))
    table = tmp_path / "out" / "v1" / "kodak" / "short.csv"
    lines_of(table).assign(vmaf_mean=["91"]).to_csv(table, index=False, lineterminator="\n")
    publish(curves(run="second"))
    lines = lines_of(table)
    assert list(lines.columns)[-2:] == ["run", "vmaf_mean"]
    assert lines["vmaf_mean"].tolist() == ["91", "", ""]
    assert lines["run"].tolist() == ["first", "second", "second"]


def test_publishing_again_changes_and_tells_nothing(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves())
    before = everything(tmp_path / "out")
    for how in ({}, {"join": replaced}):
        assert publish(curves(), **how).notes == ()
        assert everything(tmp_path / "out") == before


# --- what cannot stand in one table is refused, and nothing is written


STRANGERS = {
    "codec": (
        provenance(codec=2),
        "codec 'anchor' is not the same in all runs.*; export to another folder, or repl",
    ),
    "set": (
        provenance(digest="1"),
        "set 'kodak' is not the same in all runs .*; export to another folder, or repla",
    ),
    "corruption": (
        provenance() | {"corruptions": {"fog": 2, "none": 0}},
        "corruption 'fog' is not the same in all runs .*; export to another folder, or repla",
    ),
}


@pytest.mark.parametrize(("known", "sentence"), STRANGERS.values(), ids=STRANGERS)
def test_lines_that_cannot_stand_beside_each_other_are_refused(
    known: dict[str, Any],
    sentence: str,
    tmp_path: Path,
    curves: Curves,
    publish: Callable[..., Export],
    everything: Everything,
) -> None:
    publish(under(curves(run="first"), "none", "fog"))
    before = everything(tmp_path / "out")
    with pytest.raises(NotComparable, match=sentence):
        publish(under(curves(run="second"), "none"), known)
    assert everything(tmp_path / "out") == before


@pytest.mark.parametrize(
    "known",
    [
        provenance() | {"codecs": provenance()["codecs"] | {"other": {"version": 2, "library": "liby 2"}}},
        provenance() | {"sets": provenance()["sets"] | {"clic": {"digest": "9", "images": 1}}},
        provenance() | {"corruptions": {"gaussian_noise": 2}},
        provenance() | {"spectra": {"window": "hann"}},
    ],
    ids=["codec", "set", "corruption", "spectra"],
)
def test_what_a_table_does_not_hold_is_no_reason_to_refuse_it(
    known: dict[str, Any], tmp_path: Path, curves: Curves, publish: Callable[..., Export]
) -> None:
    """Other codecs, sets and corruptions of the same runs, and spectra, which no table holds."""
    first = provenance(spectra={"window": "none"})
    first["codecs"] |= {"other": {"version": 1, "library": "liby 1"}}
    first["sets"] |= {"clic": {"digest": "8", "images": 1}}
    publish(under(curves(run="first"), "none", "fog"), first)
    publish(under(curves(run="second"), "none"), known)
    assert {run for _, run in numbers_of(tmp_path / "out").values()} == {"first", "second"}


def test_a_table_that_is_replaced_line_by_line_may_be_of_another_version(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export]
) -> None:
    publish(curves(run="first"))
    publish(curves(run="second"), provenance(codec=2))
    assert {run for _, run in numbers_of(tmp_path / "out").values()} == {"second"}


def test_a_set_of_a_like_name_is_refused(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves("folder:a b", run="first"), provenance(sets=["folder:a b"]))
    before = everything(tmp_path / "out")
    with pytest.raises(
        NotComparable, match="is for another set or codec than folder:a-b anchor: export to another folder"
    ):
        publish(curves("folder:a-b", run="second"), provenance(sets=["folder:a-b"]))
    assert everything(tmp_path / "out") == before


def test_a_table_of_a_run_that_is_not_published_is_refused(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves(run="first"))
    (tmp_path / "out" / "v1" / "runs" / "first.json").unlink()
    before = everything(tmp_path / "out")
    with pytest.raises(
        NotComparable, match=r"anchor\.csv names run first, whose provenance is not published: export its"
    ):
        publish(curves(run="second"))
    assert everything(tmp_path / "out") == before


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0\xff", "corruption,severity,point,n,run\nfog,x,p,1,r\n"])
@pytest.mark.parametrize("name", ["kodak/anchor.csv", "kodak/other.csv"])
def test_what_is_no_table_among_the_published_is_named_and_nothing_written(
    name: str, text: str, tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    stray = tmp_path / "out" / "v1" / name
    stray.parent.mkdir(parents=True)
    stray.write_text(text, encoding="latin-1")
    with pytest.raises(NotComparable, match=rf"{name} is not a published table: move it elsewhere"):
        publish(curves())
    assert list(everything(tmp_path / "out")) == [f"v1/{name}"]


# --- for those who mean it


def test_replaced_tables_are_those_of_the_run_file_alone(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    publish(curves(images="abc", run="full"))
    small = under(curves(images="a", run="small"), "fog"), provenance(codec=2)
    written = publish(*small, join=replaced)
    publish(*small, "expected")
    for codec in ("anchor", "big", "short"):
        assert (tmp_path / "out" / "v1" / "kodak" / f"{codec}.csv").read_bytes() == (
            tmp_path / "expected" / "v1" / "kodak" / f"{codec}.csv"
        ).read_bytes()
    assert written.notes[0].endswith("anchor.csv: 15 replaced by 5")
    assert orphans(tmp_path / "out") == [tmp_path / "out" / "v1" / "runs" / "full.json"]
    assert orphans(tmp_path / "out") == remove_orphans(tmp_path / "out")
    assert everything(tmp_path / "out") == everything(tmp_path / "expected")
    assert orphans(tmp_path / "out") == remove_orphans(tmp_path / "out") == []


def test_a_run_that_records_something_beside_rows_is_no_orphan(
    tmp_path: Path, curves: Curves, write: Write, publish: Callable[..., Export]
) -> None:
    path = write(tmp_path / "r.sqlite", curves(run="first"), provenance())
    with store.RunFile.open(path) as file:
        file.begin("search", provenance(matched={"points": []}), "now", 1)
    export(Evidence.open(path), tmp_path / "out")
    publish(curves(images="abc", run="second"))
    runs = tmp_path / "out" / "v1" / "runs"
    assert [file.name for file in orphans(tmp_path / "out")] == ["first.json"]
    assert sorted(file.name for file in runs.iterdir()) == ["first.json", "search.json", "second.json"]


def test_the_published_results_are_whole() -> None:
    """Every run that a table names is there, and no other."""
    assert orphans(RESULTS) == []
    named = set().union(*(runs_of(lines_of(path)) for path in (RESULTS / "v1").glob("*/*.csv")))
    assert named == set(runs_in(RESULTS / "v1" / "runs"))


# --- however it ends


def stops(name: str, count: int, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the method of Path of a name raise when it is called once more than `count` times."""
    method, calls = getattr(Path, name), iter(range(count))

    def called(path: Path, *arguments: Any) -> Any:
        if next(calls, None) is None:
            raise kind
        return method(path, *arguments)

    monkeypatch.setattr(Path, name, called)


@pytest.fixture
def stopping() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@pytest.mark.parametrize(
    ("count", "kind"),
    [*((count, OSError) for count in range(5)), (0, KeyboardInterrupt), (3, KeyboardInterrupt)],
)
@pytest.mark.parametrize("name", ["write_bytes", "replace"])
def test_an_export_that_is_stopped_leaves_whole_tables_with_their_runs(
    name: str,
    count: int,
    kind: type[BaseException],
    tmp_path: Path,
    curves: Curves,
    publish: Callable[..., Export],
    everything: Everything,
    stopping: pytest.MonkeyPatch,
) -> None:
    """Five files are written: one run, the settings and three tables."""
    out = tmp_path / "out"
    publish(curves(images="ab", run="first"))
    before = everything(out)
    more = curves(images="abc", run="second")
    publish(more, out="expected")
    after = everything(tmp_path / "expected")
    stops(name, count, kind, stopping)
    with pytest.raises(kind):
        publish(more)
    stopping.undo()
    left = everything(out)
    if name == "write_bytes":
        assert left == before
    for path, content in left.items():
        if path.startswith("v1/kodak/"):
            assert content in (before[path], after[path])
    runs = runs_in(out / "v1" / "runs")
    assert set().union(*(runs_of(lines_of(path)) for path in (out / "v1").glob("*/*.csv"))) <= set(runs)
    published = {line.split(",")[1] for line in left["v1/codecs.csv"].decode().splitlines()[1:]}
    assert set().union(*(runs_of(lines_of(path)) for path in (out / "v1").glob("*/*.csv"))) <= published
    publish(more)
    remove_orphans(out)
    assert everything(out) == after
    assert codecs_csv(runs_in(out / "v1" / "runs")).encode() == after["v1/codecs.csv"]


def test_what_a_killed_export_left_is_removed(
    tmp_path: Path, curves: Curves, publish: Callable[..., Export], everything: Everything
) -> None:
    unfinished = tmp_path / "out" / "v1" / ".unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "0").write_bytes(b"half a tab")
    publish(curves())
    publish(curves(), out="expected")
    assert everything(tmp_path / "out") == everything(tmp_path / "expected")
    assert not unfinished.exists()
    assert json.loads(everything(tmp_path / "out")["v1/runs/r.json"]) == provenance()
