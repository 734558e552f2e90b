"""Every wrong input is one sentence and exit code 2; every right one prints what it says."""

import csv
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.cli import main
from codecshift.benchmark.plan.plans import PLANS
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.store import SCHEMA_VERSION, Row, RunFile
from codecshift.codecs.registry import BUILT_IN
from codecshift.corruptions.sets import KNOWN

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Said:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs a command in this process, in an empty folder, with no data folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("CODECSHIFT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["codecshift", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """A run file of two images on clean images and two corruptions, with curves of two codecs and lossless rows."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "webp", "--codec", "identity"),
        *("--corruption", "none", "--corruption", "fog", "--corruption", "shot_noise", "--severity", 2, "--out", path),
    )
    assert done.returncode == 0, done.stderr
    (path.parent / "out.txt").write_text(done.stdout, encoding="utf-8")
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- wrong input

WRONG_RUNS: dict[str, tuple[Sequence[str], str]] = {
    "plan": (["qick"], r"unknown plan 'qick': expected one of .* \(did you mean 'quick'\?\)"),
    "codec": (["--codec", "jpg"], r"unknown codec 'jpg': .*did you mean 'jpeg'"),
    "no-codec": (["--codec", ""], r"unknown codec ''"),
    "point-below": (["--codec", "jpeg:q0"], r"jpeg has no point 'q0': expected q1 to q100 in whole steps, got 0"),
    "point-between": (
        ["--codec", "jpeg:q7.5"],
        r"jpeg has no point 'q7.5': expected q1 to q100 in whole steps, got 7.5",
    ),
    "point-no-number": (["--codec", "jpeg:x"], r"jpeg has no point 'x': expected q1 to q100"),
    "point-empty": (["--codec", "jpeg:"], r"jpeg has no point '': expected q1 to q100"),
    "point-above": (["--codec", "jpeg2000:r99"], r"jpeg2000 has no point 'r99': expected r0.01 to r12, got 99"),
    "point-infinite": (["--codec", "jpeg2000:rinf"], r"jpeg2000 has no point 'rinf': expected r0.01 to r12"),
    "point-of-one": (["--codec", "identity:q5"], r"identity has no point 'q5': expected one of raw"),
    "corruption": (["--corruption", "fgo"], r"unknown corruption 'fgo': .*did you mean 'fog'"),
    "severity-0": (["--severity", "0"], r"expected a severity from 1 to 5, got 0 \(clean images: --corruption none\)"),
    "severity-6": (["--severity", "6"], r"expected a severity from 1 to 5, got 6"),
    "set": (["--set", "kodac"], r"expected a set \(sample, kodak, .*got 'kodac'; did you mean kodak"),
    "corrupted-set": (["--set", "kodak-c"], r"kodak-c is kodak under the corruptions: use --set kodak"),
    "missing-set-folder": (["--set", "folder:nowhere"], r"folder:nowhere: .*nowhere does not exist"),
    "set-folder-unnamed": (["--set", "folder:"], r"expected folder:PATH"),
    "empty-set-folder": (["--set", "folder:empty"], r"folder:empty: no image files below"),
    "set-folder-of-text": (["--set", "folder:texts"], r"folder:texts: no image files below"),
    "missing-images": (["--set", "kodak", "--no-download"], r"kodak: 24 of 24 images are missing"),
    "data-dir": (["--data-dir", "nowhere"], r"no folder nowhere, which --data-dir or CODECSHIFT_DATA names"),
    "device": (["--device", "gpu"], r"unknown device 'gpu': expected one of cpu, cuda, auto"),
    "out-folder": (["--out", "empty"], r"empty is a folder, expected the path of a run file"),
    "out-missing-folder": (["--out", "nowhere/r.sqlite"], r"there is no folder nowhere to write r\.sqlite in"),
    "out-text": (["--out", "texts/a.txt"], r"texts/a\.txt: it is not a codecshift run file"),
    "out-newer": (["--out", "newer.sqlite"], r"written by a newer codecshift .*upgrade with pip install -U codecshift"),
    "out-other": (["--out", "other.sqlite"], r"is a database, but not a codecshift run file"),
    "out-read-only": (["--out", "readonly.sqlite"], r"readonly\.sqlite is read-only: give another --out"),
    "channels": (["--channels", "rgb"], r"--channels and --window go with --spectra"),
    "channels-unknown": (["--spectra", "--channels", "r"], r"unknown channels 'r': expected one of luminance, rgb"),
    "window": (["--spectra", "--window", "han"], r"unknown window 'han': expected one of none, hann \(did you mean"),
    "out-name-too-long": (["--out", "x" * 300], r"x{300}"),
}


