"""The pool's side of the lane: it takes batches, and keeps the process that owns the device running."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ....codecs.isolated import ended
from ..pools.processes import begin, origin, starting
from ..tasks import Batch, Context, Lost, Worked
from .attendant import FAREWELL, Kind, Message, serve


class Lane:
    """Takes batches, starts the process that owns the device, and restarts it after a crash."""

    def __init__(self, context: Context, threads: int) -> None:
        self._context = context
        self._threads = threads
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._flying: dict[int, tuple[Batch, Future[Worked | Lost]]] = {}
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._listener: threading.Thread | None = None

    def send(self, batch: Batch) -> Future[Worked | Lost]:
        """Return the future outcome of a batch.

        A batch that ended the process is Lost; a batch that was only waiting comes back as the `rest` of an empty
        Worked.
        """
        future: Future[Worked | Lost] = Future()
        with self._lock:
            number = next(self._numbers)
            self._flying[number] = batch, future
            connection = self._connection or self._start()
            with suppress(OSError):  # the listener notices a process that has died
                connection.send((number, batch))
        return future

    def end(self, *, in_haste: bool) -> None:
        """End the process: as soon as it has closed its codec, or at once if `in_haste`."""
        with self._lock:
            process, connection, listener = self._process, self._connection, self._listener
            if process and connection and not in_haste:
                with suppress(OSError):
                    connection.send(None)
        if process and listener:
            listener.join(0 if in_haste else FAREWELL)
            process.kill()
            listener.join()

    def _start(self) -> Connection:
        taken_over = origin()
        methods: Any = starting()
        here: Connection
        here, there = methods.Pipe()
        arguments = (taken_over, serve, (there, self._context, self._threads))
        process = methods.Process(target=begin, args=arguments, daemon=True)
        process.start()
        there.close()
        self._process, self._connection = process, here
        self._listener = threading.Thread(target=self._listen, args=(process, here), daemon=True)
        self._listener.start()
        return here

    def _listen(self, process: BaseProcess, connection: Connection) -> None:
        """Resolve futures until the process ends; then resolve those of the batches that it left."""
        culprit: _Underway | None = None
        reason = ""
        underway: dict[tuple[Kind, int], _Underway] = {}
        while True:
            first = min(underway.values(), key=lambda work: work.deadline, default=None)
            patience = None if first is None else max(0.0, first.deadline - time.monotonic())
            readable = wait([connection, process.sentinel], patience)
            if not readable:
                culprit, reason = first, f"no answer within {self._context.time_limit:g} s"
                process.kill()
                break
            try:
                if connection not in readable and not connection.poll():
                    break
                message: Message = connection.recv()
            except (EOFError, OSError):
                break
            if message.what == "begun":
                deadline = time.monotonic() + message.value
                underway[message.kind, message.serial] = _Underway(message.number, message.kind, deadline)
            elif message.what == "ended":
                underway.pop((message.kind, message.serial), None)
            elif message.what == "broken":
                reason = message.value
            else:
                with self._lock:
                    _, future = self._flying.pop(message.number)
                if isinstance(message.value, Worked):
                    future.set_result(message.value)
                else:
                    future.set_exception(message.value)
        process.join()
        reason = reason or ended(process.exitcode or 0, self._context.time_limit)
        with self._lock:
            self._process = self._connection = None
            connection.close()
            flying = dict(self._flying)
            self._flying.clear()
        # The most likely cause of death is the work on the device; otherwise, the work that began first.
        culprit = culprit or underway.get(("device", 0)) or next(iter(underway.values()), None)
        # One batch must be the culprit; otherwise a process that dies before its first message is restarted forever.
        if culprit is None or culprit.number not in flying:
            culprit = _Underway(min(flying, default=0), "device", 0.0)
        for number, (batch, future) in flying.items():
            lost = Lost(batch, reason, image=culprit.kind == "image")
            future.set_result(lost if number == culprit.number else Worked((), rest=batch))


@dataclass(frozen=True, slots=True)
class _Underway:
    """Work on the batch with this number, which must end before `deadline` (monotonic time)."""

    number: int
    kind: Kind
    deadline: float
