"""The last results are kept, and made once however many threads ask."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from codecshift.benchmark.measure.shots.images import Recent


def test_several_threads_that_want_the_same_make_it_once() -> None:
    calls: list[int] = []
    together = threading.Barrier(4, timeout=30)

    def make(key: int) -> int:
        calls.append(key)
        time.sleep(0)
        return key * key

    recent = Recent(make, 2)

    def ask(key: int) -> int:
        together.wait()
        return recent(key)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, [3, 3, 3, 3])) == [9, 9, 9, 9]
    assert calls == [3]
    assert [recent(key) for key in (4, 3, 5, 3, 4)] == [16, 9, 25, 9, 16]
    assert calls == [3, 4, 5, 4]


def test_what_was_raised_is_not_kept() -> None:
    answers: Iterator[Exception | int] = iter([OSError("not yet"), 1])

    def make(_: str) -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    recent = Recent(make, 2)
    with pytest.raises(OSError, match="not yet"):
        recent("a")
    assert recent("a") == 1
