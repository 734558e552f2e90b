"""The last few results of a function, each made once however many threads ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Calls `make`, and keeps the `most` results asked for last; an exception is not kept."""

    def __init__(self, make: Callable[[Key], Value], most: int) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._results: OrderedDict[Key, Future[Value]] = OrderedDict()

    def __call__(self, key: Key) -> Value:
        """Return what `make` returns for a key; where another thread is making it, wait for that."""
        with self._lock:
            result = self._results.get(key)
            if result is not None:
                self._results.move_to_end(key)
                mine = False
            else:
                result = self._results[key] = Future()
                mine = True
                if len(self._results) > self._most:
                    self._results.popitem(last=False)
        if mine:
            try:
                result.set_result(self._make(key))
            except BaseException as error:  # noqa: BLE001 - raised below, in every thread that waits
                result.set_exception(error)
                with self._lock:
                    if self._results.get(key) is result:
                        del self._results[key]
        return result.result()
