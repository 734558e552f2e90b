"""The lane: one process that holds a device, and works neural codecs there point by point, in batches.

A checkpoint is loaded once, tried on every shot that wants it, and closed before the next is opened. While the device
is at a batch, threads of the process make the images of the next one and measure what came of the one before. Rows go
back batch by batch, as soon as they are measured.
"""

from __future__ import annotations

import gc
import itertools
import math
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import cv2

from ....analysis.distortion import Prepared
from ....codecs.isolated import ended
from ....codecs.memory import share
from ....codecs.neural import device
from ....codecs.protocol import Batched, Codec, Point, Spec
from ....corruptions.corruption import Image
from ...plan.plans import CLEAN, Shot
from ...store import Row
from ..pools.processes import begin, starting
from ..shots.recent import Recent
from ..shots.worker import (
    Batch,
    Coded,
    Context,
    Faulty,
    Lost,
    Task,
    Worked,
    beside_rows,
    blank,
    code,
    code_batch,
    load_clean,
    measured,
    ready,
    set_alarm,
    show,
    unreadable,
)

PIXELS = 2**23
"""Pixels that go to the device together at most: more than sixteen Kodak images, or three of 2048x1365."""

_FAREWELL = 2.0  # seconds the process has to close its codec when nothing more is wanted of it
_BROKEN = re.compile(r"\b(CUDA|cuDNN) error\b")
"""What torch says when the device can do nothing more for this process, whatever it is asked."""


def on_device(context: Context) -> frozenset[str]:
    """Return the codecs that are worked on a lane."""
    return frozenset(name for name, spec in context.specs.items() if context.device and spec.kind == "neural")


def divided(tasks: Iterable[Task], context: Context) -> tuple[list[Task], list[Batch]]:
    """Return what of tasks the pool works, shot by shot, and what a lane works: point by point, in batches."""
    neural = on_device(context)
    for_pool = []
    labels: dict[tuple[str, str], tuple[tuple[str, Point], list[Shot]]] = {}
    for task in tasks:
        if points := tuple(pair for pair in task.points if pair[0] not in neural):
            for_pool.append(replace(task, points=points))
        for codec, point in task.points:
            if codec in neural:
                labels.setdefault((codec, point.name), ((codec, point), []))[1].append(task.shot)
    shapes = {
        (of.name, source.id): (source.height, source.width) for of in context.sets.values() for source in of.sources
    }
    most = context.device.batch if context.device else 1
    batches = [Batch(some, (pair,)) for pair, shots in labels.values() for some in _batches(shots, shapes, most)]
    return for_pool, batches


