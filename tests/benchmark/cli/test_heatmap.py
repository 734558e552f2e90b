"""The heatmap command: measures what is missing, reads what is there, and refuses what it cannot do in one sentence."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from codecshift.benchmark import store

Here = Callable[..., "subprocess.CompletedProcess[str]"]
BAND = ("--of", 4)
CODEC = ("--codec", "jpeg:q50")


def lines(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def test_it_measures_then_shows_and_measures_nothing_twice(
    here: Here, pair: Path, tmp_path: Path, complaints: Callable[[str], list[str]]
) -> None:
    asked = ("heatmap", "--set", f"folder:{pair}", *BAND, *CODEC, "--out", "h.sqlite", "--jobs", 1)
    first = here(*asked, "--format", "csv", "--figures", "drawn")
    assert first.returncode == 0, first.stderr
    assert "22 rows in" in first.stderr  # 2 images x (clean and 10 waves)
    assert sorted(path.suffix for path in (tmp_path / "drawn").iterdir()) == [".pdf", ".png", ".txt"]
    table = lines(first.stdout)
    assert (len(table), set(table["n"]), set(table["rms"])) == (15, {2}, {8.0})

    again = here(*asked, "--format", "csv")
    assert "nothing to do: all 22 rows are in h.sqlite" in again.stderr
    assert again.stdout == first.stdout
    read = here("heatmap", "h.sqlite", "--format", "csv")
    assert (read.returncode, read.stdout, complaints(read.stderr)) == (0, first.stdout, [])
    records = json.loads(here("heatmap", "h.sqlite", "--format", "json").stdout)
    pd.testing.assert_frame_equal(pd.DataFrame(records), table, check_dtype=False)


def test_the_values_are_those_of_the_rows(here: Here, pair: Path) -> None:
    out = here("heatmap", "--set", f"folder:{pair}", *BAND, *CODEC, "--out", "h.sqlite", "--rms", 16, "--format", "csv")
    table = lines(out.stdout).set_index(["i", "j"])
    rows = store.read("h.sqlite")
    assert rows["ms_ssim"].isna().all()
    (provenance,) = store.runs("h.sqlite").values()
    assert provenance["measures"] == {"bpp": 1, "psnr": 1}
    wave = rows[rows["corruption"] == "fourier_m1_1_of_4"]
    mse = np.mean(255**2 / 10 ** (wave["psnr"] / 10))
    assert table.loc[(-1, 1), "psnr"] == pytest.approx(10 * np.log10(255**2 / mse))
    assert table.loc[(-1, 1), "bpp"] == pytest.approx(wave["bpp"].mean())
    clean = rows[rows["corruption"] == "none"]["bpp"].mean()
    assert table.loc[(-1, 1), "bpp_change"] == pytest.approx(wave["bpp"].mean() - clean)


def test_more_images_are_added_and_fewer_can_be_shown(here: Here, pair: Path) -> None:
    asked = ("heatmap", "--set", f"folder:{pair}", *BAND, *CODEC, "--out", "h.sqlite", "--jobs", 1, "--format", "csv")
    one = here(*asked, "--images", 1)
    assert "11 rows in" in one.stderr
    assert set(lines(one.stdout)["n"]) == {1}
    both = here(*asked)
    assert "11 rows in" in both.stderr
    assert set(lines(both.stdout)["n"]) == {2}
    assert here(*asked, "--image", "hair").stdout == one.stdout


def test_a_codec_without_a_point_is_held_at_half_a_bit(here: Here, pair: Path) -> None:
    asked = ("heatmap", "--set", f"folder:{pair}", "--of", 2, "--codec", "jpeg", "--images", 1, "--out", "h.sqlite")
    done = here(*asked, "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "bpp=0.5 jpeg" in done.stderr
    (point,) = set(lines(done.stdout)["point"])
    rows = store.read("h.sqlite")
    clean = rows[rows["corruption"] == "none"].set_index("point")["bpp"]
    assert abs(clean[point] - 0.5) == min(abs(clean - 0.5))


def test_a_dry_run_says_what_there_is_to_do(here: Here, pair: Path) -> None:
    told = here("heatmap", "--set", f"folder:{pair}", *BAND, *CODEC, "--images", 1, "--dry-run", "--out", "h.sqlite")
    assert told.returncode == 0, told.stderr
    assert "rows    11, of which 0 are in h.sqlite" in told.stdout
    assert not Path("h.sqlite").exists()


def test_the_words(here: Here, pair: Path) -> None:
    asked = ("heatmap", "--set", f"folder:{pair}", *BAND, *CODEC, "--out", "h.sqlite")
    out = here(*asked).stdout
    assert "folder:pair, RMS 8 grey levels, 5 x 3 frequencies in steps of 1/4 cycle per pixel" in out
    assert "jpeg:q50 PSNR clean 2    10 " in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["missing.sqlite"], "no run file at missing.sqlite"),
        (["--band", "middle"], "unknown band 'middle': expected one of full, low"),
        (["--of", 1], "expected 2 to 256 frequency steps, got 1"),
        (["--rms", 3], "expected an RMS of 1, 2, 4, 8, 16 grey levels, got 3"),
        (["--codec", "jpg:q5"], "unknown codec 'jpg'"),
        (
            ["--image", "astronaut", "--images", 2],
            "expected a number of images (1 or more) or ids, got 2 and astronaut",
        ),
        (["--image", "astronot"], "there is no image 'astronot' in sample (did you mean 'astronaut'?)"),
        (["--codec", "jpeg:q50", "--match", "psnr=30"], "nothing to match among jpeg:q50"),
        (
            ["r.sqlite", "--images", 2],
            "--images is for measuring, but r.sqlite is only read: to measure into it, use codecshift heatmap "
            "--out r.sqlite",
        ),
        (["r.sqlite", "--jobs", 2], "--jobs is for measuring, but r.sqlite is only read"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_what_it_cannot_do_is_one_sentence(here: Here, arguments: list[object], fault: str) -> None:
    done = here("heatmap", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1
