"""A worker: the image of a shot is made and prepared once, and tried on every codec point wanted."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import cv2

from ....analysis.distortion import Prepared
from ....codecs.memory import resident
from ....codecs.protocol import Codec, Point, Spec
from ....corruptions.corruption import CLEAN
from ...plan.plans import Shot
from ...store import Row, blank
from ..tasks import Context, Task, Worked
from .coding import Faulty, code, ready, within
from .images import Recent, load_clean, not_made, show
from .scoring import ShotSpectra, measured, shot_spectra


class Worker:
    """The lifetime of one worker: the codecs it has opened, and the clean images it has prepared lately."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._codecs: dict[tuple[str, str], Codec] = {}
        self._unopened: dict[tuple[str, str], str] = {}
        self._lifetimes = ExitStack()
        self._clean = Recent(self._load, 2)
        self._resident = resident()
        self._in_codecs = 0  # the weights of an open codec are no leak
        self._grown: Counter[str] = Counter()
        self.outgrown = ""
        # Every worker is one thread of one core: several of them fill the machine, and timings stay comparable.
        cv2.setNumThreads(1)

    def work(self, task: Task) -> Worked:
        """Return the rows of a task: whatever goes wrong in a codec makes a failed row.

        A shot that cannot be made is no fault of a codec, and makes no rows. Making the image, and each codec and each
        measurement, ends this process if it takes more than the time limit.
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
        return Worked(tuple(rows), codec_s, measure_s, rest, self.outgrown, image_s=image_s)

    def _is_outgrown(self, codec: str) -> bool:
        """Return whether this process holds too much memory after a row of a codec.

        Asking costs 20 microseconds, a thousandth of a JPEG row.
        """
        now = resident()
        self._grown[codec] += now - self._resident
        self._resident = now
        if now - self._in_codecs > self.context.memory:
            self.outgrown = self._grown.most_common(1)[0][0]
        return bool(self.outgrown)

    def _load(self, key: tuple[str, str]) -> Prepared:
        return self.context.prepared(load_clean(self.context.sets[key[0]], key[1]))

    def _prepare(self, shot: Shot) -> tuple[Prepared, Prepared, float]:
        """Return the clean and the shown image of a shot, and the seconds that the shown one took.

        They are the same object where the shot is clean.
        """
        start = time.perf_counter()
        shown = clean = self._clean((shot.set, shot.image))
        if shot.corruption != CLEAN:
            start = time.perf_counter()
            shown = self.context.prepared(show(self.context.sets[shot.set], shot, clean.image))
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
        with within(self.context.time_limit):
            row = measured(shot, spec.name, point.name, coded, clean, shown, self.context.run, shared)
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
                # The next shot would not open it either. The fault itself would keep the frames of this shot alive.
                self._unopened[key] = str(fault)
                raise
            self._in_codecs += max(0, resident() - before)
        return self._codecs[key]
