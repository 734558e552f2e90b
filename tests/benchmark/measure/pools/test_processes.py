"""Worker processes use the cores there are, and a system that refuses them is told so."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pebble
import pytest
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.pools.processes import _Manager, cores, processes
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.store import RunFileError
from codecshift.corruptions.corruption import CLEAN

NOWHERE = Path("/nonexistent")


def plan(folder: Path, codecs: Sequence[str] = ("jpeg:q30", "webp:q50"), *corruptions: str) -> Plan:
    return Plan(
        "test", "for tests", (f"folder:{folder}",), tuple(codecs), corruptions or (CLEAN, "fog", "contrast"), (2,)
    )


def test_a_system_without_shared_memory_is_told_so(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers whose /dev/shm is missing, or root's alone: it is not the run file that cannot be written."""

    def refuse(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", refuse)
    job = prepare(plan(pair, ["jpeg:q30"], CLEAN), NOWHERE)
    with pytest.raises(OSError, match=r"^worker processes need shared memory, .*: make /dev/shm writable") as refused:
        run(job, tmp_path / "r.sqlite", jobs=1)
    assert not isinstance(refused.value, RunFileError)


def test_at_least_one_core_is_usable() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_process_that_ends_at_once_costs_its_own_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last messages are read before its end is told, however late they are read."""
    read = _Manager.process_next_message

    def late(manager: _Manager, timeout: float) -> None:
        time.sleep(0.25)  # longer than it takes to notice the end of a process
        read(manager, timeout)

    monkeypatch.setattr(_Manager, "process_next_message", late)
    pool = processes(1, dict)
    try:
        tasks = [pool.schedule(*task) for task in [(abs, [-1]), (os._exit, [3]), (abs, [-2]), (os._exit, [4])]]
        kept, lost = tasks[::2], tasks[1::2]
        assert [task.result(timeout=60) for task in kept] == [1, 2]
        ends = [task.exception(timeout=60) for task in lost]
    finally:
        pool.stop()
        pool.join()
    assert [end.exitcode for end in ends if isinstance(end, pebble.ProcessExpired)] == [3, 4]


def test_a_worker_is_born_with_the_compiled_code() -> None:
    """Otherwise 64 workers of a new machine compile MS-SSIM at once."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("processes are not forked here")
    kernel = "__import__('sys').modules['codecshift.analysis.measures.ms_ssim_kernel']"
    pool = processes(1, dict)
    try:
        compiled = f"[len(function.signatures) for function in ({kernel}.prepare, {kernel}.compare)]"
        found = pool.schedule(eval, args=[compiled])  # noqa: S307 - a worker cannot import this file
        assert found.result() == [1, 1]
    finally:
        pool.stop()
        pool.join()
