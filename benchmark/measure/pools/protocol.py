"""What a pool is: it takes tasks, works them somewhere, and yields an outcome for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from ..tasks import Batch, Context, Lost, Task, Worked

Following = Callable[[], Task | None]
"""Gives the next task to send, None when there is none at the moment."""
FollowingBatch = Callable[[], Batch | None]
"""Gives the next batch to send to the device, None when there is none at the moment."""


class Pool(Protocol):
    """Workers for one run; a context manager. Leaving it ends every worker, whatever it is doing."""

    @property
    def context(self) -> Context:
        """What every worker was told."""

    def __enter__(self) -> Self:
        """Return the pool."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End every worker."""

    def work(self, following: Following, following_batch: FollowingBatch = ...) -> Iterator[Worked | Lost]:
        """Yield the outcome of each task and batch, in the order in which they end.

        A pool asks for the next task whenever it has room, and again after each outcome that was yielded: a lost task
        may come back in parts. A task whose process died or hung is Lost, and with it whatever cannot be told apart
        from it; a fault of ours raises. Batches come only where the context has a device and neural codecs.
        """


PoolFactory = Callable[[int, Context], Pool]
"""Makes a pool of a number of jobs for a context."""
