"""Working a shot: the image is made once, prepared for measuring once, and tried on every codec point wanted."""

from __future__ import annotations

import math
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import cv2

from ..analysis.distortion import Prepared, ms_ssim, squared_error
from ..codecs.contract import example, misshapen
from ..codecs.protocol import Codec, Estimating, Point, Spec
from ..codecs.registry import open_codec
from ..corruptions.corruption import Image, generator
from ..corruptions.sets import ImageSet
from ..corruptions.table import find
from .cell import CLEAN, Shot
from .store import Row, Status


@dataclass(frozen=True, slots=True)
class Task:
    """A shot and the codec points wanted on it; `alone` where each is tried in a task of its own, for the last time."""

    shot: Shot
    points: tuple[tuple[str, Point], ...]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Worked:
    """The rows of a task, and the seconds it spent inside codecs and inside measures."""

    rows: tuple[Row, ...]
    codec_s: float
    measure_s: float


@dataclass(frozen=True, slots=True)
class Context:
    """What every task of a run needs; sent to each worker once."""

    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    run: str
    time_limit: float
    """Seconds one image may take in one codec point; whatever exceeds it takes its process with it."""


class Worker:
    """One worker's lifetime: the codecs it has opened and the clean images it has prepared lately."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._codecs: dict[tuple[str, str], Codec] = {}
        self._unopened: dict[tuple[str, str], BaseException] = {}
        self._lifetimes = ExitStack()
        self._clean: OrderedDict[tuple[str, str], Prepared] = OrderedDict()
        # Every worker is one thread of one core: several of them fill the machine, and timings stay comparable.
        cv2.setNumThreads(1)

    def work(self, task: Task) -> Worked:
        """Return the rows of a task: whatever goes wrong with the image or in a codec makes a failed row."""
        shot = task.shot
        try:
            clean, shown = self._prepare(shot)
        except Exception as error:  # noqa: BLE001 - a damaged file or a faulty corruption costs its shot, not the run
            reason = f"image: {_told(error)}"
            rows = tuple(
                blank(shot, codec, point.name, self.context.run, "failed", reason) for codec, point in task.points
            )
            return Worked(rows, 0.0, 0.0)
        measure_s = 0.0
        rows_done = []
        for codec, point in task.points:
            row, seconds = self._try(shot, self.context.specs[codec], point, clean, shown)
            rows_done.append(row)
            measure_s += seconds
        codec_s = sum((row.encode_s or 0) + (row.decode_s or 0) for row in rows_done)
        return Worked(tuple(rows_done), codec_s, measure_s)

    def _prepare(self, shot: Shot) -> tuple[Prepared, Prepared]:
        """Return the clean and the shown image of a shot: the same object where the shot is clean."""
        key = (shot.set, shot.image)
        if key not in self._clean:
            self._clean[key] = Prepared(_sealed(self.context.sets[shot.set].load(shot.image)))
            if len(self._clean) > 2:
                self._clean.popitem(last=False)
        clean = self._clean[key]
        if shot.corruption == CLEAN:
            return clean, clean
        shown = self.context.sets[shot.set].load_corrupted((shot.image, shot.corruption, shot.severity))
        if shown is None:
            shown = find(shot.corruption)(clean.image, shot.severity, generator(str(shot)))
        return clean, Prepared(_sealed(shown))

    def _try(self, shot: Shot, spec: Spec, point: Point, clean: Prepared, shown: Prepared) -> tuple[Row, float]:
        """Return the row of one codec point, and the seconds spent on measuring."""
        _set_alarm(self.context.time_limit)
        stage = "open"
        try:
            codec = self._open(spec, point)
            stage = "estimate" if isinstance(codec, Estimating) else "encode"
            start = time.perf_counter()
            if isinstance(codec, Estimating):
                bits, seen = codec.estimate(shown.image)
                nbytes = math.ceil(bits / 8)
                encoded = resumed = decoded = time.perf_counter()
            else:
                data = codec.encode(shown.image)
                encoded = time.perf_counter()
                if not isinstance(data, bytes):
                    raise TypeError(f"encode returned {type(data).__name__}, expected bytes")
                nbytes = len(data)
                stage = "decode"
                resumed = time.perf_counter()
                seen = codec.decode(data)
                decoded = time.perf_counter()
            if wrong := misshapen(seen, shown.image):
                raise TypeError(wrong)
        except BaseException as fault:  # noqa: BLE001 - a codec may raise anything, SystemExit too; that is its row
            return blank(shot, spec.name, point.name, self.context.run, "failed", f"{stage}: {_told(fault)}"), 0.0
        finally:
            _set_alarm(0)
        height, width = shown.image.shape[:2]
        error, error_clean, similarity, similarity_clean = _measure(seen, clean, shown)
        row = Row(
            set=shot.set,
            corruption=shot.corruption,
            severity=shot.severity,
            codec=spec.name,
            point=point.name,
            image=shot.image,
            height=height,
            width=width,
            nbytes=nbytes,
            error=error,
            error_clean=error_clean,
            ms_ssim=similarity,
            ms_ssim_clean=similarity_clean,
            encode_s=encoded - start,
            decode_s=decoded - resumed,
            status="ok",
            message="",
            run=self.context.run,
        )
        return row, time.perf_counter() - decoded

    def _open(self, spec: Spec, point: Point) -> Codec:
        key = (spec.name, point.name)
        if key in self._unopened:
            raise self._unopened[key]
        if key not in self._codecs:
            with ExitStack() as lifetime:
                try:
                    codec = lifetime.enter_context(open_codec(spec, point))
                    # The first use of a library pays for its set-up; that belongs to no image's time.
                    if isinstance(codec, Estimating):
                        codec.estimate(example(64, 64))
                    else:
                        codec.decode(codec.encode(example(64, 64)))
                except BaseException as fault:
                    self._unopened[key] = fault  # it will not do better on the next shot
                    raise
                self._lifetimes.push(lifetime.pop_all())
            self._codecs[key] = codec
        return self._codecs[key]


def _measure(seen: Image, clean: Prepared, shown: Prepared) -> tuple[int, int, float | None, float | None]:
    error = squared_error(seen, shown.image)
    if error == 0:
        # Nothing was lost, so the image seen is the image shown, and so is all that is known of it.
        similarity = 1.0 if shown.levels else None
        if shown is clean:
            return 0, 0, similarity, similarity
        return 0, squared_error(shown.image, clean.image), similarity, ms_ssim(shown, clean)
    prepared = Prepared(seen)
    similarity = ms_ssim(prepared, shown)
    if shown is clean:
        return error, error, similarity, similarity
    return error, squared_error(seen, clean.image), similarity, ms_ssim(prepared, clean)


def blank(shot: Shot, codec: str, point: str, run: str, status: Status, message: str) -> Row:
    """Return the row of something that was not measured, and why."""
    key = (shot.set, shot.corruption, shot.severity, codec, point, shot.image)
    return Row(*key, *(None,) * 9, status, message, run)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _sealed(image: Image) -> Image:
    """Return the image, no longer writable: a codec that writes to its input fails, instead of spoiling the rest."""
    image.flags.writeable = False
    return image


def _no_alarm(_seconds: float) -> None:
    """Where the system has no alarm, only the pool's own limit on a whole task ends what hangs."""


def _alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


# The kernel ends the process when the alarm fires: that works even while a C library holds the interpreter.
_set_alarm: Callable[[float], None] = _alarm if hasattr(signal, "setitimer") else _no_alarm


def points_of(specs: Sequence[tuple[Spec, Sequence[Point]]]) -> tuple[tuple[str, Point], ...]:
    """Return (codec, point) pairs in the order given, each once."""
    pairs = {(spec.name, point.name): (spec.name, point) for spec, points in specs for point in points}
    return tuple(pairs.values())
