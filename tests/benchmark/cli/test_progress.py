"""A command that goes on for more than a moment says what it does, also where stderr is no terminal."""

import threading
from collections.abc import Callable

import pytest
from codecshift.benchmark.cli import progress
from codecshift.benchmark.cli.progress import Progress, working


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Lines without a wait between them; return a function that waits for the next."""
    lines: list[str] = []
    more = threading.Semaphore(0)

    def say(line: str) -> None:
        lines.append(line)
        more.release()

    monkeypatch.setattr(progress, "SILENCE", 0.001)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.001)
    monkeypatch.setattr(progress, "say", say)

    def following() -> str:
        assert more.acquire(timeout=30)
        return lines[-1]

    return following


def test_what_has_no_parts_is_named(said: Callable[[], str]) -> None:
    with working("reading r.sqlite"):
        assert said() == "reading r.sqlite ..."


def until(said: Callable[[], str], line: str) -> None:
    while said() != line:
        pass


def test_a_task_that_has_not_got_anywhere_is_named_with_its_size(said: Callable[[], str]) -> None:
    with Progress("codecs", "looking for codecs") as shown:
        until(said, "looking for codecs ...")
        shown.task("trying", 0, 7)
        until(said, "trying: 0 of 7 codecs")


def test_the_time_that_is_left_goes_by_what_is_done(said: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Progress("rows") as shown:
        monkeypatch.setattr(progress.time, "monotonic", lambda: 0.0)
        shown.show("measuring", 100, 300, "2 failed")
        monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0)
        shown.show("measuring", 200, 300, "2 failed")
        until(said, "measuring: 200 of 300 rows, 2 failed, 10 s left")


def test_a_moment_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    with working("reading"):
        pass
    assert lines == []
