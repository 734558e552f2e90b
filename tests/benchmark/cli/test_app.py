"""Every wrong input is one sentence and exit code 2."""

import importlib.metadata
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.store import SCHEMA_VERSION, Row, RunFile

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[..., Any]


WRONG_RUNS: dict[str, tuple[Sequence[str], str]] = {
    "plan": (["qick"], r"unknown plan 'qick': expected one of .* \(did you mean 'quick'\?\)"),
    "codec": (
        ["--codec", "jpg"],
        r"unknown codec 'jpg' \(did you mean 'jpeg'\?\): codecshift codecs lists the codecs$",
    ),
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
    "corrupted-set": (["--set", "kodak-c"], r"kodak-c is kodak with corruptions applied: use --set kodak"),
    "missing-set-folder": (["--set", "folder:nowhere"], r"folder:nowhere: .*nowhere does not exist"),
    "set-folder-unnamed": (["--set", "folder:"], r"expected folder:PATH"),
    "empty-set-folder": (["--set", "folder:empty"], r"folder:empty: no image files below"),
    "set-folder-of-text": (["--set", "folder:texts"], r"folder:texts: no image files below"),
    "missing-images": (["--set", "kodak", "--no-download"], r"kodak: 24 of 24 images are missing"),
    "data-dir": (["--data-dir", "nowhere"], r"there is no folder nowhere: correct --data-dir or CODECSHIFT_DATA"),
    "device": (["--device", "gpu"], r"unknown device 'gpu': expected one of cpu, cuda, auto"),
    "out-folder": (["--out", "empty"], r"empty is a folder, expected the path of a run file"),
    "out-missing-folder": (["--out", "nowhere/r.sqlite"], r"there is no folder nowhere to write r\.sqlite in"),
    "out-text": (["--out", "texts/a.txt"], r"texts/a\.txt: it is not a codecshift run file"),
    "out-newer": (["--out", "newer.sqlite"], r"written by a newer codecshift .*upgrade with pip install -U codecshift"),
    "out-other": (["--out", "other.sqlite"], r"is a database, but not a codecshift run file"),
    "out-read-only": (["--out", "readonly.sqlite"], r"readonly\.sqlite is read-only: give another --out"),
    "channels": (["--channels", "rgb"], r"--channels and --window need --spectra"),
    "channels-unknown": (["--spectra", "--channels", "r"], r"unknown channels 'r': expected one of luminance, rgb"),
    "window": (["--spectra", "--window", "han"], r"unknown window 'han': expected one of none, hann \(did you mean"),
    "out-name-too-long": (["--out", "x" * 300], r"x{300}"),
}


@pytest.fixture
def furnished(tmp_path: Path, say: Say) -> Path:
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


@pytest.mark.parametrize(("arguments", "sentence"), WRONG_RUNS.values(), ids=WRONG_RUNS)
def test_a_run_of_what_is_not_there_is_refused_in_one_sentence(
    arguments: Sequence[str],
    sentence: str,
    furnished: Path,
    pair: Path,
    say: Say,
    one_sentence: Callable[[Any], str],
    everything: Callable[[Path], dict[str, bytes]],
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
def test_a_wrong_option_is_a_usage_error(
    arguments: Sequence[str], furnished: Path, say: Say, everything: Callable[[Path], dict[str, bytes]]
) -> None:
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
    arguments: list[str],
    file: str,
    sentence: str,
    furnished: Path,
    say: Say,
    one_sentence: Callable[[Any], str],
    everything: Callable[[Path], dict[str, bytes]],
) -> None:
    more = {"export": ["out"], "merge": ["--out", "out"], "figures": ["--out", "out"]}
    before = everything(furnished)
    said = say(*arguments, file, *more.get(arguments[0], []))
    assert one_sentence(said).startswith(f"codecshift: {sentence}")
    assert before == everything(furnished)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--anchor", "nope"], "nope has no score here: expected an anchor among jpeg, webp"),
        (["--anchor", "identity"], "identity has no score here: expected an anchor among jpeg, webp"),
        (["--set", "kodak"], "holds no rows of set kodak: expected one of folder:pair"),
        (["--corruption", "fgo"], "did you mean 'fog'"),
        (["--severity", "9"], "severity"),
        (["--codec", "jepg"], "did you mean 'jpeg'"),
        (["--image", "nope"], "holds no rows of image nope: expected one of"),
        (["--image", "nope", "--images", "1"], "expected --images or --image, got both"),
        (["--resamples", "99"], "expected --resamples 0 (no intervals) or at least 100, got 99"),
        (["--matched", "--anchor", "jpeg"], "--anchor, --columns, --tails, --resamples and --seed apply to rankings"),
        (["--matched", "--seed", "1"], "apply to rankings only: leave them out"),
    ],
    ids=["anchor", "no-score", "set", "corruption", "severity", "codec", "image", "both", "few", "matched", "seed"],
)
def test_a_leaderboard_of_what_is_not_there_is_refused(
    arguments: Sequence[str], sentence: str, measured: Path, say: Say, one_sentence: Callable[[Any], str]
) -> None:
    assert sentence in one_sentence(say("leaderboard", measured, *arguments))


