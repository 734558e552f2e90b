"""`codecshift corruptions` prints paper and measurement side by side, measures anew, and refuses in one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.sets import bands
from codecshift.corruptions.table import CORRUPTIONS, FIFTEEN

Say = Callable[..., tuple[int, str, str]]


def table(out: str) -> dict[str, list[str]]:
    lines = [line.split() for line in out.splitlines()]
    return {line[0]: line[1:] for line in lines if line and line[0].startswith((*CORRUPTIONS, "fourier"))}


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_it_lists_every_corruption_with_both_bands(say: Say, severity: int) -> None:
    code, out, err = say("corruptions", *(("--severity", severity) if severity != 3 else ()))
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= WIDTH
    stored = bands.read().at(severity)
    lines = table(out)
    assert list(lines) == list(CORRUPTIONS)
    for name, words in lines.items():
        row = stored[name]
        paper, measured, *figures = words[-7:]
        assert paper == CORRUPTIONS[name].band
        assert measured == row.band + ("*" if name in FIFTEEN and row.band != paper else "")
        shares = (row.share_dc, row.share_low, row.share_medium, row.share_high)
        assert figures == [f"{row.centroid:.3f}", *(f"{100 * share:.1f}" for share in shares)]
    assert f"Measured at severity {severity} on 24 images of kodak" in out
    marked = sum("*" in "".join(words) for words in lines.values())
    assert f"* The measured third differs from the paper's band for {marked} of 15 corruptions." in out


def test_levels_are_the_five_or_the_first_and_the_last(say: Say) -> None:
    _, out, _ = say("corruptions")
    assert "gaussian_noise    0.08 0.12 0.18 0.26 0.38" in out
    assert "1/0.4 .. 0.6/0.75" in out
    assert "1-1.11 .. 1-1.3" in out
    assert "7 numbers each" in out


def test_it_narrows_to_a_band_or_a_corruption(say: Say) -> None:
    _, out, _ = say("corruptions", "--corruption", "high", "--corruption", "fog", "--corruption", "fog")
    assert list(table(out)) == ["gaussian_noise", "shot_noise", "impulse_noise", "fog"]


def test_a_fourier_perturbation_is_listed_unmeasured(say: Say) -> None:
    code, out, _ = say("corruptions", "--corruption", "fourier_3_m5_of_32")
    assert code == 0
    assert table(out) == {"fourier_3_m5_of_32": ["1", "2", "4", "8", "16", "extra"]}


def test_it_measures_a_set_anew(say: Say, pair: Path) -> None:
    asked = ("--corruption", "contrast", "--corruption", "fourier_8_0_of_32", "--severity", 5)
    code, out, err = say("corruptions", "--measure", f"folder:{pair}", *asked, "--out", "m.csv")
    assert code == 0
    assert "10 rows -> m.csv" in err
    kept = bands.read(Path("m.csv"))
    assert [row.corruption for row in kept.rows] == ["contrast"] * 5 + ["fourier_8_0_of_32"] * 5
    lines = table(out)
    assert lines["contrast"][-5] == f"{kept.at(5)['contrast'].centroid:.3f}"
    assert lines["fourier_8_0_of_32"][-6:-4] == ["medium", "0.250"]
    assert "on 2 images of folder:pair" in out
    assert say("corruptions", "--measure", f"folder:{pair}", *asked)[1] == out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--severity", "0"], "expected a severity from 1 to 5, got 0"),
        (["--severity", "6"], "expected a severity from 1 to 5, got 6"),
        (["--corruption", "fgo"], "unknown corruption 'fgo': .*did you mean 'fog'"),
        (["--corruption", "none"], "none means clean images: expected a corruption"),
        (["--corruption", "fourier_3"], "unknown corruption 'fourier_3': expected a name such as fourier_3_m5"),
        (["--corruption", "fourier_17_0_of_32"], "unknown corruption .*at most 1/2 cycle per pixel, got 17/32"),
        (["--out", "m.csv"], "--out, --data-dir and --download need --measure SET"),
        (["--data-dir", "x"], "--out, --data-dir and --download need --measure SET"),
        (["--measure", "sample", "--out", "no/m.csv"], "no/m.csv cannot be written: expected the path of a file"),
        (["--measure", "sample", "--out", "."], r"\. cannot be written: expected the path of a file"),
        (["--measure", "kodac"], "expected a set .*did you mean kodak"),
        (
            ["--measure", "kodak", "--data-dir", "nowhere"],
            "there is no folder nowhere: correct --data-dir or CODECSHIFT_DATA",
        ),
        (["--measure", "kodak", "--no-download"], "kodak: 24 of 24 images are missing"),
        (["--measure", "folder:tiny"], "folder:tiny: small is 40x20, corruptions need at least 32 pixels per side"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_sentence(arguments: list[str], fault: str, say: Say, tmp_path: Path) -> None:
    tiny = tmp_path / "home" / "tiny"
    tiny.mkdir()
    PIL.Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tiny / "small.png")
    code, out, err = say("corruptions", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    with pytest.raises(AssertionError, match=fault):
        raise AssertionError(err)


def test_a_run_takes_a_fourier_perturbation_by_name(say: Say, pair: Path) -> None:
    name = "fourier_4_m2_of_32"
    chosen = ("--codec", "jpeg:q50", "--codec", "webp:q50", "--corruption", name, "--severity", 4)
    code, _, err = say("run", "--set", f"folder:{pair}", *chosen, "--jobs", 1, "--out", "r.sqlite")
    assert code == 0, err
    rows = store.read(Path("r.sqlite"))
    assert (set(rows["corruption"]), len(rows), set(rows["status"])) == ({name}, 4, {"ok"})
    (provenance,) = store.runs(Path("r.sqlite")).values()
    assert provenance["corruptions"] == {name: 1}
