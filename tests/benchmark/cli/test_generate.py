"""The commands that write and check corrupted sets: what they say, and the code they end with."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import PIL.Image
import pytest
from codecshift.benchmark import store
from codecshift.corruptions.sets.generated import MANIFEST

Start = Callable[..., "subprocess.Popen[str]"]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def made(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    out = tmp_path_factory.mktemp("made") / "pair-c"
    done = command("generate", f"folder:{pair}", "--corruption", "fog", "--severity", 1, "--jobs", 1, "--out", out)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert " 2 files, " in f" {done.stderr.splitlines()[-1]}"
    assert done.stderr.endswith(f" -> {out}\n")
    return out


WRONG: dict[str, tuple[Sequence[object], str]] = {
    "no-target": (["sample-c"], "expected --out DIR to write the files, or --preview FILE.png to draw one image"),
    "set": (["kodac-c", "--out", "o"], "unknown corrupted set 'kodac-c': expected one of "),
    "corruption": (["sample-c", "--out", "o", "--corruption", "fgo"], "did you mean 'fog'?"),
    "clean": (["sample-c", "--out", "o", "--corruption", "none"], "none is the clean image itself"),
    "severity": (["sample-c", "--out", "o", "--severity", 6], "expected a severity from 1 to 5, got 6"),
    "images": (["kodak-c", "--out", "o", "--no-download"], "kodak: 24 of 24 images are missing"),
    "data-dir": (["kodak-c", "--out", "o", "--data-dir", "nowhere"], "there is no folder nowhere: correct --data-dir"),
    "folder": (["folder:nowhere", "--out", "o"], "nowhere does not exist"),
    "small": (
        ["folder:small", "--out", "o"],
        "x of folder:small is 40x31: corruptions need at least 32 pixels per side",
    ),
    "taken": (["sample-c", "--out", "small"], "small holds other files (x.png): give another --out"),
    "preview-ending": (["sample-c", "--preview", "p.jpg"], "expected --preview FILE.png, got p.jpg"),
    "preview-image": (["sample-c", "--preview", "p.png", "--image", "rokcet"], "did you mean 'rocket'?"),
    "preview-folder": (["sample-c", "--preview", "no/p.png"], "there is no folder no to write p.png in"),
    "image-alone": (["sample-c", "--out", "o", "--image", "rocket"], "--image chooses the image of --preview"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_generate_is_one_sentence_and_writes_nothing(case: str, tmp_path: Path, here: Command) -> None:
    arguments, sentence = WRONG[case]
    (tmp_path / "small").mkdir()
    PIL.Image.new("RGB", (40, 31)).save(tmp_path / "small" / "x.png")
    done = here("generate", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(("hashing", "drawing"))]
    assert line.startswith("codecshift: ")
    assert sentence in line
    assert {path.name for path in tmp_path.rglob("*")} == {"small", "x.png"}


def test_a_right_set_is_said_to_be_right(made: Path, here: Command) -> None:
    done = here("verify", made, "--jobs", 1)
    assert (done.returncode, done.stdout) == (0, "2 of 2 files have the right pixels\n"), done.stderr


def test_what_is_wrong_is_named_and_the_code_is_1_unless_it_is_bytes_alone(
    made: Path, tmp_path: Path, here: Command
) -> None:
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    PIL.Image.open(copy / "fog/1/suit.png").save(copy / "fog/1/suit.png", compress_level=9)
    done = here("verify", copy, "--jobs", 1)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "bytes       fog/1/suit.png  its pixels are right, but its bytes differ",
        "2 of 2 files have the right pixels, 1 of them stored as different bytes",
    ]
    (copy / "fog/1/hair.png").unlink()
    (copy / "notes.txt").write_text("mine", encoding="utf-8")
    done = here("verify", copy, "--jobs", 1)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "missing     fog/1/hair.png",
        "bytes       fog/1/suit.png  its pixels are right, but its bytes differ",
        "extra       notes.txt",
        "1 of 2 files have the right pixels, 1 of them stored as different bytes, 1 missing, 1 extra",
    ]


def test_what_is_no_set_is_code_2(tmp_path: Path, here: Command) -> None:
    done = here("verify", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"codecshift: {tmp_path} is not a corrupted set: it has no {MANIFEST}\n"


def test_a_run_reads_the_set(made: Path, pair: Path, tmp_path: Path, here: Command) -> None:
    options = ("--codec", "jpeg:q50", "--severity", 1, "--jobs", 1, "--out", tmp_path / "r.sqlite")
    read = ("run", "--set", f"generated:{made}", "--data-dir", pair.parent)
    refused = here(*read, *options)
    assert refused.returncode == 2
    assert "holds no snow@1" in refused.stderr
    done = here(*read, *options, "--corruption", "none", "--corruption", "fog")
    assert done.returncode == 0, done.stderr
    table = store.read(tmp_path / "r.sqlite")
    assert set(table["set"]) == {"folder:pair"}
    assert set(table["status"]) == {"ok"}
    assert len(table) == 4


def test_the_preview_alone_writes_no_files(pair: Path, tmp_path: Path, here: Command) -> None:
    done = here(
        *("generate", f"folder:{pair}", "--corruption", "contrast", "--image", "suit", "--preview", "p.png"),
    )
    assert (done.returncode, done.stdout) == (0, "p.png\n"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_generate_ends_at_once_and_says_how_to_go_on(
    number: signal.Signals, pair: Path, tmp_path: Path, start: Start
) -> None:
    out = tmp_path / "out"
    process = start("generate", f"folder:{pair}", "--jobs", 2, "--out", out)
    deadline = time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < deadline and not list(out.glob("*/*/*.png")):
            time.sleep(0.01)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=10)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        f"stopped: every file written so far is in {out}; the same command continues from there"
    )
    assert not (out / MANIFEST).exists()
    assert list(out.glob("*/*/*.png"))
