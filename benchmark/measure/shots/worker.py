"""Working a shot: the image is made once, prepared for measuring once, and tried on every codec point wanted."""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import cv2

from ....analysis.distortion import Bare, Prepared, ms_ssim, squared_error
from ....analysis.spectrum import Power, Settings, Transform, added, difference, gridded, transform
from ....codecs.contract import example, misshapen
from ....codecs.memory import resident
from ....codecs.protocol import Batched, Codec, Estimating, OutOfMemory, Point, Spec
from ....codecs.registry import open_codec
from ....corruptions.corruption import Image, generator
from ....corruptions.sets import ImageSet
from ....corruptions.table import find
from ...plan.plans import CLEAN, EVERY_MEASURE, Shot
from ...store import Row, Spectra, Status
from ..lane.device import Device
from .recent import Recent


@dataclass(frozen=True, slots=True)
class Task:
    """A shot and the codec points wanted on it; `alone` where each is tried in a task of its own, for the last time."""

    shot: Shot
    points: tuple[tuple[str, Point], ...]
    alone: bool = False

    @property
    def shots(self) -> tuple[Shot, ...]:
        """The one shot, as a batch has several."""
        return (self.shot,)


@dataclass(frozen=True, slots=True)
class Batch:
    """Shots of one shape and the one codec point wanted on them: what a device is given; `alone` as in Task."""

    shots: tuple[Shot, ...]
    points: tuple[tuple[str, Point], ...]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Worked:
    """The rows of a task, and the seconds it spent inside codecs and inside measures.

    Where the worker's process grew too large on the way, `rest` is what it left of the task to another, and `outgrown`
    the codec that made it grow most.
    """

    rows: tuple[Row, ...]
    codec_s: float
    measure_s: float
    rest: Task | Batch | None = None
    outgrown: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What every task of a run needs; sent to each worker once."""

    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    run: str
    time_limit: float
    """Seconds one image may take in one codec point; whatever exceeds it takes its process with it."""
    memory: float = math.inf
    """Bytes a worker may hold beside its open codecs; one that holds more after a row is replaced."""
    device: Device | None = None
    """Where neural codecs compute, if not in workers like any others."""
    spectra: Settings | None = None
    """How the spectra of each row are taken, if they are."""
    measures: tuple[str, ...] = EVERY_MEASURE
    """What is measured. Without MS-SSIM, which takes the longest, rows hold None in its place."""

    @property
    def prepared(self) -> type[Prepared]:
        """What an image is made ready for measuring by."""
        return Prepared if "ms_ssim" in self.measures else Bare


@dataclass(frozen=True, slots=True)
class Lost:
    """What was sent to a process that died or hung, and how."""

    task: Task | Batch
    reason: str


class Worker:
    """One worker's lifetime: the codecs it has opened and the clean images it has prepared lately."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._codecs: dict[tuple[str, str], Codec] = {}
        self._unopened: dict[tuple[str, str], BaseException] = {}
        self._lifetimes = ExitStack()
        self._clean = Recent(self._load, 2)
        self._held = resident()
        self._in_codecs = 0  # the weights of an open codec are no leak
        self._grown: Counter[str] = Counter()
        self.outgrown = ""
        # Every worker is one thread of one core: several of them fill the machine, and timings stay comparable.
        cv2.setNumThreads(1)

    def work(self, task: Task) -> Worked:
        """Return the rows of a task: whatever goes wrong with the image or in a codec makes a failed row."""
        shot = task.shot
        try:
            clean, shown = self._prepare(shot)
        except Exception as error:  # noqa: BLE001 - a damaged file or a faulty corruption costs its shot, not the run
            reason = unreadable(error)
            rows = tuple(
                blank(shot, codec, point.name, self.context.run, "failed", reason) for codec, point in task.points
            )
            return Worked(rows, 0.0, 0.0)
        start = time.perf_counter()
        beside = beside_rows(shot, clean.image, shown.image, self.context.spectra)
        measure_s = time.perf_counter() - start
        rows_done = []
        for codec, point in task.points:
            row, seconds = self._try(shot, self.context.specs[codec], point, clean, shown, beside)
            rows_done.append(row)
            measure_s += seconds
            if self._is_outgrown(codec):
                break
        codec_s = sum((row.encode_s or 0) + (row.decode_s or 0) for row in rows_done)
        left = task.points[len(rows_done) :]
        rest = replace(task, points=left) if left else None
        return Worked(tuple(rows_done), codec_s, measure_s, rest, self.outgrown)

    def _is_outgrown(self, codec: str) -> bool:
        """Look at the memory this process holds after a row of a codec, and say whether that is too much.

        It costs 20 microseconds, a thousandth of a JPEG row.
        """
        held = resident()
        self._grown[codec] += held - self._held
        self._held = held
        if held - self._in_codecs > self.context.memory:
            self.outgrown = self._grown.most_common(1)[0][0]
        return bool(self.outgrown)

    def _load(self, key: tuple[str, str]) -> Prepared:
        return self.context.prepared(load_clean(self.context.sets[key[0]], key[1]))

    def _prepare(self, shot: Shot) -> tuple[Prepared, Prepared]:
        """Return the clean and the shown image of a shot: the same object where the shot is clean."""
        clean = self._clean((shot.set, shot.image))
        if shot.corruption == CLEAN:
            return clean, clean
        return clean, self.context.prepared(show(self.context.sets[shot.set], shot, clean.image))

    def _try(
        self, shot: Shot, spec: Spec, point: Point, clean: Prepared, shown: Prepared, beside: Beside | None
    ) -> tuple[Row, float]:
        """Return the row of one codec point, and the seconds spent on measuring."""
        set_alarm(self.context.time_limit)
        try:
            coded = code(self._open(spec, point), shown.image)
        except Faulty as fault:
            return blank(shot, spec.name, point.name, self.context.run, "failed", str(fault)), 0.0
        finally:
            set_alarm(0)
        start = time.perf_counter()
        row = measured(shot, spec.name, point.name, coded, clean, shown, self.context.run, beside)
        return row, time.perf_counter() - start

    def _open(self, spec: Spec, point: Point) -> Codec:
        key = (spec.name, point.name)
        if key in self._unopened:
            raise self._unopened[key]
        if key not in self._codecs:
            held = resident()
            try:
                self._codecs[key] = self._lifetimes.enter_context(ready(spec, point))
            except Faulty as fault:
                self._unopened[key] = fault  # it will not do better on the next shot
                raise
            self._in_codecs += max(0, resident() - held)
        return self._codecs[key]


