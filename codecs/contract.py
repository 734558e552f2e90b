"""The laws that every codec obeys, as functions: what the tests and `codecshift check` hold a codec to."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any

import numpy as np

from . import registry
from .memory import settled
from .protocol import Batched, Codec, CodecUnavailable, DecodeError, Estimating, Image, Point, Spec
from .registry import open_codec

SHAPES = ((1, 1), (17, 33), (64, 48), (40, 161))
"""Rising in area, so that the first counterexample that a law finds is the smallest."""


class Broken(Exception):
    """A law does not hold; the message is the smallest counterexample found."""


@dataclass(frozen=True, slots=True)
class Law:
    """A statement about a codec at one point, and the function that raises Broken where it fails."""

    name: str
    statement: str
    check: Callable[[Spec, Point], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one law at one point: `fault` is empty where it holds, and where it was not tried."""

    law: str
    point: str
    fault: str
    tried: bool = True


def example(height: int, width: int) -> Image:
    """Return a picture of this size: ramps that wrap around, with noise on top."""
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([3 * rows + columns, 2 * columns, 5 * rows], axis=-1) % 256
    noise = np.random.default_rng(20230).integers(-20, 21, smooth.shape)
    return np.asarray(np.clip(smooth + noise, 0, 255), np.uint8)


def examples() -> list[Image]:
    """Return small pictures of awkward shapes."""
    return [example(*shape) for shape in SHAPES]


