"""What spectra of three channels cost the one writer: sums written every few seconds, or with each task."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from codecshift.benchmark.store import Row, RunFile, Spectra, run_file

POINTS, CHANNELS = 20, "RGB"
MOST = 0.5
"""What a row may take of the processor, over what it takes where each task writes its sums."""


def tasks(images: int, conditions: int, *, with_spectra: bool) -> Iterator[list[Row]]:
    """Yield the rows of a ladder, image by image as a run makes them."""
    power = np.random.default_rng(0).random((64, 33))

    def of(quantities: tuple[str, ...]) -> dict[tuple[str, str], np.ndarray]:
        return {(quantity, channel): power for quantity in quantities for channel in CHANNELS}

    spectra = Spectra(of(("G", "R")), of(("image", "shift"))) if with_spectra else None
    for image in range(images):
        for condition in range(conditions):
            key = ("kodak", f"c{condition}", 3, "jpeg")
            values = (512, 768, 10_000, 6000, 60_000, 0.25, 0.125, "ok", "", "r")
            scores = {("ms_ssim", "shown"): 0.75, ("ms_ssim", "clean"): 0.5}
            yield [Row(*key, f"q{point}", f"kodim{image:02}", *values, scores, spectra) for point in range(POINTS)]


def milliseconds(path: Path, rows: list[list[Row]]) -> float:
    """Return what a row takes of the processor, without waiting for the disk."""
    start = time.process_time()
    with RunFile.open(path) as file:
        file.begin("r", {}, "now", 1)
        for task in rows:
            file.append(task)
    return (time.process_time() - start) / (len(rows) * POINTS) * 1e3


def test_sums_cost_little_beside_their_rows(tmp_path: Path, benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least of several rounds, by turns."""
    seconds = {"without spectra": run_file.FLUSH_S, "sums with each task": 0.0, "sums together": run_file.FLUSH_S}
    rounds, images, conditions = (4, 8, 16) if benchmark.enabled else (1, 2, 2)
    least = dict.fromkeys(seconds, float("inf"))

    def measure() -> None:
        for number in range(rounds):
            for name, flush_s in seconds.items():
                rows = list(tasks(images, conditions, with_spectra=name != "without spectra"))
                monkeypatch.setattr(run_file, "FLUSH_S", flush_s)
                least[name] = min(least[name], milliseconds(tmp_path / f"{name}-{number}.sqlite", rows))

    benchmark.pedantic(measure, rounds=1)
    ratio = least["sums together"] / least["sums with each task"]
    benchmark.extra_info.update({name: f"{least[name]:.3f} ms a row" for name in least}, ratio=round(ratio, 3))
    if benchmark.enabled:
        assert ratio < MOST
