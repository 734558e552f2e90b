"""The command `figures`: it lists, draws what can be drawn, and says what lacks in one sentence."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.analysis.figures import FIGURES

Here = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Here) -> Path:
    """A run file of two images, clean and under a corruption of each band, with spectra."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    points = [f"{codec}:q{value}" for codec in ("jpeg", "webp") for value in (5, 20, 50, 80)]
    done = command(
        *("run", "--set", f"folder:{pair}", *(part for point in points for part in ("--codec", point))),
        *("--corruption", "none", "--corruption", "fog", "--corruption", "pixelate", "--corruption", "shot_noise"),
        *("--severity", 1, "--severity", 3, "--spectra", "--out", path),
    )
    assert done.returncode == 0, done.stderr
    return path


def test_the_list_names_every_figure_and_its_needs(here: Here) -> None:
    done = here("figures", "--list")
    assert done.returncode == 0
    for name in FIGURES:
        assert name in done.stdout
    assert "spectra D" in done.stdout
    few = here("figures", "--list", "--only", "psd-g").stdout
    assert "psd-g" in few
    assert "psd-d" not in few


@pytest.fixture
def moved(measured: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run file that does not record where the run found its images."""
    monkeypatch.setattr("codecshift.benchmark.store.asked", lambda _path: {})
    return measured


def test_images_are_found_where_the_run_found_them(measured: Path, here: Here) -> None:
    listing = here("figures", measured, "--list", "--only", "reconstructions").stdout
    assert re.search(r"^ reconstructions can be drawn$", listing, re.MULTILINE)


def test_the_list_of_a_file_says_what_lacks(moved: Path, pair: Path, here: Here) -> None:
    listing = here("figures", moved, "--list").stdout
    states = dict(re.findall(r"^ (\S+) +(can be drawn|cannot be drawn)$", listing, re.MULTILINE))
    assert list(states) == list(FIGURES)
    assert states["psd-g"] == states["ranking"] == "can be drawn"
    assert states["reconstructions"] == states["neural-variants"] == "cannot be drawn"
    words = " ".join(listing.split())
    assert re.search(r"reconstructions: .* --data-dir DIR ", words)
    assert re.search(r"neural-variants: .*two neural codecs", words)
    listing = here("figures", moved, "--list", "--only", "reconstructions", "--data-dir", pair.parent).stdout
    assert re.search(r"^ reconstructions can be drawn$", listing, re.MULTILINE)


def test_all_that_can_be_drawn_is_drawn_and_the_rest_named(measured: Path, pair: Path, here: Here) -> None:
    done = here("figures", measured, "--out", "figures", "--data-dir", pair.parent, "--format", "png")
    assert done.returncode == 0, done.stderr
    written = [Path(line) for line in done.stdout.splitlines()]
    assert {path.suffix for path in written} == {".png", ".txt"}
    undrawn = {line.split(" is not drawn: ")[0] for line in done.stderr.splitlines()}
    assert undrawn == {"neural-variants", "theory-linear", "theory-spectrum", "fourier-heatmap"}
    for name in set(FIGURES) - undrawn:
        assert any(path.name.startswith(f"{name}-") and path.suffix == ".png" for path in written), name


def test_a_figure_that_lacks_something_is_refused_in_one_sentence(moved: Path, here: Here) -> None:
    done = here("figures", moved, "--only", "matched-example")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("codecshift: matched-example: the images of folder:pair are needed")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["figures"], "expected a run file"),
        (["figures", "FILE", "--only", "psd-x"], "did you mean 'psd-"),
        (["figures", "--list", "--only", "psd-x"], "did you mean 'psd-"),
        (["figures", "FILE", "--data-dir", "nowhere"], "no folder nowhere"),
        (["figures", "FILE", "--width", "2"], "expected --width column, page, or 3.3 to 14"),
        (["figures", "FILE", "--width", "wide"], "expected --width column, page, or 3.3 to 14"),
        (["figures", "FILE", "--codec", "jpeg:q7"], "expected one of"),
    ],
    ids=["no-file", "unknown", "unknown-in-list", "data-dir", "narrow", "no-number", "codec"],
)
def test_wrong_input_is_refused(arguments: list[str], sentence: str, measured: Path, here: Here) -> None:
    done = here(*(str(measured) if word == "FILE" else word for word in arguments))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
