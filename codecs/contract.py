"""The laws that every codec obeys, as functions: the tests and `codecshift check` apply them to a codec."""

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
"""Heights and widths in order of area, so that the first counterexample to a law is the smallest."""


class Broken(Exception):
    """A law does not hold; the message is the smallest counterexample found."""


@dataclass(frozen=True, slots=True)
class Law:
    """A statement about a codec at one point, and the function that raises Broken if it does not hold."""

    name: str
    statement: str
    check: Callable[[Spec, Point], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one law at one point: `fault` is empty if the law holds or was not tried."""

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


def misshapen(decoded: object, image: Image) -> str:
    """Return what is wrong with the type, dtype or shape of a decoded image, "" if nothing."""
    if not isinstance(decoded, np.ndarray):
        return f"decode returned {type(decoded).__name__}, expected a NumPy array"
    if decoded.dtype != np.uint8 or decoded.shape != image.shape:
        return f"decode returned {decoded.dtype} {decoded.shape}, expected uint8 {image.shape}"
    return ""


def _same_bytes(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec, open_codec(spec, point) as other:
        for image in examples():
            first, second, third = codec.encode(image), codec.encode(image), other.encode(image)
            if not first == second == third:
                raise Broken(f"encoding the same {_size(image)} image twice gave different bytes")


def _fresh_decoder(spec: Spec, point: Point) -> None:
    for image in examples():
        with open_codec(spec, point) as codec:
            data = codec.encode(image)
            decoded = codec.decode(data)
        with open_codec(spec, point) as fresh:
            if not np.array_equal(fresh.decode(data), decoded):
                raise Broken(f"a newly opened codec decodes the stream of a {_size(image)} image to different pixels")


def _batch(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        if not isinstance(codec, Batched):
            return
        for image in examples():
            images: list[Image] = [image, image[::-1].copy(), np.subtract(255, image, dtype=np.uint8)]
            streams = codec.encode_batch(images)
            if streams != [codec.encode(single) for single in images]:
                raise Broken(f"encode_batch of three {_size(image)} images differs from encode one by one")
            batch = codec.decode_batch(streams)
            if not all(
                np.array_equal(together, codec.decode(data)) for together, data in zip(batch, streams, strict=True)
            ):
                raise Broken(f"decode_batch of three {_size(image)} streams differs from decode one by one")


def _input_untouched(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        for image in examples():
            before = image.copy()
            codec.encode(image)
            if not np.array_equal(image, before):
                raise Broken(f"encode changed the {_size(image)} image it was given")


def _lossless(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        for image in examples():
            if not np.array_equal(codec.decode(codec.encode(image)), image):
                raise Broken(f"a {_size(image)} image does not come back unchanged from a codec called lossless")


def _damage(spec: Spec, point: Point) -> None:
    """Require DecodeError for empty and random bytes; a truncated stream may also decode to an image of its shape."""
    with open_codec(spec, point) as codec:
        for name, damaged in (("no bytes", b""), ("random bytes", np.random.default_rng(1).bytes(500))):
            if _decoded(codec, name, damaged) is not None:
                raise Broken(f"{name}: decoded to an image, expected DecodeError")
        for image in (example(*SHAPES[0]), example(*SHAPES[-1])):
            data = codec.encode(image)
            for kept in sorted({1, len(data) // 4, len(data) // 2, len(data) - 1}):
                name = f"the first {kept} of {len(data)} bytes of a {_size(image)} image"
                decoded = _decoded(codec, name, data[:kept])
                if decoded is not None and (fault := misshapen(decoded, image)):
                    raise Broken(f"{name}: {fault}, expected DecodeError")


def _decoded(codec: Codec, name: str, damaged: bytes) -> object:
    """Return what a codec decodes from damaged bytes, None if it raises DecodeError."""
    try:
        return codec.decode(damaged)
    except DecodeError:
        return None
    except Exception as error:
        raise Broken(f"{name}: raised {type(error).__name__} ({error}), expected DecodeError") from error


def _colour(spec: Spec, point: Point) -> None:
    """Raise Broken if a flat colour comes back at least twice as close to another order of its channels.

    The wide margin allows for codecs that are very lossy.
    """
    colour = np.array([200, 90, 30], np.uint8)
    image: Image = np.tile(colour, (48, 64, 1))
    with open_codec(spec, point) as codec:
        decoded = codec.decode(codec.encode(image))
    if misshapen(decoded, image):
        return
    mean = decoded.mean(axis=(0, 1))
    right, *others = (float(np.abs(mean - order).sum()) for order in permutations(colour.tolist()))
    if 2 * min(others) < right:
        came = ", ".join(f"{value:.0f}" for value in mean)
        raise Broken(f"a flat image of RGB (200, 90, 30) comes back as ({came}): the channels are in another order")


_ROUNDS = 4
_BLOCKS = 4
_RUNAWAY = 2**30  # bytes; a codec that has leaked so much needs no further blocks


def _memory(spec: Spec, point: Point) -> None:
    """Raise Broken if memory grows in every block of calls.

    A codec may fill caches, and an allocator may keep freed memory, so growth in a few blocks is no leak. Each block
    encodes and decodes four images of 128x96; it counts as growth if it leaves behind more than two raw images.
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
        image = np.roll(image, 1, axis=1)  # a new image each time, so that a cache by content shows as a leak
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
    """Check that the estimated bits and pixels are valid and the same each time; there are no bytes to check."""
    with open_codec(spec, point) as codec:
        if not isinstance(codec, Estimating):
            raise Broken("its spec says estimated=True, but the opened codec has no method estimate")
        for image in examples():
            before = image.copy()
            (bits, pixels), (bits_again, pixels_again) = codec.estimate(image), codec.estimate(image)
            if not 0 <= bits < float("inf"):
                raise Broken(f"estimate returned {bits} bits for a {_size(image)} image")
            if fault := misshapen(pixels, image):
                raise Broken(fault.replace("decode", "estimate"))
            if bits != bits_again or not np.array_equal(pixels, pixels_again):
                raise Broken(f"estimating the same {_size(image)} image twice gave different results")
            if not np.array_equal(image, before):
                raise Broken(f"estimate changed the {_size(image)} image it was given")


LOSSLESS, DAMAGE = "lossless", "damage"
LAWS = (
    Law("shape", "the decoded image has the shape and dtype of the input, at any size down to 1x1", _shape),
    Law("same-bytes", "the same image always gives the same bytes, also from a second instance", _same_bytes),
    Law("fresh-decoder", "a newly opened codec decodes the stream to the same pixels", _fresh_decoder),
    Law("batch", "a batch gives the same results as a loop", _batch),
    Law("input-untouched", "encode does not write to its input", _input_untouched),
    Law(LOSSLESS, "a lossless codec returns exactly the same pixels", _lossless),
    Law(DAMAGE, "damaged bytes raise DecodeError", _damage),
    Law("colour", "the colour channels keep their order", _colour),
    Law("memory", "encode and decode do not leak memory", _memory),
)
RISING_RATE = "rising-rate"
ESTIMATE = "estimate"
STATEMENTS = {law.name: law.statement for law in LAWS} | {
    RISING_RATE: "the rate rises along the ladder",
    ESTIMATE: "the estimated bits and pixels are valid, and the same each time",
}
"""The statement of each law, by its name. `RISING_RATE` covers several points; `ESTIMATE` is for estimating codecs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One law and the points it is tried at: a single point, or a whole ladder for `RISING_RATE`."""

    law: str
    points: tuple[Point, ...]

    @property
    def where(self) -> str:
        """The point's name, or "ladder"."""
        return "ladder" if self.law == RISING_RATE else self.points[0].name


def trials(spec: Spec, points: Iterable[Point]) -> list[Trial]:
    """Return every law that applies at every point, followed by `RISING_RATE` if there are several points.

    `LOSSLESS` applies to codecs that are called lossless. Most laws are about bytes. A codec that estimates its rate
    makes none and has a law of its own.
    """
    points = tuple(points)
    if spec.estimated:
        return [Trial(ESTIMATE, (point,)) for point in points]
    laws = [law.name for law in LAWS if spec.lossless or law.name != LOSSLESS]
    at_each_point = [Trial(law, (point,)) for point in points for law in laws]
    return at_each_point + ([Trial(RISING_RATE, points)] if len(points) > 1 else [])


OPENINGS = 2 * len(SHAPES)
"""The largest number of times that a law of one point opens the codec."""


def ready() -> None:
    """Do nothing: a process that answers this call has imported the laws."""


def opening(spec: Spec, point: Point) -> dict[str, Any]:
    """Open a codec twice, and return the outcome as plain data.

    `first` and `again` are the seconds that each opening took; the first includes imports. `fault` is the reason why
    the codec did not open, "" if it did. `traceback` is that of the exception, starting at the codec's own code.
    """
    seconds = []
    try:
        for _ in range(2):
            start = time.perf_counter()
            with open_codec(spec, point):
                seconds.append(time.perf_counter() - start)
    except CodecUnavailable as error:
        fault = str(error).removeprefix(f"{spec.name} cannot be opened: ")
        raised = (
            error.__cause__ if fault != str(error) else None
        )  # otherwise the codec's own message says what is missing
        return {"first": 0.0, "again": 0.0, "fault": fault, "traceback": _traceback(raised)}
    first, again = seconds
    return {"first": first, "again": again, "fault": "", "traceback": ""}


_OF_OPENING = (registry.__file__, contextlib.__file__, importlib.__file__, "<frozen importlib")


def _traceback(error: BaseException | None) -> str:
    """Return the traceback of an error without the leading frames of this package and of Python."""
    if error is None:
        return ""
    formatted = traceback.TracebackException.from_exception(error)
    frames = list(itertools.dropwhile(lambda frame: frame.filename.startswith(_OF_OPENING), formatted.stack))
    formatted.stack = traceback.StackSummary.from_list(frames)
    return "".join(formatted.format()).rstrip()


def judge(spec: Spec, trial: Trial) -> str:
    """Return the smallest counterexample to a law, "" if it holds."""
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
    """Yield a verdict per law and point, followed by that of `RISING_RATE` if there are several points.

    The codec runs in this process, so a codec that crashes or hangs takes the process with it.
    """
    for trial in trials(spec, points):
        yield Verdict(trial.law, trial.where, judge(spec, trial))


def header_bytes(spec: Spec) -> int:
    """Return the length of the stream of an 8x8 black image at the ladder's first point, which is mostly header."""
    if spec.estimated:
        raise Broken("it estimates its rate and makes no stream")
    with open_codec(spec, spec.points[0]) as codec:
        return len(_encoded(codec, np.zeros((8, 8, 3), np.uint8)))


_LEAK = 8 * 2**20  # bytes a call on an 8x8 image may leave behind


def probe(spec: Spec) -> tuple[int, str]:
    """Return the header bytes of a codec and its fault, "" if none: a quick subset of what `check` finds.

    At the ladder's first point, an 8x8 image is encoded and decoded, and the shape of the result and the input are
    checked. Four more calls reveal a gross leak; they are skipped for a codec that starts a program for each call.
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
