"""An estimate counts what is left, and writes nothing."""

from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.measure.estimate import estimate
from codecshift.benchmark.measure.job import Job
from codecshift.benchmark.measure.pools.processes import cores


def test_an_estimate_writes_nothing_and_counts_what_is_left(job: Job, whole: Path, tmp_path: Path) -> None:
    fresh = estimate(job, tmp_path / "r.sqlite", 1)
    assert fresh.rows == 12
    assert fresh.seconds > 0
    assert fresh.nbytes > 0
    assert list(tmp_path.iterdir()) == []
    before = whole.read_bytes()
    assert astuple(estimate(job, whole, 1)) == (0, 0.0, 0)
    assert before == whole.read_bytes()


def test_an_estimate_is_of_the_cores_there_are(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []

    def division(jobs: int, context: Any) -> tuple[int, int]:
        counted.append(jobs)
        return jobs, 0

    monkeypatch.setattr("codecshift.benchmark.measure.estimate.division", division)
    estimate(job, tmp_path / "r.sqlite", 10_000)
    assert counted[0] == cores()
