"""A worker: it makes and prepares the image of a shot once, and measures all codec points of a task on it."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import cv2

from ....codecs.memory import resident
from ....codecs.protocol import Codec, Point, Spec
from ....corruptions.corruption import CLEAN
from ...plan.plans import Shot
from ...store import Row, blank
from ..tasks import Context, Task, Worked
from .coding import Faulty, code, ready, within
from .images import Recent, load_clean, not_made, show
from .metering import Meters, Prepared
from .scoring import ShotSpectra, measured, shift_of, shot_spectra


class Worker:
    """One worker: it keeps the codecs it has opened, and the clean images it prepared last."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._codecs: dict[tuple[str, str], Codec] = {}
        self._unopened: dict[tuple[str, str], str] = {}
        self._lifetimes = ExitStack()
        self._clean = Recent(self._load, 2)
        self._meters = Meters(context.measures)
        self._resident = resident()
        self._in_codecs = 0  # memory of open codecs, such as weights, which is not a leak
        self._grown: Counter[str] = Counter()
        self.outgrown = ""
        # Every worker uses one thread: several workers fill the machine, and timings stay comparable.
        cv2.setNumThreads(1)

    def work(self, task: Task) -> Worked:
        """Return the rows of a task; any error in a codec gives a failed row.

        A shot that cannot be made is not the fault of a codec, and gives no rows. This process is ended if making the
        image, a codec or a measurement takes longer than the time limit.
        """
        shot = task.shot
        try:
            with within(self.context.time_limit):
                clean, shown, image_s = self._prepare(shot)
        except Exception as error:  # noqa: BLE001 - a damaged file or a faulty corruption costs its shot, not the run
            return Worked((), unshown=(not_made(shot, error),) * len(task.points + task.waiting))
        start = time.perf_counter()
        with within(self.context.time_limit):
            shared = shot_spectra(shot, clean.image, shown.image, self.context.spectra)
            shifts = shift_of(shot, clean, shown, self.context.run, self._meters)
        measure_s = time.perf_counter() - start
        if task.waiting:
            return Worked((), rest=replace(task, points=task.waiting, waiting=()))
        rows = []
        for codec, point in task.points:
            row, seconds = self._try(shot, self.context.specs[codec], point, clean, shown, shared)
            rows.append(row)
            measure_s += seconds
            if self._is_outgrown(codec):
                break
        codec_s = sum((row.encode_s or 0) + (row.decode_s or 0) for row in rows)
        left = task.points[len(rows) :]
        rest = replace(task, points=left) if left else None
        return Worked(tuple(rows), codec_s, measure_s, rest, self.outgrown, shifts=shifts, image_s=image_s)

    def _is_outgrown(self, codec: str) -> bool:
        """Return whether this process uses too much memory after a row of a codec.

        The check takes 20 microseconds, a thousandth of a JPEG row.
        """
        now = resident()
        self._grown[codec] += now - self._resident
        self._resident = now
        if now - self._in_codecs > self.context.memory:
            self.outgrown = self._grown.most_common(1)[0][0]
        return bool(self.outgrown)

    def _load(self, key: tuple[str, str]) -> Prepared:
        return Prepared(load_clean(self.context.sets[key[0]], key[1]))

    def _prepare(self, shot: Shot) -> tuple[Prepared, Prepared, float]:
        """Return the clean and the shown image of a shot, and the seconds that making the shown image took.

        Both are the same object if the shot is clean.
        """
        start = time.perf_counter()
        shown = clean = self._clean((shot.set, shot.image))
        if shot.corruption != CLEAN:
            start = time.perf_counter()
            shown = Prepared(show(self.context.sets[shot.set], shot, clean.image))
        return clean, shown, time.perf_counter() - start

    def _try(
        self, shot: Shot, spec: Spec, point: Point, clean: Prepared, shown: Prepared, shared: ShotSpectra | None
    ) -> tuple[Row, float]:
        """Return the row of one codec point, and the seconds spent on measuring."""
        try:
            with within(self.context.time_limit):
                coded = code(self._open(spec, point), shown.image)
        except Faulty as fault:
            return self._failed(shot, spec.name, point, str(fault)), 0.0
        start = time.perf_counter()
        try:
            with within(self.context.time_limit):
                row = measured(shot, spec.name, point.name, coded, clean, shown, self.context.run, self._meters, shared)
        except Faulty as fault:
            row = self._failed(shot, spec.name, point, str(fault))
        return row, time.perf_counter() - start

    def _failed(self, shot: Shot, codec: str, point: Point, reason: str) -> Row:
        return blank(shot, codec, point.name, self.context.run, "failed", reason)

    def _open(self, spec: Spec, point: Point) -> Codec:
        key = (spec.name, point.name)
        if key in self._unopened:
            raise Faulty(self._unopened[key])
        if key not in self._codecs:
            before = resident()
            try:
                self._codecs[key] = self._lifetimes.enter_context(ready(spec, point))
            except Faulty as fault:
                # It would not open for the next shot either. Only the text is kept: the fault keeps frames alive.
                self._unopened[key] = str(fault)
                raise
            self._in_codecs += max(0, resident() - before)
        return self._codecs[key]