def _shape(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        for image in examples():
            if fault := misshapen(codec.decode(_encoded(codec, image)), image):
                raise Broken(fault)


def _encoded(codec: Codec, image: Image) -> bytes:
    data = codec.encode(image)
    if not isinstance(data, bytes):
        raise Broken(f"encode returned {type(data).__name__}, expected bytes")
    return data


def misshapen(seen: object, shown: Image) -> str:
    """Return what is wrong with the type, dtype or shape of a decoded image, "" if nothing."""
    if not isinstance(seen, np.ndarray):
        return f"decode returned {type(seen).__name__}, expected a NumPy array"
    if seen.dtype != np.uint8 or seen.shape != shown.shape:
        return f"decode returned {seen.dtype} {seen.shape}, expected uint8 {shown.shape}"
    return ""


def _same_bytes(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec, open_codec(spec, point) as other:
        for image in examples():
            first, second, third = codec.encode(image), codec.encode(image), other.encode(image)
            if not first == second == third:
                raise Broken(f"encoding the same {_size(image)} image again gave other bytes")


def _fresh_decoder(spec: Spec, point: Point) -> None:
    for image in examples():
        with open_codec(spec, point) as codec:
            data = codec.encode(image)
            seen = codec.decode(data)
        with open_codec(spec, point) as fresh:
            if not np.array_equal(fresh.decode(data), seen):
                raise Broken(f"a newly opened codec decodes a {_size(image)} stream to other pixels")


def _batch(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        if not isinstance(codec, Batched):
            return
        for image in examples():
            images: list[Image] = [image, image[::-1].copy(), np.subtract(255, image, dtype=np.uint8)]
            streams = codec.encode_batch(images)
            if streams != [codec.encode(each) for each in images]:
                raise Broken(f"encode_batch of three {_size(image)} images differs from encode one by one")
            together = codec.decode_batch(streams)
            if not all(np.array_equal(a, codec.decode(b)) for a, b in zip(together, streams, strict=True)):
                raise Broken(f"decode_batch of three {_size(image)} streams differs from decode one by one")


def _input_untouched(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        for image in examples():
            before = image.copy()
            codec.encode(image)
            if not np.array_equal(image, before):
                raise Broken(f"encode changed the {_size(image)} image it was given")


def _lossless(spec: Spec, point: Point) -> None:
    if not spec.lossless:
        return
    with open_codec(spec, point) as codec:
        for image in examples():
            if not np.array_equal(codec.decode(codec.encode(image)), image):
                raise Broken(f"a {_size(image)} image does not come back unchanged from a codec called lossless")


def _damage(spec: Spec, point: Point) -> None:
    """Empty, random and truncated bytes: a DecodeError, or (in the middle, where a format may tolerate it) an image."""
    with open_codec(spec, point) as codec:
        for name, damaged in (("no bytes", b""), ("random bytes", np.random.default_rng(1).bytes(500))):
            if _decoded(codec, name, damaged) is not None:
                raise Broken(f"{name}: decoded to an image, expected DecodeError")
        for image in (example(*SHAPES[0]), example(*SHAPES[-1])):
            data = codec.encode(image)
            for kept in sorted({1, len(data) // 4, len(data) // 2, len(data) - 1}):
                name = f"the first {kept} of {len(data)} bytes of a {_size(image)} image"
                seen = _decoded(codec, name, data[:kept])
                if seen is not None and (fault := misshapen(seen, image)):
                    raise Broken(f"{name}: {fault}, expected DecodeError")


def _decoded(codec: Codec, name: str, damaged: bytes) -> object:
    """Return what a codec makes of damaged bytes, None where it says that they are."""
    try:
        return codec.decode(damaged)
    except DecodeError:
        return None
    except Exception as error:
        raise Broken(f"{name}: raised {type(error).__name__} ({error}), expected DecodeError") from error


def _colour(spec: Spec, point: Point) -> None:
    """Only what is twice as near to another order of the channels is at fault: a codec may be as lossy as it likes."""
    colour = np.array([200, 90, 30], np.uint8)
    image: Image = np.tile(colour, (48, 64, 1))
    with open_codec(spec, point) as codec:
        seen = codec.decode(codec.encode(image))
    if misshapen(seen, image):
        return
    mean = seen.mean(axis=(0, 1))
    right, *others = (float(np.abs(mean - other).sum()) for other in permutations(colour.tolist()))
    if 2 * min(others) < right:
        came = ", ".join(f"{value:.0f}" for value in mean)
        raise Broken(f"a flat image of RGB (200, 90, 30) comes back as ({came}): the channels in another order")


_ROUNDS = 4
_BLOCKS = 4
_RUNAWAY = 2**30  # bytes: no need to wait for more of them


def _memory(spec: Spec, point: Point) -> None:
    """A codec may fill caches, and an allocator keep what it was given back; only what grows block after block leaks.

    Each block is four images of 128x96 encoded and decoded, and must leave more behind than two of them, raw.
    """
    image = example(96, 128)
    bound = _ROUNDS * image.nbytes // 2
    with open_codec(spec, point) as codec:
        _rounds(codec, image, 2)
        sizes = [settled()]
        while len(sizes) <= _BLOCKS and sizes[-1] - sizes[0] < _RUNAWAY:
            _rounds(codec, image, _ROUNDS)
            sizes.append(settled())
            if sizes[-1] - sizes[-2] <= bound:
                return
    grown, times = (sizes[-1] - sizes[0]) / 2**20, (len(sizes) - 1) * _ROUNDS
    raise Broken(
        f"encoding and decoding a {_size(image)} image {times} times left {grown:.1f} MiB in memory, "
        f"{grown / times:.2f} each time"
    )


def _rounds(codec: Codec, image: Image, times: int) -> None:
    for _ in range(times):
        image = np.roll(image, 1, axis=1)  # another each time, for what is kept of each image is kept for good
        codec.decode(codec.encode(image))


def rising_rate(spec: Spec, points: Sequence[Point], images: Iterable[Image]) -> None:
    """Raise Broken unless the total length of the streams of `images` rises from each point to the next."""
    images = list(images)
    totals = []
    for point in points:
        with open_codec(spec, point) as codec:
            totals.append(sum(len(codec.encode(image)) for image in images))
    for (lower, low), (higher, high) in pairwise(zip(points, totals, strict=True)):
        if high <= low:
            raise Broken(f"{higher.name} takes {high} bytes, no more than {lower.name} with {low}")


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _estimate(spec: Spec, point: Point) -> None:
    """What estimates a rate makes no bytes to hold it to: bits and pixels of the right kind, the same each time."""
    with open_codec(spec, point) as codec:
        if not isinstance(codec, Estimating):
            raise Broken("a codec called estimated does not estimate")
        for image in examples():
            before = image.copy()
            (bits, seen), (again, seen_again) = codec.estimate(image), codec.estimate(image)
            if not 0 <= bits < float("inf"):
                raise Broken(f"estimate returned {bits} bits for a {_size(image)} image")
            if fault := misshapen(seen, image):
                raise Broken(fault.replace("decode", "estimate"))
            if bits != again or not np.array_equal(seen, seen_again):
                raise Broken(f"estimating the same {_size(image)} image again gave something else")
            if not np.array_equal(image, before):
                raise Broken(f"estimate changed the {_size(image)} image it was given")


DAMAGE = "damage"
LAWS = (
    Law("shape", "shape and dtype come back, at any size down to 1x1", _shape),
    Law("same-bytes", "the same image gives the same bytes, from this instance and from another", _same_bytes),
    Law("fresh-decoder", "a newly opened codec decodes the stream to the same pixels", _fresh_decoder),
    Law("batch", "a batch gives what a loop gives", _batch),
    Law("input-untouched", "encode does not write to its input", _input_untouched),
    Law("lossless", "a codec called lossless returns the very pixels", _lossless),
    Law(DAMAGE, "damaged bytes raise DecodeError", _damage),
    Law("colour", "the channels come back in their order", _colour),
    Law("memory", "encode and decode leave nothing behind in memory", _memory),
)
RISING_RATE = "rising-rate"
ESTIMATE = "estimate"
STATEMENTS = {law.name: law.statement for law in LAWS} | {
    RISING_RATE: "the rate rises along the ladder",
    ESTIMATE: "bits and pixels are estimated, of the right kind, the same each time",
}
"""What each law says, by its name; the last two are of several points together, and of codecs that make no bytes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One law and the points it is tried at: one of them, or for the rising rate a whole ladder."""

    law: str
    points: tuple[Point, ...]

    @property
    def where(self) -> str:
        """The point's name, or "ladder"."""
        return "ladder" if self.law == RISING_RATE else self.points[0].name


def trials(spec: Spec, points: Iterable[Point]) -> list[Trial]:
    """Return every law at every point, and at last, for several points, that the rate rises along them.

    A codec that estimates its rate makes no bytes that most laws could be held against: it has a law of its own.
    """
    points = tuple(points)
    if spec.estimated:
        return [Trial(ESTIMATE, (point,)) for point in points]
    every = [Trial(law.name, (point,)) for point in points for law in LAWS]
    return every + ([Trial(RISING_RATE, points)] if len(points) > 1 else [])


OPENINGS = 2 * len(SHAPES)
"""The most often that a law of one point opens the codec."""


def ready() -> None:
    """Do nothing: by then a process has imported the laws."""


def opening(spec: Spec, point: Point) -> dict[str, Any]:
    """Open a codec twice, and return as plain data how that went.

    `first` and `again` are the seconds that it took, with what it imports and without. `fault` says why it did not
    open, "" where it did; `traceback` is that of what the codec raised, from its own code on.
    """
    seconds = []
    try:
        for _ in range(2):
            start = time.perf_counter()
            with open_codec(spec, point):
                seconds.append(time.perf_counter() - start)
    except CodecUnavailable as error:
        fault = str(error).removeprefix(f"{spec.name} cannot be opened: ")
        raised = error.__cause__ if fault != str(error) else None  # else the codec says itself what is lacking
        return {"first": 0.0, "again": 0.0, "fault": fault, "traceback": _traceback(raised)}
    first, again = seconds
    return {"first": first, "again": again, "fault": "", "traceback": ""}


_OF_OPENING = (registry.__file__, contextlib.__file__, importlib.__file__, "<frozen importlib")


def _traceback(error: BaseException | None) -> str:
    """Return the traceback of an error without the frames of ours and of Python that led to the codec's code."""
    if error is None:
        return ""
    formatted = traceback.TracebackException.from_exception(error)
    frames = list(itertools.dropwhile(lambda frame: frame.filename.startswith(_OF_OPENING), formatted.stack))
    formatted.stack = traceback.StackSummary.from_list(frames)
    return "".join(formatted.format()).rstrip()


def judge(spec: Spec, trial: Trial) -> str:
    """Return the smallest counterexample to a law, "" where it holds."""
    try:
        if trial.law == RISING_RATE:
            rising_rate(spec, trial.points, [example(192, 256)])
        elif trial.law == ESTIMATE:
            _estimate(spec, *trial.points)
        else:
            (law,) = (law for law in LAWS if law.name == trial.law)
            law.check(spec, *trial.points)
    except Broken as broken:
        return str(broken)
    except Exception as error:  # noqa: BLE001 - a codec under test may raise anything; that is the counterexample
        return f"raised {type(error).__name__}: {error}"
    return ""


def check(spec: Spec, points: Iterable[Point]) -> Iterator[Verdict]:
    """Yield a verdict per law and point, and at last, for several points, that the rate rises along them.

    The codec is worked in this process: one that crashes or hangs takes it along.
    """
    for trial in trials(spec, points):
        yield Verdict(trial.law, trial.where, judge(spec, trial))


def header_bytes(spec: Spec) -> int:
    """Return the length of an 8x8 black image's stream at the ladder's first point: little but the header."""
    if spec.estimated:
        raise Broken("it makes no stream")
    with open_codec(spec, spec.points[0]) as codec:
        return len(_encoded(codec, np.zeros((8, 8, 3), np.uint8)))


_LEAK = 8 * 2**20  # bytes a call on an 8x8 image may leave behind


def probe(spec: Spec) -> tuple[int, str]:
    """Return the header bytes of a codec, and in a word what is wrong with it: the quick part of what `check` finds.

    At the ladder's first point: an 8x8 image is encoded, its stream decoded and its pixels compared with what they
    were; and four times more, to see a gross leak, unless a program has to be started each time.
    """
    image = example(8, 8)
    before = image.copy()
    try:
        header = header_bytes(spec)
        with open_codec(spec, spec.points[0]) as codec:
            if fault := misshapen(codec.decode(codec.encode(image)), image):
                return header, fault
            if not np.array_equal(image, before):
                return header, "encode wrote to its input"
            if not spec.process:
                size = settled()
                _rounds(codec, image, _ROUNDS)
                left = (settled() - size) / _ROUNDS
                if left > _LEAK:
                    return header, f"leaks memory: {left / 2**20:.0f} MiB each time an 8x8 image is encoded and decoded"
    except Broken as broken:
        return 0, str(broken)
    except Exception as error:  # noqa: BLE001 - a codec may raise anything
        return 0, f"raised {type(error).__name__}: {error}"
    return header, ""