@pytest.fixture
def furnished(tmp_path: Path, say: Callable[..., Said]) -> Path:
    """The folder that commands are run in, with what they trip over."""
    home = tmp_path / "home"
    (home / "empty").mkdir()
    (home / "texts").mkdir()
    (home / "texts" / "a.txt").write_text("no image, and no run file\n" * 50, encoding="utf-8")
    for name in ("newer.sqlite", "readonly.sqlite"):
        with RunFile.open(home / name):
            pass
    (home / "readonly.sqlite").chmod(0o444)
    for name, statement in (
        ("newer.sqlite", f"PRAGMA user_version = {SCHEMA_VERSION + 1}"),
        ("other.sqlite", "CREATE TABLE t (x)"),
    ):
        connection = sqlite3.connect(home / name)
        connection.execute(statement)
        connection.commit()
        connection.close()
    return home


def one_sentence(said: Said) -> str:
    """Assert that a command was refused by one line on stderr, and return it."""
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("codecshift: ")
    return lines[0]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG_RUNS.values(), ids=WRONG_RUNS)
def test_a_run_of_what_is_not_there_is_refused_in_one_sentence(
    arguments: Sequence[str], sentence: str, furnished: Path, pair: Path, say: Callable[..., Said]
) -> None:
    base = ["--set", f"folder:{pair}"] if "--set" not in arguments else []
    base += ["--codec", "jpeg:q50"] if "--codec" not in arguments else []
    base += ["--corruption", "none"] if "--corruption" not in arguments else []
    before = everything(furnished)
    assert re.search(sentence, one_sentence(say("run", *base, *arguments)))
    assert before == everything(furnished)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--jobs", "0"],
        ["run", "--jobs", "many"],
        ["run", "--time-limit", "0"],
        ["run", "--severity", "x"],
        ["run", "--nonsense"],
        ["run", "quick", "again"],
        ["rows"],
        ["rows", "f", "--format", "xml"],
        ["leaderboard", "f", "--format", "pdf"],
        ["leaderboard", "f", "--quality", "vmaf"],
        ["leaderboard", "f", "--resamples", "-1"],
        ["leaderboard", "f", "--resamples", "many"],
        ["leaderboard", "f", "--seed", "-1"],
        ["merge", "--out", "x"],
        ["merge", "f"],
        ["export", "f"],
        ["check"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_a_usage_error(arguments: Sequence[str], furnished: Path, say: Callable[..., Said]) -> None:
    before = everything(furnished)
    said = say(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert "Usage: " in said.err
    assert "Traceback" not in said.err
    assert before == everything(furnished)


@pytest.mark.parametrize(
    "arguments",
    [["rows"], ["leaderboard"], ["export"], ["merge"], ["figures"]],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("missing.sqlite", "no run file at missing.sqlite"),
        ("empty", "no run file at empty"),
        ("texts/a.txt", "texts/a.txt: it is not a codecshift run file"),
        ("other.sqlite", "other.sqlite is a database, but not a codecshift run file"),
        ("newer.sqlite", "newer.sqlite was written by a newer codecshift"),
    ],
    ids=["missing", "folder", "text", "other-database", "newer"],
)
def test_reading_what_is_no_run_file_is_refused(
    arguments: list[str], file: str, sentence: str, furnished: Path, say: Callable[..., Said]
) -> None:
    more = {"export": ["out"], "merge": ["--out", "out"], "figures": ["--out", "out"]}
    before = everything(furnished)
    said = say(*arguments, file, *more.get(arguments[0], []))
    assert one_sentence(said).startswith(f"codecshift: {sentence}")
    assert before == everything(furnished)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--anchor", "nope"], "nope has no rate curve here: expected an anchor among jpeg, webp"),
        (["--anchor", "identity"], "identity has no rate curve here: expected an anchor among jpeg, webp"),
        (["--set", "kodak"], "holds no rows of set 'kodak': expected one of folder:pair"),
        (["--corruption", "fgo"], "did you mean 'fog'"),
        (["--severity", "9"], "severity"),
        (["--resamples", "99"], "expected 0 resamples, no intervals, or at least 100, got 99"),
        (["--matched", "--anchor", "jpeg"], "--anchor, --tails, --resamples and --seed are of rankings"),
        (["--matched", "--seed", "1"], "are of rankings: leave them out with --matched"),
    ],
    ids=["anchor", "anchor-without-curve", "set", "corruption", "severity", "resamples", "matched", "matched-seed"],
)
def test_a_leaderboard_of_what_is_not_there_is_refused(
    arguments: Sequence[str], sentence: str, measured: Path, say: Callable[..., Said]
) -> None:
    assert sentence in one_sentence(say("leaderboard", measured, *arguments))


