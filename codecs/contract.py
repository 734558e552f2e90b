"""The laws that every codec obeys, as functions: what the tests and `codecshift check` hold a codec to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .protocol import Batched, DecodeError, Estimating, Image, Point, Spec
from .registry import open_codec

SHAPES = ((1, 1), (17, 33), (64, 48), (40, 161))


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
    """What came of one law at one point: `fault` is empty where it holds."""

    law: str
    point: str
    fault: str


def example(height: int, width: int) -> Image:
    """Return a picture of this size: ramps that wrap around, with noise on top."""
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([3 * rows + columns, 2 * columns, 5 * rows], axis=-1) % 256
    noise = np.random.default_rng(20230).integers(-20, 21, smooth.shape)
    return np.asarray(np.clip(smooth + noise, 0, 255), np.uint8)


def examples() -> Iterator[Image]:
    """Yield small pictures of awkward shapes."""
    for height, width in SHAPES:
        yield example(height, width)


def _shape(spec: Spec, point: Point) -> None:
    with open_codec(spec, point) as codec:
        for image in examples():
            data = codec.encode(image)
            if not isinstance(data, bytes):
                raise Broken(f"encode returned {type(data).__name__}, expected bytes")
            fault = misshapen(codec.decode(data), image)
            if fault:
                raise Broken(fault)


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
            if streams != [codec.encode(one) for one in images]:
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
    image = max(examples(), key=np.size)
    with open_codec(spec, point) as codec:
        data = codec.encode(image)
        for name, damaged in _damaged(data):
            try:
                seen = codec.decode(damaged)
            except DecodeError:
                continue
            except Exception as error:
                raise Broken(f"{name}: raised {type(error).__name__} ({error}), expected DecodeError") from error
            fault = misshapen(seen, image)
            if fault or name in {"no bytes", "random bytes"}:
                raise Broken(f"{name}: {fault or 'decoded to an image'}, expected DecodeError")


def _damaged(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "no bytes", b""
    yield "random bytes", np.random.default_rng(1).bytes(500)
    for kept in (1, len(data) // 4, len(data) // 2, len(data) - 1):
        yield f"the first {kept} of {len(data)} bytes", data[:kept]


def rising_rate(spec: Spec, points: Sequence[Point], images: Iterable[Image]) -> None:
    """Raise Broken unless the total length of the streams of `images` rises from each point to the next."""
    images = list(images)
    totals = []
    for point in points:
        with open_codec(spec, point) as codec:
            totals.append(sum(len(codec.encode(image)) for image in images))
    for (lower, low), (higher, high) in zip(
        zip(points, totals, strict=True), zip(points[1:], totals[1:], strict=True), strict=False
    ):
        if high <= low:
            raise Broken(f"{higher.name} takes {high} bytes, no more than {lower.name} with {low}")


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


LAWS = (
    Law("shape", "shape and dtype come back, at any size down to 1x1", _shape),
    Law("same-bytes", "the same image gives the same bytes, from this instance and from another", _same_bytes),
    Law("fresh-decoder", "a newly opened codec decodes the stream to the same pixels", _fresh_decoder),
    Law("batch", "a batch gives what a loop gives", _batch),
    Law("input-untouched", "encode does not write to its input", _input_untouched),
    Law("lossless", "a codec called lossless returns the very pixels", _lossless),
    Law("damage", "damaged bytes raise DecodeError", _damage),
)


def _estimates(spec: Spec, point: Point) -> bool:
    try:
        with open_codec(spec, point) as codec:
            return isinstance(codec, Estimating)
    except Exception:  # noqa: BLE001 - a codec that does not open breaks the laws, which say why
        return False


def _estimate(spec: Spec, point: Point) -> None:
    """What estimates a rate makes no bytes to hold it to: bits and pixels of the right kind, the same each time."""
    with open_codec(spec, point) as codec:
        if not isinstance(codec, Estimating):
            raise Broken("some points of this codec estimate, and this one does not")
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


def check(spec: Spec, points: Iterable[Point]) -> Iterator[Verdict]:
    """Yield a verdict per law and point, and at last, for several points, that the rate rises along them."""
    points = tuple(points)
    if points and _estimates(spec, points[0]):
        yield from (Verdict("estimate", point.name, _fault(partial(_estimate, spec, point))) for point in points)
        return
    for point in points:
        for law in LAWS:
            yield Verdict(law.name, point.name, _fault(partial(law.check, spec, point)))
    if len(points) > 1:
        yield Verdict("rising-rate", "ladder", _fault(partial(rising_rate, spec, points, [example(192, 256)])))


def _fault(law: Callable[[], None]) -> str:
    try:
        law()
    except Broken as broken:
        return str(broken)
    except Exception as error:  # noqa: BLE001 - a codec under test may raise anything; that is the counterexample
        return f"raised {type(error).__name__}: {error}"
    return ""
