"""What the tests of measuring share: a job of two codecs on two photographs, and an undisturbed run of it."""

from pathlib import Path

import pytest
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import Plan
from codecshift.corruptions.corruption import CLEAN


@pytest.fixture(scope="module")
def job(pair: Path) -> Job:
    conditions = ((CLEAN, "fog", "contrast"), (2,))
    plan = Plan("test", "for tests", (f"folder:{pair}",), ("jpeg:q30", "webp:q50"), *conditions)
    return prepare(plan, Path("/nonexistent"))


@pytest.fixture(scope="module")
def whole(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    path = tmp_path_factory.mktemp("whole") / "r.sqlite"
    tally = run(job, path, jobs=1)
    assert (tally.total, tally.done, tally.failed, tally.skipped) == (12, 12, 0, 0)
    return path