def load_clean(of: ImageSet, image: str) -> Image:
    """Return the pixels of an image of a set, no longer writable."""
    return _sealed(of.load(image))


def show(of: ImageSet, shot: Shot, clean: Image) -> Image:
    """Return what a codec is shown of a clean image, no longer writable."""
    if shot.corruption == CLEAN:
        return clean
    shown = of.load_corrupted((shot.image, shot.corruption, shot.severity))
    if shown is None:
        shown = find(shot.corruption)(clean, shot.severity, generator(str(shot)))
    return _sealed(shown)


class Faulty(Exception):
    """A codec raised, or gave what it may not; the message says at which stage, the cause is what was raised."""

    @property
    def out_of_memory(self) -> bool:
        """Whether less at a time may do."""
        # Torch's own error is told by its name: it is not loaded here.
        names = {kind.__name__ for kind in type(self.__cause__).__mro__}
        return isinstance(self.__cause__, (OutOfMemory, MemoryError)) or "OutOfMemoryError" in names


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Turn whatever a codec raises, which may be anything, SystemExit too, into Faulty."""
    try:
        yield
    except BaseException as fault:
        raise Faulty(f"{name}: {told(fault)}") from fault


@contextmanager
def ready(spec: Spec, point: Point) -> Iterator[Codec]:
    """Open a codec and use it once: what its library's first use costs belongs to no image's time. Raises Faulty."""
    with ExitStack() as lifetime:
        with stage("open"):
            codec = lifetime.enter_context(open_codec(spec, point))
            if isinstance(codec, Estimating):
                codec.estimate(example(64, 64))
            else:
                codec.decode(codec.encode(example(64, 64)))
        yield codec


@dataclass(frozen=True, slots=True)
class Coded:
    """What a codec made of an image: the bytes of its stream, the image that came back, the seconds there and back."""

    nbytes: int
    seen: Image
    encode_s: float
    decode_s: float


def code(codec: Codec, image: Image) -> Coded:
    """Return what a codec makes of an image; raise Faulty."""
    if isinstance(codec, Estimating):
        return _estimated(codec, image)
    with stage("encode"):
        start = time.perf_counter()
        data = codec.encode(image)
        encode_s = time.perf_counter() - start
        _check_stream(data)
    with stage("decode"):
        start = time.perf_counter()
        seen = codec.decode(data)
        decode_s = time.perf_counter() - start
        _check_seen(seen, image)
    return Coded(len(data), seen, encode_s, decode_s)


def _estimated(codec: Estimating, image: Image) -> Coded:
    with stage("estimate"):
        start = time.perf_counter()
        bits, seen = codec.estimate(image)
        seconds = time.perf_counter() - start
        _check_seen(seen, image)
        return Coded(math.ceil(bits / 8), seen, seconds, 0.0)


def code_batch(codec: Batched, images: Sequence[Image]) -> list[Coded]:
    """Return what a codec makes of images of one shape together, each with its part of the time; raise Faulty."""
    with stage("encode"):
        start = time.perf_counter()
        streams = codec.encode_batch(images)
        encode_s = (time.perf_counter() - start) / len(images)
        for data in streams:
            _check_stream(data)
    with stage("decode"):
        start = time.perf_counter()
        every = codec.decode_batch(streams)
        decode_s = (time.perf_counter() - start) / len(images)
        for seen, image in zip(every, images, strict=True):
            _check_seen(seen, image)
        return [Coded(len(data), seen, encode_s, decode_s) for data, seen in zip(streams, every, strict=True)]


def _check_stream(data: object) -> None:
    if not isinstance(data, bytes):
        raise TypeError(f"encode returned {type(data).__name__}, expected bytes")


def _check_seen(seen: object, image: Image) -> None:
    if wrong := misshapen(seen, image):
        raise TypeError(wrong)


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What the spectra of all rows of a shot need of the shot: its own, and the transform of shown - clean.

    `shift` is None where the shot is clean.
    """

    settings: Settings
    shift: Transform | None
    own: Mapping[tuple[str, str], Power]


