"""A corrupted set of two photographs, finished."""

import shutil
from pathlib import Path

import pytest
from codecshift.benchmark.sets.generate import generate
from codecshift.benchmark.sets.order import order


@pytest.fixture(scope="module")
def made(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set that no test may change."""
    out = tmp_path_factory.mktemp("made") / "pair-c"
    ordered = order(f"folder:{pair}", Path("/nonexistent"), ("gaussian_noise", "fog"), (2, 4))
    assert generate(ordered, out, jobs=1).kept == 0
    return out


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A finished set to spoil."""
    return Path(shutil.copytree(made, tmp_path / "copy"))
