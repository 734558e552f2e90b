"""What a process holds is what it was given, and its share leaves room for the others."""

from pathlib import Path

import numpy as np
import pytest
from codecshift.codecs import memory

MIB = 2**20
pytestmark = pytest.mark.needs("proc")


def test_what_is_held_shows_and_what_is_freed_goes() -> None:
    before = memory.settled()
    kept = np.ones(64 * MIB, np.uint8)
    assert memory.resident() - before == pytest.approx(kept.nbytes, rel=0.05)
    del kept
    assert abs(memory.settled() - before) < 4 * MIB


def test_what_lies_in_a_cycle_is_not_held() -> None:
    before = memory.settled()
    cycle = [np.ones(64 * MIB, np.uint8)]
    cycle.append(cycle)  # type: ignore[arg-type]
    del cycle
    assert abs(memory.settled() - before) < 4 * MIB


def test_a_system_that_tells_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "statm")
    assert memory.resident() == memory.settled() == 0
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.machine() == 0
    assert memory.share(4) == memory.LEAST_SHARE


@pytest.mark.parametrize(
    ("limit", "expected"), [("max\n", 64 * 2**30), (str(24 * 2**30), 24 * 2**30), (str(2**60), 64 * 2**30)]
)
def test_a_container_has_what_it_is_given(
    limit: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "memory.max").write_text(limit, encoding="utf-8")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "memory.max")
    monkeypatch.setattr(memory.os, "sysconf", lambda _: 64 * 2**30 // memory._PAGE)
    assert memory.machine() == expected
    assert memory.share(2) == expected // 4
    assert memory.share(1000) == 2 * 2**30