def beside_rows(shot: Shot, clean: Image, shown: Image, settings: Settings | None) -> Beside | None:
    """Return what the spectra of a shot's rows need of it; None where none are taken."""
    if settings is None:
        return None
    if shot.corruption == CLEAN:
        return Beside(settings, None, _labelled("image", transform(clean, settings), clean))
    shift = transform(difference(shown, clean), settings)
    own = _labelled("shift", shift, clean) | _labelled("image", transform(shown, settings), shown)
    return Beside(settings, shift, own)


def _spectra(seen: Image, shown: Image, beside: Beside) -> Spectra:
    """Return the spectra of a row. The transform is linear: that of seen - clean is a sum of two that are there."""
    lost = transform(difference(seen, shown), beside.settings)
    if beside.shift is None:
        return Spectra(_labelled("D", lost, shown), beside.own)
    return Spectra(
        {**_labelled("G", lost, shown), **_labelled("R", added(lost, beside.shift), shown)},
        beside.own,
    )


def _labelled(quantity: str, of: Transform, image: Image) -> dict[tuple[str, str], Power]:
    return {(quantity, channel): power for channel, power in gridded(of, image.shape[1]).items()}


def measured(
    shot: Shot,
    codec: str,
    point: str,
    coded: Coded,
    clean: Prepared,
    shown: Prepared,
    run: str,
    beside: Beside | None = None,
) -> Row:
    """Return the row of what a codec made of a shot, with its spectra where there is what they need."""
    height, width = shown.image.shape[:2]
    error, error_clean, similarity, similarity_clean = _measure(coded.seen, clean, shown)
    return Row(
        set=shot.set,
        corruption=shot.corruption,
        severity=shot.severity,
        codec=codec,
        point=point,
        image=shot.image,
        height=height,
        width=width,
        nbytes=coded.nbytes,
        error=error,
        error_clean=error_clean,
        ms_ssim=similarity,
        ms_ssim_clean=similarity_clean,
        encode_s=coded.encode_s,
        decode_s=coded.decode_s,
        status="ok",
        message="",
        run=run,
        spectra=_spectra(coded.seen, shown.image, beside) if beside else None,
    )


def _measure(seen: Image, clean: Prepared, shown: Prepared) -> tuple[int, int, float | None, float | None]:
    error = squared_error(seen, shown.image)
    if error == 0:
        # Nothing was lost, so the image seen is the image shown, and so is all that is known of it.
        similarity = 1.0 if shown.levels else None
        if shown is clean:
            return 0, 0, similarity, similarity
        return 0, squared_error(shown.image, clean.image), similarity, ms_ssim(shown, clean)
    prepared = type(shown)(seen)
    similarity = ms_ssim(prepared, shown)
    if shown is clean:
        return error, error, similarity, similarity
    return error, squared_error(seen, clean.image), similarity, ms_ssim(prepared, clean)


def unreadable(error: Exception) -> str:
    """Return the message of rows whose image could not be made."""
    return f"image: {told(error)}"


def blank(shot: Shot, codec: str, point: str, run: str, status: Status, message: str) -> Row:
    """Return the row of something that was not measured, and why."""
    key = (shot.set, shot.corruption, shot.severity, codec, point, shot.image)
    return Row(*key, *(None,) * 9, status, message, run)


def told(error: BaseException) -> str:
    """Return an exception in the words of a failed row."""
    return f"{type(error).__name__}: {error}"[:500]


def _sealed(image: Image) -> Image:
    """Return the image, no longer writable: a codec that writes to its input fails, instead of spoiling the rest."""
    image.flags.writeable = False
    return image


def _no_alarm(_seconds: float) -> None:
    """Where the system has no alarm, only the pool's own limit on a whole task ends what hangs."""


def _alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


set_alarm: Callable[[float], None] = _alarm if hasattr(signal, "setitimer") else _no_alarm
"""Have the kernel end this process in some seconds, in 0 never: even while a C library holds the interpreter."""


def points_of(specs: Sequence[tuple[Spec, Sequence[Point]]]) -> tuple[tuple[str, Point], ...]:
    """Return (codec, point) pairs in the order given, each once."""
    pairs = {(spec.name, point.name): (spec.name, point) for spec, points in specs for point in points}
    return tuple(pairs.values())
