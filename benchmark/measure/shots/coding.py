"""Coding an image: a codec is opened and timed, and what it returns is checked."""

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
    """A codec raised, or returned something invalid; the message names the stage, `__cause__` is the exception."""

    @property
    def out_of_memory(self) -> bool:
        """Whether a smaller batch may succeed."""
        # Torch's own error is recognised by its name, because torch is not loaded here.
        names = {kind.__name__ for kind in type(self.__cause__).__mro__}
        return isinstance(self.__cause__, (OutOfMemory, MemoryError)) or "OutOfMemoryError" in names


def described(error: BaseException) -> str:
    """Return the type and message of an error, cut off after 500 characters."""
    return f"{type(error).__name__}: {error}"[:500]


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Turn anything that a codec raises, including SystemExit, into Faulty.

    A KeyboardInterrupt passes, as it is the user's Ctrl-C. A worker ignores Ctrl-C, so there it comes from the codec.
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
    """An image coded and decoded: the bytes of its stream, the decoded image, and the seconds of both directions."""

    nbytes: int
    seen: Image
    encode_s: float
    decode_s: float


def code(codec: Codec, image: Image) -> Coded:
    """Code and decode an image and return the result; raise Faulty."""
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
    """Code and decode images of equal shape in one batch, and divide its time equally; raise Faulty."""
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
    """End this process if a `with` block takes longer than `seconds`."""
    set_alarm(seconds)
    try:
        yield
    finally:
        set_alarm(0)


set_alarm: Callable[[float], None] = _alarm if hasattr(signal, "setitimer") else _no_alarm
"""Have the kernel end this process after some seconds, even while C code blocks the interpreter; 0 cancels."""
