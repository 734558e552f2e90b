"""A run prints what it measured, and says what went wrong."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
from codecshift.benchmark import store
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.store import Row
from codecshift.codecs.registry import find

Rows = Callable[..., Row]
Write = Callable[..., Path]
Command = Callable[..., "subprocess.CompletedProcess[str]"]
Say = Callable[..., Any]


def test_a_run_prints_a_leaderboard_that_fits(measured: Path) -> None:
    out = (measured.parent / "out.txt").read_text(encoding="utf-8")
    assert out.startswith("folder:pair: 2 images, 2 corruptions, severity 2; bits at equal PSNR against ")
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    assert re.search(r"^ *1 +(jpeg|webp) ", out, re.MULTILINE)
    assert "Not ranked, because lossless: identity." in out


def test_a_run_without_curves_prints_a_line_per_cell(pair: Path, tmp_path: Path, say: Say) -> None:
    path = tmp_path / "r.sqlite"
    base = ["run", "--set", f"folder:{pair}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path, "--jobs", 1]
    said = say(*base)
    assert said.code == 0
    assert re.match(r"2 rows in .* with 1 jobs?\b.*, 0 failed, 0 skipped -> ", said.err)
    assert "no leaderboard for folder:pair: no codec has the 4 points" in said.err
    table = store.read(path)
    numbers = [f"{table['bpp'].mean():.3f}", *[f"{table['psnr'].mean():.2f}"] * 2, f"{table['ms_ssim'].mean():.4f}"]
    (line,) = (line.split() for line in said.out.splitlines() if line.startswith(" none@0"))
    assert line == ["none@0", "jpeg:q50", "2", "0", *numbers]
    again = say(*base)
    assert again.code == 0
    assert again.err.startswith(f"nothing to do: all 2 rows are in {path}")
    assert said.out == again.out


def test_files_that_are_left_out_are_told_once(pair: Path, tmp_path: Path, say: Say) -> None:
    folder = shutil.copytree(pair, tmp_path / "photos")
    for name in ("a.cr2", "b.mov", "hair.xmp"):
        (folder / name).write_bytes(b"x")
    sentence = "folder:photos: 2 files are left out: 1 .cr2, 1 .mov"
    chosen = ("--corruption", "fog", "--severity", 1, "--jobs", 1)
    said = say("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", *chosen, "--out", tmp_path / "r.sqlite")
    assert (said.code, said.err.splitlines().count(sentence), said.err.count("left out")) == (0, 1, 1), said.err
    said = say("generate", f"folder:{folder}", *chosen, "--out", tmp_path / "out")
    assert (said.code, said.err.splitlines().count(sentence), said.err.count("left out")) == (0, 1, 1), said.err
    read = ("run", "--set", f"generated:{tmp_path / 'out'}", "--data-dir", tmp_path, "--codec", "jpeg:q50")
    said = say(*read, *chosen, "--out", tmp_path / "read.sqlite")
    assert (said.code, said.err.splitlines().count(sentence), said.err.count("left out")) == (0, 1, 1), said.err


LADDER = len(find("jpeg")[1])


def test_a_dry_run_writes_nothing_and_says_what_would_be_done(
    pair: Path, tmp_path: Path, say: Say, everything: Callable[[Path], dict[str, bytes]]
) -> None:
    said = say("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--severity", 1, "--severity", 2, "--dry-run")
    assert said.code == 0
    facts = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert facts["plan"] == "quick: folder:pair; 31 conditions"
    assert facts["points"].startswith(f"{LADDER} codec settings")
    assert facts["rows"].startswith(f"{31 * LADDER * 2}, of which 0 are in ")
    assert facts["time"].startswith("about ")
    assert facts["disk"].startswith("about ")
    assert everything(tmp_path / "home") == {}


def test_a_dry_run_counts_what_is_there(pair: Path, measured: Path, say: Say) -> None:
    before = measured.read_bytes()
    corruptions = ["--corruption", "none", "--corruption", "fog"]
    said = say(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "avif:q50", *corruptions),
        *("--severity", 2, "--out", measured, "--dry-run"),
    )
    assert f"rows    {2 * 2 * (LADDER + 1)}, of which {2 * 2 * LADDER} are in {measured}" in said.out
    assert before == measured.read_bytes()


def test_a_dry_run_of_a_codec_that_crashes_says_so(pair: Path, command: Command) -> None:
    done = command("run", "--set", f"folder:{pair}", "--codec", "segfault", "--corruption", "none", "--dry-run")
    assert done.returncode in {0, 2}


def test_a_damaged_image_does_not_end_a_run(
    save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path, say: Say
) -> None:
    folder = save_set("damaged", ["hair", "hull", "suit"])
    whole = (folder / "hull.png").read_bytes()
    (folder / "hull.png").write_bytes(whole[: len(whole) // 2])
    path = tmp_path / "r.sqlite"
    said = say("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path)
    assert said.code == 0
    assert "0 failed" in said.err
    (line,) = (line for line in said.err.splitlines() if "hull" in line)
    assert line.startswith("1 image cannot be read: hull.png: ")
    assert str(folder) not in said.err
    assert store.read(path).set_index("image")["status"].to_dict() == {"hair": "ok", "suit": "ok"}
    again = say("run", "--set", f"folder:{folder}", "--codec", "jpeg:q50", "--corruption", "none", "--out", path)
    assert again.err.startswith("nothing to do: all 2 rows are in ")
    assert line in again.err.splitlines()
    assert line in again.out.splitlines()


def test_a_run_of_images_that_cannot_be_corrupted_does_not_end_with_0(tmp_path: Path, say: Say) -> None:
    (tmp_path / "tiny").mkdir()
    PIL.Image.new("RGB", (20, 24)).save(tmp_path / "tiny" / "a.png")
    said = say(
        *("run", "--set", f"folder:{tmp_path / 'tiny'}", "--codec", "jpeg:q50", "--corruption", "fog"),
        *("--severity", 1, "--out", tmp_path / "r.sqlite", "--jobs", 1),
    )
    assert said.code != 0
    assert "1 corrupted image cannot be made: fog needs at least 32 pixels a side, got 20x24." in said.err


def test_a_run_of_which_nothing_came_ends_with_1(pair: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "exits", "--corruption", "none", "--out", path, "--jobs", 1)
    )
    assert done.returncode == 1
    assert "2 failed" in done.stderr
    assert "2 x exits: its process ended with exit code 3" in done.stderr
    assert "Traceback" not in done.stderr
