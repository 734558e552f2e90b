"""A measure of a plugin is measured, ranked and drawn like ours, and no old row lacks it unless it is asked for."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.table import known
from codecshift.benchmark import store
from codecshift.benchmark.plan.measures import catalogue

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PLUGIN = '''
"""The mean absolute difference, and a measure that fails on what is not clean."""
import numpy as np
from codecshift.analysis.measures.measure import Measure


class Absolute:
    def prepare(self, image):
        return image.astype(np.float32)

    def compare(self, reference, seen):
        return float(np.abs(reference - seen).mean())


class Picky(Absolute):
    def compare(self, reference, seen):
        raise RuntimeError("never")


def measures():
    facts = {"version": 1, "unit": "level", "better": "lower", "best": 0, "high": 255, "about": "a difference"}
    yield Measure("absolute", "Absolute", load="codecshift_absolute:Absolute", **facts)
    yield Measure("picky", "Picky", load="codecshift_absolute:Picky", **facts)
    yield Measure("absent", "Absent", load="codecshift_not_here:load", hint="install it by hand", **facts)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "codecshift_absolute-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: codecshift-absolute\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[codecshift.measures]\nabsolute = codecshift_absolute:measures\n", encoding="utf-8"
    )
    (folder / "codecshift_absolute.py").write_text(PLUGIN, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _with_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    monkeypatch.syspath_prepend(folder)
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.fixture
def run(here: Command, pair: Path, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs two ladders on clean images and fog, on one image."""

    def command(*more: str) -> "subprocess.CompletedProcess[str]":
        plan = ("--codec", "jpeg", "--codec", "webp", "--corruption", "none", "--corruption", "fog", "--severity", "3")
        return here("run", "--set", f"folder:{pair}", "--images", 1, *plan, "--jobs", 1, "--out", "r.sqlite", *more)

    return command


def test_a_plugin_measure_is_measured_ranked_and_drawn(run: Command, here: Command, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    assert run("--measure", "absolute").returncode == 0
    rows = store.read(path)
    assert list(rows.columns) == [*store.TABLE_COLUMNS, "absolute", "absolute_clean"]
    assert rows["ms_ssim"].isna().all()
    assert rows[["absolute", "absolute_clean"]].notna().all(axis=None)
    clean = rows[rows["corruption"] == "none"]
    assert (clean["absolute"] == clean["absolute_clean"]).all()
    assert rows["absolute"].corr(rows["psnr"], method="spearman") < -0.9
    assert [*store.shifts(path).columns][-1] == "absolute"
    (provenance,) = store.runs(path).values()
    assert provenance["measures"] == {"bpp": 1, "psnr": 1, "absolute": 1}
    board = json.loads(here("leaderboard", path, "--quality", "absolute", "--format", "json").stdout)
    assert board["quality"] == "absolute"
    assert {entry["codec"]: entry["rank"] is not None for entry in board["entries"]} == {"jpeg": True, "webp": True}
    assert "bits at equal Absolute" in here("leaderboard", path, "--quality", "absolute").stdout
    assert here("figures", path, "--only", "rd-clean", "--format", "svg", "--out", tmp_path).returncode == 0
    drawn = ("--only", "rate-curves", "--only", "bits-by-corruption", "--quality", "absolute")
    assert here("figures", path, *drawn, "--format", "svg", "--out", tmp_path).returncode == 0
    for name in ("rd-clean", "rate-curves"):
        (drawing,) = tmp_path.rglob(f"{name}*.svg")
        assert "-Absolute, level" in drawing.read_text(encoding="utf-8")
    (caption,) = tmp_path.rglob("bits-by-corruption*.txt")
    assert "Quality is Absolute." in " ".join(caption.read_text(encoding="utf-8").split())
    refused = here("leaderboard", path, "--quality", "ms_ssim")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.search("has no values of ms_ssim: measure them with codecshift run .* --measure ms_ssim ", refused.stderr)


@pytest.mark.parametrize("command", ["leaderboard", "figures"])
def test_a_quality_that_is_no_measure_is_refused_with_the_nearest_name(command: str, here: Command) -> None:
    refused = here(command, "no.sqlite", "--quality", "absolut")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.match("codecshift: unknown measure 'absolut': .*did you mean 'absolute'", refused.stderr)


def test_a_measure_that_is_added_keeps_what_is_there(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    assert run().returncode == 0
    before = store.read(path)
    assert run("--measure", "absolute").returncode == 0
    after = store.read(path)
    kept = [name for name in store.TABLE_COLUMNS if name not in {"encode_s", "decode_s", "run"}]
    assert after[kept].equals(before[kept])
    assert after["absolute"].notna().all()
    again = run()
    assert again.returncode == 0
    assert store.read(path).equals(after)
    assert len(store.runs(path)) == 2


def test_a_measure_that_fails_costs_its_rows(run: Command, tmp_path: Path) -> None:
    assert run("--measure", "picky").returncode != 0
    faults = store.faults(tmp_path / "r.sqlite")
    assert set(faults["message"]) == {"measure picky: RuntimeError: never"}
    assert [*store.shifts(tmp_path / "r.sqlite").columns][-1] == "ms_ssim"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absolut", "unknown measure 'absolut': expected one of .*did you mean 'absolute'"),
        ("absent", "absent cannot be loaded: ModuleNotFoundError: .*; install it by hand"),
    ],
)
def test_a_measure_that_cannot_be_had_is_refused_before_anything_is_measured(
    name: str, sentence: str, run: Command, tmp_path: Path
) -> None:
    refused = run("--measure", name)
    assert refused.returncode == 2
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("codecshift: ")]
    assert re.match(f"codecshift: {sentence}", line)
    assert not (tmp_path / "r.sqlite").exists()


def test_a_plugin_measure_can_be_matched(here: Command, pair: Path, tmp_path: Path) -> None:
    done = here(
        *("run", "--set", f"folder:{pair}", "--images", 1, "--codec", "jpeg", "--corruption", "none", "--jobs", 1),
        *("--match", "absolute=4", "--out", "r.sqlite"),
    )
    assert done.returncode == 0
    rows = store.read(tmp_path / "r.sqlite")
    (record,) = [run["matched"]["points"] for run in store.runs(tmp_path / "r.sqlite").values() if "matched" in run]
    assert record[0]["absolute"] == pytest.approx(rows.set_index("point")["absolute"][record[0]["point"]], abs=1e-5)
    assert (rows["absolute"] - 4).abs().min() == pytest.approx(abs(record[0]["absolute"] - 4), abs=1e-5)