@pytest.mark.parametrize("arguments", [["export"], ["figures", "--out"]], ids=["export", "figures"])
def test_a_file_where_a_folder_is_to_be_made_is_refused(
    arguments: list[str],
    measured: Path,
    furnished: Path,
    say: Say,
    one_sentence: Callable[[Any], str],
    everything: Callable[[Path], dict[str, bytes]],
) -> None:
    (furnished / "file").write_text("in the way", encoding="utf-8")
    before = everything(furnished)
    command, *option = arguments
    one_sentence(say(command, measured, *option, "file"))
    assert before == everything(furnished)


def test_merging_into_what_exists_is_refused(measured: Path, say: Say, one_sentence: Callable[[Any], str]) -> None:
    before = measured.read_bytes()
    assert "exists already" in one_sentence(say("merge", measured, "--out", measured))
    assert before == measured.read_bytes()


def test_a_file_that_is_being_written_is_refused(
    pair: Path, tmp_path: Path, say: Say, one_sentence: Callable[[Any], str]
) -> None:
    with RunFile.open(tmp_path / "r.sqlite"):
        said = say("run", "--set", f"folder:{pair}", "--codec", "jpeg:q50", "--out", tmp_path / "r.sqlite")
    assert "another codecshift run is writing to it" in one_sentence(said)


def test_a_long_folder_name_does_not_break_the_default_file_name(
    tmp_path: Path, pair: Path, say: Say, one_sentence: Callable[[Any], str]
) -> None:
    """Without --out the run file is called after the set, of which the path may be longer than a file name."""
    deep = tmp_path.joinpath(*["d" * 80] * 4)
    shutil.copytree(pair, deep)
    said = say("run", "--set", f"folder:{deep}", "--codec", "identity", "--corruption", "none", "--jobs", 1)
    assert said.code in {0, 2}
    assert "Traceback" not in said.err
    if said.code:
        one_sentence(said)


def test_the_version_is_told(say: Say) -> None:
    assert say("--version") == (0, f"{importlib.metadata.version('codecshift')}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_are_completed(shell: str, environment: dict[str, str]) -> None:
    """As the shell's own script asks for it."""
    words = {"COMP_WORDS": "codecshift lead", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "codecshift lead"}
    program = "import sys; sys.argv[0] = 'codecshift'; from codecshift.benchmark.cli import main; main()"
    asked = {**words, "_CODECSHIFT_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment | asked, capture_output=True, encoding="utf-8", check=False
    )
    assert "leaderboard" in done.stdout, done.stderr
    assert "doctor" not in done.stdout


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    def fault(*_: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("codecshift.benchmark.store.read", fault)
    with pytest.raises(AssertionError, match="a bug"):
        say("rows", "whatever")