def _batches(
    shots: Iterable[Shot], shapes: Mapping[tuple[str, str], tuple[int, int]], most: int
) -> Iterator[tuple[Shot, ...]]:
    alike: dict[tuple[int, int], list[Shot]] = {}
    for shot in shots:
        alike.setdefault(shapes[shot.set, shot.image], []).append(shot)
    for (height, width), some in alike.items():
        step = max(1, min(most, PIXELS // max(1, height * width)))
        for start in range(0, len(some), step):
            yield tuple(some[start : start + step])


# --- in the process that runs the loop


@dataclass(frozen=True, slots=True)
class _Said:
    """What the lane's process tells of a batch.

    "within": it is at it, and will say the next thing in `value` seconds. "coded": the device is free again. "done":
    `value` is its Worked, or an exception that is a fault of ours. "broken": the process can go on no more, and why.
    """

    number: int
    what: Literal["within", "coded", "done", "broken"]
    value: Any = None


class Lane:
    """The lane as seen by the loop: takes batches, starts the process, and starts it anew after one that took it."""

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
        """Return what will come of a batch.

        That is Lost where the batch took the process with it; one that was merely there when another did comes back as
        the rest of its work.
        """
        future: Future[Worked | Lost] = Future()
        with self._lock:
            number = next(self._numbers)
            self._flying[number] = batch, future
            connection = self._connection or self._start()
            with suppress(OSError):  # a process that has died shows when it is listened to
                connection.send((number, batch))
        return future

    def end(self, *, in_haste: bool) -> None:
        """End the process: as soon as it has closed its codec, or in haste at once."""
        with self._lock:
            process, connection, listener = self._process, self._connection, self._listener
            if process and connection and not in_haste:
                with suppress(OSError):
                    connection.send(None)
        if process and listener:
            listener.join(0 if in_haste else _FAREWELL)
            process.kill()
            listener.join()

    def _start(self) -> Connection:
        methods: Any = starting()
        here: Connection
        here, there = methods.Pipe()
        process = methods.Process(target=begin, args=(serve, (there, self._context, self._threads)), daemon=True)
        process.start()
        there.close()
        self._process, self._connection = process, here
        self._listener = threading.Thread(target=self._listen, args=(process, here), daemon=True)
        self._listener.start()
        return here

    def _listen(self, process: BaseProcess, connection: Connection) -> None:
        """Pass on what a process says, until its end; then tell what became of each batch it had."""
        culprit: int | None = None
        reason = ""
        deadline: float | None = None
        while True:
            patience = None if deadline is None else max(0.0, deadline - time.monotonic())
            told = wait([connection, process.sentinel], patience)
            if not told:
                reason = f"no answer within {self._context.time_limit:g} s"
                process.kill()
                break
            try:
                if connection not in told and not connection.poll():
                    break
                said: _Said = connection.recv()
            except (EOFError, OSError):
                break
            if said.what == "within":
                culprit, deadline = said.number, time.monotonic() + said.value
            elif said.what == "coded":
                culprit = deadline = None
            elif said.what == "broken":
                culprit, reason = said.number, said.value
            else:
                with self._lock:
                    _, future = self._flying.pop(said.number)
                if isinstance(said.value, Worked):
                    future.set_result(said.value)
                else:
                    future.set_exception(said.value)
        process.join()
        reason = reason or ended(process.exitcode or 0, self._context.time_limit)
        with self._lock:
            self._process = self._connection = None
            connection.close()
            flying = dict(self._flying)
            self._flying.clear()
        # Somebody has to have done it: a process that dies before it says anything is not started for ever.
        culprit = culprit if culprit in flying else min(flying, default=None)
        for number, (batch, future) in flying.items():
            future.set_result(Lost(batch, reason) if number == culprit else Worked((), 0.0, 0.0, rest=batch))


# --- in the lane's own process


def serve(connection: Connection, context: Context, threads: int) -> None:
    """Work batches until the other side wants no more or is no more: what the process does."""
    if context.device:
        device.use(context.device.use)
    # Threads beside the device are many, each of one core.
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(threads) as beside, Attendant(connection, context, beside) as attendant:
        attendant.work()


class Attendant:
    """Serves the device: hands it batches whose images were made beside it, and has what comes back measured there."""

    def __init__(self, connection: Connection, context: Context, beside: ThreadPoolExecutor) -> None:
        self._context = context
        self._connection = connection
        self._beside = beside
        self._speaking = threading.Lock()
        self._waiting: queue.SimpleQueue[tuple[int, Batch, list[Future[Image]]] | None] = queue.SimpleQueue()
        self._shown = _Shown(context)
        self._clean: Recent[Shot, Prepared] = Recent(lambda shot: context.prepared(self._shown(shot)), 4)
        self._label: tuple[str, str] | None = None
        self._codec: Codec | None = None
        self._lifetime = ExitStack()
        self._unopened: dict[tuple[str, str], str] = {}
        # Of the codec that is open, by the shape of images: how many together it has been warmed up with.
        self._warm: dict[tuple[int, ...], int] = {}
        # By codec and point: how many pixels together there was memory for.
        self._room: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Attendant:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _listen(self) -> None:
        """Take batches as they come, and have their images made at once."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                # Whoever started this process was killed. What it is at may take long, and nobody wants it any more.
                self._waiting.put(None)
                time.sleep(_FAREWELL)
                os._exit(1)
            if message is None:
                self._waiting.put(None)
                return
            number, batch = message
            self._waiting.put((number, batch, [self._beside.submit(self._shown, shot) for shot in batch.shots]))

    def work(self) -> None:
        """Work what is taken, batch by batch, until there is no more."""
        while (taken := self._waiting.get()) is not None:
            self._work(*taken)

    def _work(self, number: int, batch: Batch, making: Sequence[Future[Image]]) -> None:
        ((codec, point),) = batch.points
        self._say(number, "within", self._patience(len(batch.shots)))
        rows, images = [], []
        for shot, future in zip(batch.shots, making, strict=True):
            try:
                images.append((shot, future.result()))
            except Exception as error:  # noqa: BLE001 - a damaged file or a faulty corruption costs its row, not the run
                rows.append(blank(shot, codec, point.name, self._context.run, "failed", unreadable(error)))
        coded = self._coded(number, self._context.specs[codec], point, [image for _, image in images])
        self._say(number, "coded")
        measuring = []
        for (shot, image), one in zip(images, coded, strict=True):
            if isinstance(one, Coded):
                measuring.append(self._beside.submit(self._measured, shot, image, codec, point.name, one))
            else:
                rows.append(blank(shot, codec, point.name, self._context.run, "failed", one))
        # It waits for what was submitted before it, so one thread is enough.
        self._beside.submit(self._report, number, rows, measuring)

    def _patience(self, images: int) -> float:
        """Return the seconds in which the next thing will have been said, unless the alarm ends this process before."""
        return self._context.time_limit * (images + 1)

    def _say(self, number: int, what: Literal["within", "coded", "done", "broken"], value: object = None) -> None:
        with self._speaking, suppress(OSError):  # there may be nobody any more: see _listen
            self._connection.send(_Said(number, what, value))

    # --- on the device

    def _coded(self, number: int, spec: Spec, point: Point, images: Sequence[Image]) -> list[Coded | str]:
        """Return what a codec made of each image, or why it made nothing of it.

        Images go together as far as there is memory; where something else goes wrong, one by one.
        """
        label = (spec.name, point.name)
        refused = self._unopened.get(label) or self._opened(number, spec, point)
        if refused or self._codec is None:
            return [refused] * len(images)
        done: list[Coded | str] = []
        while len(done) < len(images):
            rest = images[len(done) :]
            some = rest[: self._most(label, self._codec, rest)]
            outcome = self._attempt(number, self._codec, some)
            if isinstance(outcome, list):
                done += outcome
            elif len(some) == 1:
                done.append(outcome.reason)
            elif outcome.out_of_memory:
                self._room[label] = len(some) * some[0].size // 2
                gc.collect()
            else:
                for image in some:
                    outcome = self._attempt(number, self._codec, [image])
                    done += outcome if isinstance(outcome, list) else [outcome.reason]
        return done

    def _most(self, label: tuple[str, str], codec: Codec, images: Sequence[Image]) -> int:
        """Return how many of the images may go together."""
        if not isinstance(codec, Batched) or len({image.shape for image in images}) > 1:
            return 1
        return max(1, min(len(images), self._room.get(label, sys.maxsize) // images[0].size))

    def _attempt(self, number: int, codec: Codec, images: Sequence[Image]) -> list[Coded] | _Refused:
        """Return what a codec made of images, twice where it has not met as many of that shape: the first warms up."""
        shape = images[0].shape
        try:
            while True:
                self._say(number, "within", self._patience(len(images)))
                set_alarm(self._context.time_limit * len(images))
                if isinstance(codec, Batched) and len(images) > 1:
                    coded = code_batch(codec, images)
                else:
                    coded = [code(codec, images[0])]
                if self._warm.get(shape, 0) >= len(images):
                    return coded
                self._warm[shape] = len(images)
        except Faulty as fault:
            return self._refused(number, fault)
        finally:
            set_alarm(0)

    def _opened(self, number: int, spec: Spec, point: Point) -> str:
        """Have a codec open, and no other; return why it cannot be, else ""."""
        label = (spec.name, point.name)
        if self._label == label:
            return ""
        self._say(number, "within", self._patience(1))
        set_alarm(self._context.time_limit)
        try:
            self._close()
            self._codec = self._lifetime.enter_context(ready(spec, point))
            self._label = label
        except Faulty as fault:
            self._unopened[label] = self._refused(number, fault).reason  # it will not do better for the next batch
            return self._unopened[label]
        finally:
            set_alarm(0)
        return ""

    def _close(self) -> None:
        self._label = self._codec = None
        self._warm.clear()
        with suppress(Exception):  # its rows are done
            self._lifetime.close()
        gc.collect()  # what a model refers to in circles is memory of the device

    def _refused(self, number: int, fault: Faulty) -> _Refused:
        """Return what a fault comes to without the fault itself, whose frames hold images and memory of the device."""
        if _BROKEN.search(str(fault)):
            self._say(number, "broken", str(fault))
            os._exit(1)
        return _Refused(str(fault), fault.out_of_memory)

    # --- beside it

    def _measured(self, shot: Shot, image: Image, codec: str, point: str, coded: Coded) -> tuple[Row, float]:
        start = time.perf_counter()
        clean = self._clean(_clean(shot))
        shown = clean if shot.corruption == CLEAN else self._context.prepared(image)
        beside = beside_rows(shot, clean.image, shown.image, self._context.spectra)
        row = measured(shot, codec, point, coded, clean, shown, self._context.run, beside)
        return row, time.perf_counter() - start

    def _report(self, number: int, rows: Sequence[Row], measuring: Sequence[Future[tuple[Row, float]]]) -> None:
        try:
            found = [future.result() for future in measuring]
            codec_s = math.fsum((row.encode_s or 0) + (row.decode_s or 0) for row, _ in found)
            measure_s = math.fsum(seconds for _, seconds in found)
            self._say(number, "done", Worked((*rows, *(row for row, _ in found)), codec_s, measure_s))
        except Exception as error:  # noqa: BLE001 - a fault of ours: the loop is to raise it, as if it were there
            self._say(number, "done", error)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why nothing came of images, and whether fewer of them together might do."""

    reason: str
    out_of_memory: bool


class _Shown:
    """Makes what codecs are shown, and keeps what came first as long as there is space.

    Every point meets the same shots in the same order. Of the last few, none would still be there when its turn comes.
    """

    def __init__(self, context: Context) -> None:
        self._sets = context.sets
        self._loaded: Recent[Shot, Image] = Recent(lambda shot: load_clean(self._sets[shot.set], shot.image), 4)
        self._lock = threading.Lock()
        self._kept: dict[Shot, Image] = {}
        self._space = share(4)

    def __call__(self, shot: Shot) -> Image:
        """Return the pixels of a shot; raise whatever loading and corrupting raise."""
        image = self._kept.get(shot)
        if image is not None:
            return image
        is_clean = shot.corruption == CLEAN
        image = self._loaded(shot) if is_clean else show(self._sets[shot.set], shot, self(_clean(shot)))
        with self._lock:
            if self._space >= image.nbytes and shot not in self._kept:
                self._space -= image.nbytes
                self._kept[shot] = image
        return image


def _clean(shot: Shot) -> Shot:
    return replace(shot, corruption=CLEAN, severity=0)