@pytest.mark.parametrize("arguments", [["export"], ["figures", "--out"]], ids=["export", "figures"])
def test_a_file_where_a_folder_is_to_be_made_is_refused(
    arguments: list[str], measured: Path, furnished: Path, say: Callable[..., Said]
) -> None:
    (furnished / "file").write_text("in the way", encoding="utf-8")
    before = everything(furnished)
    command, *option = arguments
    one_sentence(say(command, measured, *option, "file"))
    assert before == everything(furnished)


def test_merging_into_what_exists_is_refused(measured: Path, say: Callable[..., Said]) -> None:
    before = measured.read_bytes()
    assert "exists already" in one_sentence(say("merge", measured, "--out", measured))
    assert before == measured.read_bytes()


def test_a_file_that_is_being_written_is_refused(pair: Path, tmp_path: Path, say: Callable[..., Said]) -> None:
    with RunFile.open(tmp_path / "r.sqlite"):
        said = say("run", "--set", f"folder:{pair}", "--codec", "jpeg:q50", "--out", tmp_path / "r.sqlite")
    assert "another codecshift run is writing to it" in one_sentence(said)


def test_a_long_folder_name_does_not_break_the_default_file_name(
    tmp_path: Path, pair: Path, say: Callable[..., Said]
) -> None:
    """Without --out the run file is called after the set, of which the path may be longer than a file name."""
    deep = tmp_path.joinpath(*["d" * 80] * 4)
    shutil.copytree(pair, deep)
    said = say("run", "--set", f"folder:{deep}", "--codec", "identity", "--corruption", "none", "--jobs", 1)
    assert said.code in {0, 2}
    assert "Traceback" not in said.err
    if said.code:
        one_sentence(said)


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch, say: Callable[..., Said]) -> None:
    def fault(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("codecshift.benchmark.store.read", fault)
    with pytest.raises(AssertionError, match="a bug"):
        say("rows", "whatever")


# --- running


def test_a_run_prints_a_leaderboard_that_fits(measured: Path) -> None:
    out = (measured.parent / "out.txt").read_text(encoding="utf-8")
    assert out.startswith("folder:pair: 2 images, 2 corruptions, severity 2; BD-rate (PSNR) against jpeg")
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert re.search(r"^ *1 +(jpeg|webp) ", out, re.MULTILINE)
    assert "identity is not ranked" in out


def test_a_run_without_curves_prints_a_line_per_cell(pair: Path, tmp_path: Path, say: Callable[..., Said]) -> None:
    path = tmp_path / "r.sqlite"
    base = ["run", "--set", f"folder:{pair}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path, "--jobs", 1]
    said = say(*base)
    assert said.code == 0
    assert re.match(r"2 rows in .* with 1 jobs?\b.*, 0 failed, 0 skipped -> ", said.err)
    assert "no leaderboard of folder:pair: no codec has the 4 points" in said.err
    table = store.read(path)
    numbers = [f"{table['bpp'].mean():.3f}", *[f"{table['psnr'].mean():.2f}"] * 2, f"{table['ms_ssim'].mean():.4f}"]
    (line,) = (line.split() for line in said.out.splitlines() if line.startswith(" none@0"))
    assert line == ["none@0", "jpeg:q50", "2", "0", *numbers]
    again = say(*base)
    assert again.code == 0
    assert again.err.startswith(f"nothing to do: all 2 rows are in {path}")
    assert said.out == again.out


def test_a_dry_run_writes_nothing_and_says_what_would_be_done(
    pair: Path, tmp_path: Path, say: Callable[..., Said]
) -> None:
    said = say("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--severity", 1, "--severity", 2, "--dry-run")
    assert said.code == 0
    facts = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert facts["plan"] == "quick: folder:pair; 31 conditions"
    assert facts["cells"] == str(31 * 11)
    assert facts["rows"].startswith(f"{31 * 11 * 2}, of which 0 are in ")
    assert facts["time"].startswith("about ")
    assert facts["disk"].startswith("about ")
    assert everything(tmp_path / "home") == {}


def test_a_dry_run_counts_what_is_there(pair: Path, measured: Path, say: Callable[..., Said]) -> None:
    before = measured.read_bytes()
    corruptions = ["--corruption", "none", "--corruption", "fog"]
    said = say(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "avif:q50", *corruptions),
        *("--severity", 2, "--out", measured, "--dry-run"),
    )
    assert f"rows    {2 * 2 * 12}, of which {2 * 2 * 11} are in {measured}" in said.out
    assert before == measured.read_bytes()


def test_a_dry_run_of_a_codec_that_crashes_says_so(pair: Path, command: Command) -> None:
    done = command("run", "--set", f"folder:{pair}", "--codec", "segfault", "--corruption", "none", "--dry-run")
    assert done.returncode in {0, 2}


def test_a_damaged_image_does_not_end_a_run(
    save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path, say: Callable[..., Said]
) -> None:
    folder = save_set("damaged", ["hair", "hull", "suit"])
    whole = (folder / "hull.png").read_bytes()
    (folder / "hull.png").write_bytes(whole[: len(whole) // 2])
    path = tmp_path / "r.sqlite"
    said = say("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path)
    assert said.code == 0
    assert "1 failed" in said.err
    assert "1 x jpeg: image: UnreadableImage: hull.png: " in said.err
    assert str(folder) not in said.err
    assert store.read(path).set_index("image")["status"].to_dict() == {"hair": "ok", "hull": "failed", "suit": "ok"}
    again = say("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path)
    assert again.err.startswith("nothing to do: ")
    assert "1 x jpeg: image: UnreadableImage: hull.png: " in again.err


def test_a_run_of_which_nothing_came_ends_with_1(pair: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "exits", "--corruption", "none", "--out", path, "--jobs", 1)
    )
    assert done.returncode == 1
    assert "2 failed" in done.stderr
    assert "2 x exits: its process ended with exit code 3" in done.stderr
    assert "Traceback" not in done.stderr


# --- rows


def test_rows_as_csv_are_the_table(measured: Path, say: Callable[..., Said]) -> None:
    said = say("rows", measured)
    assert (said.code, said.err) == (0, "")
    table = store.read(measured)
    read = pd.read_csv(io.StringIO(said.out), float_precision="round_trip")
    pd.testing.assert_frame_equal(table, read.astype(table.dtypes.to_dict()))


def test_rows_as_json_are_the_table(measured: Path, say: Callable[..., Said]) -> None:
    said = say("rows", measured, "--format", "json")
    assert said.code == 0
    table = store.read(measured)
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert all(list(line) == list(table.columns) for line in lines)
    read = pd.DataFrame(lines)
    # JSON has no infinity: a lossless row has no PSNR, and is told from a failed one by its status.
    read.loc[read["status"] == "ok", ["psnr", "psnr_clean"]] = read[["psnr", "psnr_clean"]].fillna(float("inf"))
    pd.testing.assert_frame_equal(table, read.astype(table.dtypes.to_dict()), rtol=0, atol=1e-9)


def test_rows_as_parquet_are_the_table(measured: Path, tmp_path: Path, environment: dict[str, str]) -> None:
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
    assert (done.returncode, done.stderr) == (0, "")
    table = store.read(measured)
    pd.testing.assert_frame_equal(table, pd.read_parquet(target).astype(table.dtypes.to_dict()))


def test_rows_that_failed_have_empty_cells(tmp_path: Path, row: Rows, write: Write, say: Callable[..., Said]) -> None:
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


# --- leaderboards, exports, merges


def test_the_text_leaderboard_fits(measured: Path, say: Callable[..., Said]) -> None:
    said = say("leaderboard", measured)
    assert (said.code, said.err) == (0, "")
    assert [line for line in said.out.splitlines() if len(line) > WIDTH] == []
    assert said.out == (measured.parent / "out.txt").read_text(encoding="utf-8")


def test_the_leaderboards_formats_agree(measured: Path, say: Callable[..., Said]) -> None:
    lines = list(csv.DictReader(io.StringIO(say("leaderboard", measured, "--format", "csv").out)))
    data = json.loads(say("leaderboard", measured, "--format", "json").out)
    markdown = say("leaderboard", measured, "--format", "markdown").out
    codecs = [entry["codec"] for entry in data["entries"]]
    assert sorted(codecs) == ["identity", "jpeg", "webp"]
    assert codecs == [line["codec"] for line in lines]
    ranking, _, settings = markdown.partition("BD-rate: bits")
    assert codecs == re.findall(r"^\| *\d* *\| (\w+) ", ranking.partition("---")[2], re.MULTILINE)
    assert sorted(codecs) == [one["codec"] for one in data["codecs"]]
    assert sorted(codecs) == re.findall(r"^\| (\w+) \| \d \| classical ", settings, re.MULTILINE)


def test_a_leaderboard_says_how_sure_it_is(measured: Path, say: Callable[..., Said]) -> None:
    assert "Confidence intervals need at least 6" in say("leaderboard", measured).out
    assert "ntervals" not in say("leaderboard", measured, "--resamples", 0).out
    data = json.loads(say("leaderboard", measured, "--resamples", 100, "--seed", 7, "--format", "json").out)
    assert data["intervals"] == {"confidence": 0.95, "images": 2, "resamples": 100, "seed": 7}
    assert json.loads(say("leaderboard", measured, "--resamples", 0, "--format", "json").out)["intervals"] is None


def test_a_leaderboard_tells_the_worst_cases(measured: Path, say: Callable[..., Said]) -> None:
    said = say("leaderboard", measured, "--tails")
    assert [line for line in said.out.splitlines() if len(line) > WIDTH] == []
    assert re.search(r"^ *codec +number +mean +worst decile +CVaR +cases +lacking$", said.out, re.MULTILINE)
    assert re.search(r"^ *webp +PSNR clean +\S+ dB +\S+ dB +\S+ dB +4 +0$", said.out, re.MULTILINE)
    assert "| webp | PSNR clean |" in say("leaderboard", measured, "--tails", "--format", "markdown").out


def test_a_leaderboard_can_be_narrowed(measured: Path, say: Callable[..., Said]) -> None:
    data = json.loads(say("leaderboard", measured, "--corruption", "fog", "--anchor", "webp", "--format", "json").out)
    assert data["anchor"] == "webp"
    assert list(data["entries"][0]["bd_rates"]) == ["none@0", "fog@2"]
    high = json.loads(say("leaderboard", measured, "--corruption", "high", "--format", "json").out)
    assert list(high["entries"][0]["bd_rates"]) == ["none@0", "shot_noise@2"]
    similarity = json.loads(say("leaderboard", measured, "--quality", "ms_ssim", "--format", "json").out)
    assert similarity["quality"] == "ms_ssim"


def test_an_export_lists_its_files(measured: Path, tmp_path: Path, say: Callable[..., Said]) -> None:
    said = say("export", measured, tmp_path / "results")
    assert said.code == 0
    listed = [Path(line) for line in said.out.splitlines()]
    assert all(path.is_file() for path in listed)
    assert [path.name for path in listed[:-2]] == ["identity.csv", "jpeg.csv", "webp.csv"]
    assert listed[-2].parent == tmp_path / "results" / "v1" / "runs"
    assert listed[-1] == tmp_path / "results" / "v1" / "codecs.csv"


def test_a_merge_says_what_it_did(
    measured: Path, tmp_path: Path, row: Rows, write: Write, say: Callable[..., Said]
) -> None:
    other = write(tmp_path / "other.sqlite", [row()])
    said = say("merge", measured, other, measured, "--out", tmp_path / "all.sqlite")
    count = len(store.read(measured))
    assert said.code == 0
    assert said.err.strip() == f"{count + 1} rows -> {tmp_path / 'all.sqlite'} ({count} were in several files)"
    assert len(store.read(tmp_path / "all.sqlite")) == count + 1


# --- what there is


def test_codecs_are_listed(say: Callable[..., Said]) -> None:
    out = say("codecs").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(re.search(rf"^ {re.escape(spec.name)} ", out, re.MULTILINE) for spec in BUILT_IN)
    assert "q4..q96 (11)" in out


@pytest.mark.usefixtures("few_codecs")
def test_the_table_of_codecs_comes_as_data(say: Callable[..., Said], with_plugins: None) -> None:
    """What is no codec is told beside it, so that the output is the table alone."""
    data = json.loads(say("codecs", "--format", "json").out)
    assert data["faults"] == {"faulty (codecshift-bad-codecs)": "RuntimeError: this plugin is broken"}
    said = say("codecs", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(said.out)))
    assert [line["codec"] for line in lines] == [one["codec"] for one in data["codecs"]]
    assert {line["header_bytes"] for line in lines if line["codec"] == "identity"} == {"200"}
    assert "fault: faulty (codecshift-bad-codecs): RuntimeError: this plugin is broken" in said.err
    markdown = say("codecs", "--format", "markdown").out.splitlines()
    names = [line.split("|")[1].strip() for line in markdown if line.startswith("| ")]
    assert all(names.count(line["codec"]) == 2 for line in lines)


@pytest.mark.usefixtures("few_codecs")
def test_plugins_and_their_faults_are_listed(with_plugins: None, say: Callable[..., Said]) -> None:
    out = say("codecs").out
    assert re.search(r"^ hang +p ", out, re.MULTILINE)
    assert "fault: faulty (codecshift-bad-codecs): RuntimeError: this plugin is broken" in out


def test_sets_are_listed(say: Callable[..., Said]) -> None:
    out = say("sets").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(name in out for name in KNOWN)


def test_plans_are_listed(say: Callable[..., Said]) -> None:
    out = say("plans").out
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert all(re.search(rf"^ {name} ", out, re.MULTILINE) for name in PLANS)


@pytest.mark.usefixtures("few_codecs")
def test_the_doctor_speaks(say: Callable[..., Said]) -> None:
    said = say("doctor")
    assert said.code == 0
    assert re.search(r"^ ok +set sample +4 images$", said.out, re.MULTILINE)
    assert said.out.splitlines()[-1] == "all is well" or "need attention" in said.out.splitlines()[-1]


@pytest.mark.usefixtures("few_codecs")
def test_the_doctor_names_what_is_broken(with_plugins: None, say: Callable[..., Said]) -> None:
    said = say("doctor")
    assert re.search(r"^ !! +plugin faulty \(codecshift-bad-codecs\) *RuntimeError", said.out, re.MULTILINE)
    assert "need attention" in said.out.splitlines()[-1]


def test_a_good_codec_passes_its_check(say: Callable[..., Said]) -> None:
    said = say("check", "jpeg:q50")
    assert said.code == 0
    assert "BROKEN" not in said.out
    assert re.search(r"^jpeg: (\d+) of \1 checks passed$", said.out.splitlines()[-1])


def test_the_law_that_a_codec_breaks_is_named(with_plugins: None, say: Callable[..., Said]) -> None:
    said = say("check", "brightens")
    assert said.code == 1
    broken = [line.split(":")[0] for line in said.out.splitlines() if line.startswith("BROKEN")]
    assert broken == ["BROKEN  lossless"]
    assert re.search(r"^brightens: \d+ of \d+ checks passed$", said.out.splitlines()[-1])


def test_a_codec_that_dies_and_hangs_is_checked_to_the_end(with_plugins: None, say: Callable[..., Said]) -> None:
    said = say("check", "segfault", "--time-limit", 20)
    assert said.code == 1
    first, second = said.out.splitlines()[:2]
    assert first == "BROKEN  shape: shape and dtype come back, at any size down to 1x1"
    assert second == "        at p: its process died of SIGSEGV"
    assert re.search(r"^segfault: \d+ of \d+ checks passed$", said.out.splitlines()[-1])
    hung = say("check", "deaf", "--time-limit", 0.5).out.splitlines()
    assert hung[1] == "        at p: no answer within 0.5 s"


def test_checking_what_is_not_there_is_refused(say: Callable[..., Said]) -> None:
    assert "did you mean 'jpeg'" in one_sentence(say("check", "jpgg"))


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "rows",
        "leaderboard",
        "export",
        "merge",
        "codecs",
        "sets",
        "plans",
        "check",
        "doctor",
        "figures",
        "spectra",
    ],
)
def test_each_command_has_help(name: str, say: Callable[..., Said]) -> None:
    said = say(name, "--help")
    assert said.code == 0
    assert f"codecshift {name}" in said.out
    assert name in say("--help").out


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    program = (
        "import sys\nfrom codecshift.benchmark.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'pandas', 'cv2', 'scipy', 'matplotlib', 'torch', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "--help"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert done.stdout.splitlines()[-1] == "[]"
