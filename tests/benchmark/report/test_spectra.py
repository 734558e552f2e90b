"""The table of spectra says what their sums say, and names what a file lacks and the command that makes it."""

import io
import json
import math
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.spectrum import HIGH, LOW, grid_radius
from codecshift.benchmark import store
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.report import spectra
from codecshift.benchmark.report.evidence import Choice, Evidence, NothingChosen
from codecshift.benchmark.report.spectra import COLUMNS
from codecshift.benchmark.store import Row, Spectra

Here = Callable[..., "subprocess.CompletedProcess[str]"]
Rows = Callable[..., Row]
Write = Callable[..., Path]


def table_of(path: Path, **choice: Any) -> pd.DataFrame:
    return spectra.table(Evidence.open(path, Choice(**choice)))


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Here) -> Path:
    """A run with spectra of two images and two codecs, on clean images and two corruptions."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "jpeg:q30", "--codec", "jpeg:q80", "--codec", "webp:q50"),
        *("--corruption", "none", "--corruption", "fog", "--corruption", "shot_noise", "--severity", 2),
        *("--spectra", "--out", path),
    )
    assert done.returncode == 0, done.stderr
    return path


def test_a_line_is_the_numbers_of_its_spectrum(measured: Path) -> None:
    table = table_of(measured)
    assert list(table.columns) == [*COLUMNS, "power"]
    distance = grid_radius()
    low, high = distance < LOW, distance >= HIGH
    for one, mean in zip(table.to_dict("records"), store.spectra(measured).to_dict("records"), strict=True):
        power = mean["power"]
        assert {name: one[name] for name in store.SPECTRA_COLUMNS[:8]} == {
            name: mean[name] for name in store.SPECTRA_COLUMNS[:8]
        }
        assert one["mse"] == pytest.approx(power.sum())
        assert one["share_low"] == pytest.approx(power[low].sum() / power.sum())
        assert one["share_medium"] == pytest.approx(power[~low & ~high].sum() / power.sum())
        assert one["share_high"] == pytest.approx(power[high].sum() / power.sum())
        assert one["centroid"] == pytest.approx((power * distance).sum() / power.sum())


def test_the_residual_is_that_of_the_linear_identity(measured: Path) -> None:
    table = table_of(measured).set_index(["corruption", "codec", "point", "quantity"])
    assert table.loc[table.index.get_level_values("quantity") != "R", "residual"].isna().all()
    for corruption in ("fog", "shot_noise"):
        for codec in (("jpeg", "q30"), ("jpeg", "q80"), ("webp", "q50")):
            lost, decoded = (table.loc[(corruption, *codec, quantity), "mse"] for quantity in "GR")
            expected = 2 * table.loc[("none", *codec, "D"), "mse"] + table.loc[(corruption, "", "", "shift"), "mse"]
            found = table.loc[(corruption, *codec, "R"), "residual"]
            assert found == pytest.approx((lost + decoded - expected) / expected)


def test_there_is_no_residual_between_different_images(tmp_path: Path, row: Rows, write: Write) -> None:
    def of(image: str, corruption: str, codec: str = "jpeg") -> Row:
        ones = np.ones((64, 33))
        own, shot = (("D",), "image") if corruption == "none" else (("G", "R"), "shift")
        carried = Spectra({(quantity, "Y"): ones for quantity in own}, {(shot, "Y"): ones})
        severity = 0 if corruption == "none" else 3
        return row(image=image, corruption=corruption, severity=severity, codec=codec, spectra=carried)

    rows = [of("a", "none"), of("b", "none"), of("a", "fog"), of("a", "none", "webp"), of("a", "fog", "webp")]
    table = table_of(write(tmp_path / "r.sqlite", rows)).set_index(["codec", "quantity"])["residual"]
    assert math.isnan(table["jpeg", "R"])
    assert table["webp", "R"] == pytest.approx(-1 / 3)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("jpeg:q80",), {("", ""), ("jpeg", "q80")}),
        (("jpeg",), {("", ""), ("jpeg", "q30"), ("jpeg", "q80")}),
        (("jpeg:q30", "webp"), {("", ""), ("jpeg", "q30"), ("webp", "q50")}),
    ],
    ids=["one-point", "a-codec", "both"],
)
def test_codecs_are_chosen_by_label(labels: Sequence[str], expected: set[tuple[str, str]], measured: Path) -> None:
    table = table_of(measured, codecs=labels)
    assert expected == set(table[["codec", "point"]].itertuples(index=False, name=None))
    whole = table_of(measured)
    kept = whole[[one in expected for one in whole[["codec", "point"]].itertuples(index=False, name=None)]]
    pd.testing.assert_frame_equal(kept[list(COLUMNS)].reset_index(drop=True), table[list(COLUMNS)])


def test_points_are_in_the_order_of_their_numbers(tmp_path: Path, row: Rows, write: Write) -> None:
    carried = Spectra({(quantity, "Y"): np.ones((64, 33)) for quantity in "GR"}, {("shift", "Y"): np.ones((64, 33))})
    points = ["q40", "q9", "r0.5", "r0.25", "raw", "q100"]
    path = write(tmp_path / "r.sqlite", [row(point=point, spectra=carried) for point in points])
    table = table_of(path)
    shown = [*dict.fromkeys(table.loc[table["codec"] != "", "point"])]
    assert shown == ["r0.25", "r0.5", "q9", "q40", "q100", "raw"]


def test_conditions_are_chosen_with_the_clean_one(measured: Path, pair: Path) -> None:
    image_set = f"folder:{pair.name}"
    assert set(table_of(measured, sets=[image_set], corruptions=["low"])["corruption"]) == {"none", "fog"}
    assert set(table_of(measured, corruptions=["none"])["corruption"]) == {"none"}
    assert set(table_of(measured, severities=[2])["severity"]) == {0, 2}


WRONG = {
    "set": ({"sets": ["kodak"]}, "of set kodak: expected one of folder:pair"),
    "codec": ({"codecs": ["avif"]}, "of codec avif: expected one of jpeg, webp"),
    "point": ({"codecs": ["jpeg:q31"]}, "of codec jpeg:q31: expected one of jpeg:q30, jpeg:q80"),
    "corruption": ({"corruptions": ["snow"]}, "of corruption snow: expected one of fog, none, shot_noise"),
    "severity": ({"severities": [5]}, "of severity 5: expected one of 0, 2"),
}


@pytest.mark.parametrize(("chosen", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_named(chosen: dict[str, list[object]], sentence: str, measured: Path) -> None:
    with pytest.raises(NothingChosen, match=sentence):
        table_of(measured, **chosen)


def test_an_unknown_corruption_is_told_with_the_nearest(measured: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'fog'"):
        table_of(measured, corruptions=["fgo"])


# --- the command


def test_the_text_fits_and_says_what_it_shows(measured: Path, here: Here) -> None:
    said = here("spectra", measured)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert lines[0] == "folder:pair: mean power spectra of 2 images, luminance"
    assert max(map(len, lines)) <= 100
    table = table_of(measured).set_index(["corruption", "codec", "point", "quantity"])
    (line,) = [line.split() for line in lines if line.split()[:3] == ["fog@2", "webp:q50", "R"]]
    one = table.loc[("fog", "webp", "q50", "R")]
    assert line[3:] == [
        *("2", f"{one['mse']:.2f}", f"{100 * one['share_low']:.1f}", f"{100 * one['share_medium']:.1f}"),
        *(f"{100 * one['share_high']:.1f}", f"{one['centroid']:.3f}", f"{100 * one['residual']:+.1f}"),
    ]


def test_the_formats_agree(measured: Path, here: Here) -> None:
    expected = table_of(measured)
    table = pd.read_csv(io.StringIO(here("spectra", measured, "--format", "csv").stdout), keep_default_na=False)
    assert list(table.columns) == list(COLUMNS)
    assert table["mse"].tolist() == pytest.approx(expected["mse"].tolist())
    found = json.loads(here("spectra", measured, "--format", "json").stdout)
    assert found["settings"] == {"grid": 1, "channels": ["Y"], "window": "none"}
    assert found["radii"] == [n / 64 for n in range(46)]
    for one, line in zip(found["spectra"], expected.to_dict("records"), strict=True):
        numbers = {name: None if line[name] != line[name] else line[name] for name in COLUMNS}
        assert numbers == {name: one[name] for name in COLUMNS}
        assert len(one["density"]) == 46
        assert one["density"][0] == pytest.approx(line["power"][32, 0] * 64**2)


def test_a_file_without_spectra_says_how_they_are_made(tmp_path: Path, row: Rows, write: Write, here: Here) -> None:
    path = write(tmp_path / "plain.sqlite", [row()])
    said = here("spectra", path)
    assert (said.returncode, said.stdout) == (2, "")
    options = "--set kodak --image kodim01 --corruption fog --severity 3 --codec jpeg:q75 --spectra"
    command = f"codecshift run {options} --out {path}"
    assert said.stderr == f"codecshift: {path} holds no spectra; a run with --spectra adds them: {command}\n"


def test_channels_and_windows_are_shown(pair: Path, tmp_path: Path, here: Here) -> None:
    path = tmp_path / "r.sqlite"
    wanted = ("run", "--set", f"folder:{pair}", "--codec", "jpeg:q30", "--corruption", "none", "--out", path)
    done = here(*wanted, "--jobs", 1, "--spectra", "--channels", "rgb", "--window", "hann")
    assert done.returncode == 0, done.stderr
    said = here("spectra", path).stdout
    assert said.startswith("folder:pair: mean power spectra of 2 images, luminance (Y), R, G and B, Hann window\n")
    assert [line.split()[2:4] for line in said.splitlines() if "jpeg:q30" in line] == [["D", one] for one in "BGRY"]
    refused = here(*wanted, "--spectra")
    assert refused.returncode == 2
    assert "setting of spectra 'channels' is not the same in all runs" in refused.stderr


def test_a_dry_run_counts_the_spectra(pair: Path, tmp_path: Path, here: Here) -> None:
    wanted = ("run", "--set", f"folder:{pair}", "--codec", "jpeg", "--corruption", "low", "--dry-run", "--jobs", 1)
    disk = [
        float(here(*wanted, *more, "--out", tmp_path / "none.sqlite").stdout.split("disk")[1].split()[1])
        for more in ((), ("--spectra",))
    ]
    # Five corruptions, twelve points, G and R: 64 x 33 numbers, and 46 for each of two images; the rest is keys and
    # the rounding of both to 0.1 MB.
    assert disk[1] - disk[0] == pytest.approx(5 * 12 * 2 * (64 * 33 + 2 * 46) * 4 / 1e6, abs=0.17)
