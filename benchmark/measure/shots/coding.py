"""Coding an image: a codec opened, timed, and held to what it must return."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ....codecs.contract import example, misshapen
from ....codecs.protocol import Batched, Codec, Estimating, OutOfMemory, Point, Spec
from ....codecs.registry import open_codec
from ....corruptions.corruption import Image


class Faulty(Exception):
    """A codec raised, or returned what it may not; the message names the stage, the cause is what was raised."""

    @property
    def out_of_memory(self) -> bool:
        """Whether fewer images together may succeed."""
        # Torch's own error is recognised by its name: torch is not loaded here.
        names = {kind.__name__ for kind in type(self.__cause__).__mro__}
        return isinstance(self.__cause__, (OutOfMemory, MemoryError)) or "OutOfMemoryError" in names


def described(error: BaseException) -> str:
    """Return an error in words, cut off where it is very long."""
    return f"{type(error).__name__}: {error}"[:500]


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Turn whatever a codec raises, SystemExit included, into Faulty.

    A KeyboardInterrupt is Ctrl-C, and passes, but in a worker, which ignores Ctrl-C: there it is the codec's own.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            raise
        raise Faulty(f"{name}: {described(error)}") from error
    except BaseException as error:
        raise Faulty(f"{name}: {described(error)}") from error


@contextmanager
def ready(spec: Spec, point: Point) -> Iterator[Codec]:
    """Open a codec; a warm-up call keeps the library's start-up cost out of the timings. Raises Faulty."""
    with ExitStack() as lifetime:
        with _stage("open"):
            codec = lifetime.enter_context(open_codec(spec, point))
            if isinstance(codec, Estimating):
                codec.estimate(example(64, 64))
            else:
                codec.decode(codec.encode(example(64, 64)))
        yield codec


@dataclass(frozen=True, slots=True)
class Coded:
    """What a codec made of an image: the bytes of its stream, the decoded image, and the seconds of both directions."""

    nbytes: int
    seen: Image
    encode_s: float
    decode_s: float


def code(codec: Codec, image: Image) -> Coded:
    """Return what a codec makes of an image; raise Faulty."""
    if isinstance(codec, Estimating):
        return _estimated(codec, image)
    with _stage("encode"):
        start = time.perf_counter()
        stream = codec.encode(image)
        encode_s = time.perf_counter() - start
        _check_stream(stream)
    with _stage("decode"):
        start = time.perf_counter()
        seen = codec.decode(stream)
        decode_s = time.perf_counter() - start
        _check_seen(seen, image)
    return Coded(len(stream), seen, encode_s, decode_s)


def _estimated(codec: Estimating, image: Image) -> Coded:
    with _stage("estimate"):
        start = time.perf_counter()
        bits, seen = codec.estimate(image)
        seconds = time.perf_counter() - start
        _check_seen(seen, image)
        return Coded(math.ceil(bits / 8), seen, seconds, 0.0)


def code_batch(codec: Batched, images: Sequence[Image]) -> list[Coded]:
    """Return what a codec makes of images of one shape together, the time divided equally; raise Faulty."""
    with _stage("encode"):
        start = time.perf_counter()
        streams = codec.encode_batch(images)
        encode_s = (time.perf_counter() - start) / len(images)
        for stream in streams:
            _check_stream(stream)
    with _stage("decode"):
        start = time.perf_counter()
        decoded = codec.decode_batch(streams)
        decode_s = (time.perf_counter() - start) / len(images)
        for seen, image in zip(decoded, images, strict=True):
            _check_seen(seen, image)
        return [Coded(len(stream), seen, encode_s, decode_s) for stream, seen in zip(streams, decoded, strict=True)]


def _check_stream(stream: object) -> None:
    if not isinstance(stream, bytes):
        raise TypeError(f"encode returned {type(stream).__name__}, expected bytes")


def _check_seen(seen: object, image: Image) -> None:
    if wrong := misshapen(seen, image):
        raise TypeError(wrong)


def _no_alarm(_seconds: float) -> None:
    """Do nothing: without an alarm, only the pool's own limit on a whole task ends a codec that hangs."""


def _alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End this process if a `with` block takes longer than some seconds."""
    set_alarm(seconds)
    try:
        yield
    finally:
        set_alarm(0)


set_alarm: Callable[[float], None] = _alarm if hasattr(signal, "setitimer") else _no_alarm
"""Have the kernel end this process in some seconds, in 0 never: even while a C library holds the interpreter."""
