"""The lane's process: it owns the device and runs neural codecs on it, point by point, in batches.

A checkpoint is loaded once, run on every shot that needs it, and closed before the next one is opened. While the device
works on a batch, threads make the images of the next batch and measure the results of the previous one. Rows are sent
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
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Literal

import cv2

from ....codecs.memory import share
from ....codecs.neural import device
from ....codecs.protocol import Batched, Codec, Point, Spec
from ....corruptions.corruption import CLEAN, Image
from ...plan.plans import Shot
from ...store import Row, Shift, Unshown, blank
from ..shots.coding import Coded, Faulty, code, code_batch, ready, set_alarm
from ..shots.images import Recent, load_clean, not_made, show
from ..shots.metering import Meters, Prepared
from ..shots.scoring import measured, shift_of, shot_spectra
from ..tasks import Batch, Context, Worked

FAREWELL = 2.0
"""Seconds that the process has to close its codec at the end."""

_BROKEN = re.compile(r"\b(CUDA|cuDNN) error\b")
"""Matches torch's message for a device that this process cannot use any more."""

What = Literal["begun", "ended", "done", "broken"]
Kind = Literal["device", "image", "row"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the process about the batch with this number.

    "begun": work on the batch has begun, and will end or begin again within `value` seconds. "ended": that work has
    ended. "done": `value` is the Worked of the batch, or an exception caused by a bug of ours. "broken": the process
    cannot continue; `value` is the reason.

    `kind` and `serial` identify pieces of work that run at the same time: coding on the device, making images, and
    measuring rows.
    """

    number: int
    what: What
    value: Any = None
    kind: Kind = "device"
    serial: int = 0


def serve(connection: Connection, context: Context, threads: int) -> None:
    """Work on batches until the other side sends no more or has died."""
    if context.device:
        device.use(context.device.use)
    # Many threads run beside the device, each on one core.
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(threads) as executor, Attendant(connection, context, executor) as attendant:
        attendant.work()


class Attendant:
    """Runs batches on the device, while threads make the images and measure the results."""

    def __init__(self, connection: Connection, context: Context, executor: ThreadPoolExecutor) -> None:
        self._context = context
        self._connection = connection
        self._executor = executor
        self._speaking = threading.Lock()
        self._serials = itertools.count()
        self._waiting: queue.SimpleQueue[tuple[int, Batch, list[Future[Image | Unshown]]] | None] = queue.SimpleQueue()
        self._shown = _Shown(context)
        self._clean: Recent[Shot, Prepared] = Recent(lambda shot: Prepared(self._shown(shot)), 4)
        self._meters = Meters(context.measures)
        self._label: tuple[str, str] | None = None
        self._codec: Codec | None = None
        self._lifetime = ExitStack()
        self._unopened: dict[tuple[str, str], str] = {}
        self._shifted: set[Shot] = set()  # the shots whose shift this process has measured
        # By image shape: the batch size that the open codec was warmed up with.
        self._warm: dict[tuple[int, ...], int] = {}
        # By codec and point: how many samples the memory allows in one batch.
        self._room: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Attendant:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _listen(self) -> None:
        """Receive batches, and start making their images at once."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                # The parent was killed: the current batch may take long, and nobody waits for it.
                self._waiting.put(None)
                time.sleep(FAREWELL)
                os._exit(1)
            if message is None:
                self._waiting.put(None)
                return
            number, batch = message
            self._waiting.put(
                (number, batch, [self._executor.submit(self._made, number, shot) for shot in batch.shots])
            )

    def work(self) -> None:
        """Work batch after batch until there are no more."""
        while (received := self._waiting.get()) is not None:
            self._work(*received)

    def _work(self, number: int, batch: Batch, making: Sequence[Future[Image | Unshown]]) -> None:
        ((codec, point),) = batch.points
        rows, images, unshown = [], [], []
        for shot, future in zip(batch.shots, making, strict=True):
            image = future.result()
            if isinstance(image, Unshown):
                unshown.append(image)
            else:
                images.append((shot, image))
        coded = self._coded(number, self._context.specs[codec], point, [image for _, image in images])
        self._say(number, "ended")
        measuring = []
        for (shot, image), outcome in zip(images, coded, strict=True):
            if isinstance(outcome, Coded):
                measuring.append(self._executor.submit(self._measured, number, shot, image, codec, point.name, outcome))
            else:
                rows.append(blank(shot, codec, point.name, self._context.run, "failed", outcome))
        # It only waits for work that was submitted before it, so a single thread cannot deadlock.
        self._executor.submit(self._report, number, rows, measuring, tuple(unshown))

    def _patience(self, images: int) -> float:
        """Return the most seconds that work on the device may take; normally the alarm ends the process earlier."""
        return self._context.time_limit * (images + 1)

    def _say(self, number: int, what: What, value: object = None, kind: Kind = "device", serial: int = 0) -> None:
        with self._speaking, suppress(OSError):  # the parent may have died: see _listen
            self._connection.send(Message(number, what, value, kind, serial))

    @contextmanager
    def _within_the_limit(self, number: int, kind: Kind) -> Iterator[None]:
        """Have the other side end this process if a `with` block takes too long; the device uses the only alarm."""
        serial = next(self._serials)
        self._say(number, "begun", self._context.time_limit, kind, serial)
        try:
            yield
        finally:
            self._say(number, "ended", kind=kind, serial=serial)

    # --- on the device

    def _coded(self, number: int, spec: Spec, point: Point, images: Sequence[Image]) -> list[Coded | str]:
        """Return the coded images, or for each failed image the reason.

        As many images are coded together as fit in memory; after any other failure, they are coded one by one.
        """
        label = (spec.name, point.name)
        refused = self._unopened.get(label) or self._opened(number, spec, point)
        if refused or self._codec is None:
            return [refused] * len(images)
        done: list[Coded | str] = []
        while len(done) < len(images):
            rest = images[len(done) :]
            together = rest[: self._most(label, self._codec, rest)]
            outcome = self._attempt(number, self._codec, together)
            if isinstance(outcome, list):
                done += outcome
            elif len(together) == 1:
                done.append(outcome.reason)
            elif outcome.out_of_memory:
                self._room[label] = len(together) * together[0].size // 2
                gc.collect()
            else:
                for image in together:
                    outcome = self._attempt(number, self._codec, [image])
                    done += outcome if isinstance(outcome, list) else [outcome.reason]
        return done

    def _most(self, label: tuple[str, str], codec: Codec, images: Sequence[Image]) -> int:
        if not isinstance(codec, Batched) or len({image.shape for image in images}) > 1:
            return 1
        return max(1, min(len(images), self._room.get(label, sys.maxsize) // images[0].size))

    def _attempt(self, number: int, codec: Codec, images: Sequence[Image]) -> list[Coded] | _Refused:
        """Return the coded images; the first batch of a new shape or larger size is a warm-up and is repeated."""
        shape = images[0].shape
        try:
            while True:
                self._say(number, "begun", self._patience(len(images)))
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
        """Open a codec and close any other; return why it cannot be opened, or ""."""
        label = (spec.name, point.name)
        if self._label == label:
            return ""
        self._say(number, "begun", self._patience(1))
        set_alarm(self._context.time_limit)
        try:
            self._close()
            self._codec = self._lifetime.enter_context(ready(spec, point))
            self._label = label
        except Faulty as fault:
            self._unopened[label] = self._refused(number, fault).reason  # the next batch would not open it either
            return self._unopened[label]
        finally:
            set_alarm(0)
        return ""

    def _close(self) -> None:
        self._label = self._codec = None
        self._warm.clear()
        with suppress(Exception):  # its rows are already measured
            self._lifetime.close()
        gc.collect()  # reference cycles of a model keep memory of the device

    def _refused(self, number: int, fault: Faulty) -> _Refused:
        """Return the reason of a fault without the exception, whose frames keep images and memory of the device."""
        if _BROKEN.search(str(fault)):
            self._say(number, "broken", str(fault))
            os._exit(1)
        return _Refused(str(fault), fault.out_of_memory)

    # --- in threads beside the device

    def _made(self, number: int, shot: Shot) -> Image | Unshown:
        """Return the pixels of a shot, or the record that it could not be made."""
        try:
            with self._within_the_limit(number, "image"):
                return self._shown(shot)
        except Exception as error:  # noqa: BLE001 - a damaged file or a faulty corruption costs its row, not the run
            return not_made(shot, error)

    def _measured(
        self, number: int, shot: Shot, image: Image, codec: str, point: str, coded: Coded
    ) -> tuple[Row, tuple[Shift, ...], float]:
        start = time.perf_counter()
        with self._within_the_limit(number, "row"):
            clean = self._clean(_clean(shot))
            shown = clean if shot.corruption == CLEAN else Prepared(image)
            shared = shot_spectra(shot, clean.image, shown.image, self._context.spectra)
            run, meters = self._context.run, self._meters
            try:
                row = measured(shot, codec, point, coded, clean, shown, run, meters, shared)
            except Faulty as fault:
                row = blank(shot, codec, point, run, "failed", str(fault))
            shifts = () if shot in self._shifted else shift_of(shot, clean, shown, run, meters)
            self._shifted.add(shot)
        return row, shifts, time.perf_counter() - start

    def _report(
        self,
        number: int,
        rows: Sequence[Row],
        measuring: Sequence[Future[tuple[Row, tuple[Shift, ...], float]]],
        unshown: tuple[Unshown, ...],
    ) -> None:
        try:
            scored = [future.result() for future in measuring]
            codec_s = math.fsum((row.encode_s or 0) + (row.decode_s or 0) for row, _, _ in scored)
            measure_s = math.fsum(seconds for _, _, seconds in scored)
            every_row = (*rows, *(row for row, _, _ in scored))
            shifts = tuple(shift for _, shot_shifts, _ in scored for shift in shot_shifts)
            self._say(number, "done", Worked(every_row, codec_s, measure_s, unshown=unshown, shifts=shifts))
        except Exception as error:  # noqa: BLE001 - a bug of ours; the loop raises it in the parent
            self._say(number, "done", error)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why images could not be coded, and whether a smaller batch might succeed."""

    reason: str
    out_of_memory: bool


class _Shown:
    """Makes the images that are shown to codecs, and keeps the first ones, as many as fit in memory.

    Every point goes through the same shots in the same order, so keeping the most recent images would never help.
    """

    def __init__(self, context: Context) -> None:
        self._sets = context.sets
        self._loaded: Recent[Shot, Image] = Recent(lambda shot: load_clean(self._sets[shot.set], shot.image), 4)
        self._lock = threading.Lock()
        self._kept: dict[Shot, Image] = {}
        self._space = share(4)

    def __call__(self, shot: Shot) -> Image:
        """Return the pixels of a shot; raise anything that loading and corrupting raise."""
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
