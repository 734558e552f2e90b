"""The laws hold for every built-in codec at every point of its ladder, and each catches the codec made to break it."""

import os
import re
import struct
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
from codecshift.codecs import contract
from codecshift.codecs.identity import Identity
from codecshift.codecs.protocol import CodecUnavailable, DecodeError, Image, Point, Spec
from codecshift.codecs.registry import BUILT_IN, identify, open_codec


def available(spec: Spec) -> Spec:
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    return spec


BOTH_ENDS = {"avif", "heic", "hevc"}


def is_slow(spec: Spec) -> bool:
    return spec.process or spec.name.startswith(("avif", "heic"))


def ladder(spec: Spec) -> Iterator[Any]:
    """Yield every point of a ladder, of one that is slow to encode quickly only the middle, and the ends of some.

    The others share their code, and their ends are coded where their rate and quality are tested. For all that the
    laws say, vvc is vvc-fast at a slower preset.
    """
    places = range(len(spec.points))
    quick = {*places}
    if is_slow(spec):
        middle = {len(places) // 2} if spec.name != "vvc" else set()
        quick = middle | ({0, places[-1]} if spec.name in BOTH_ENDS else set())
    for place, point in enumerate(spec.points):
        marks = () if place in quick else pytest.mark.needs("slow")
        yield pytest.param(spec, point, id=f"{spec.name}:{point.name}", marks=marks)


@pytest.mark.parametrize(("spec", "point"), [case for spec in BUILT_IN for case in ladder(spec)])
def test_every_law_holds_at_every_point(spec: Spec, point: Point) -> None:
    verdicts = list(contract.check(available(spec), [point]))
    applying = [law.name for law in contract.LAWS if spec.lossless or law.name != "lossless"]
    assert [verdict.law for verdict in verdicts] == applying
    assert [verdict for verdict in verdicts if verdict.fault] == []


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_the_rate_rises_along_the_ladder(spec: Spec) -> None:
    # As in `contract.judge`, but for encoders that take seconds for so large a picture.
    size = (64, 80) if is_slow(spec) else (192, 256)
    contract.rising_rate(available(spec), spec.points, [contract.example(*size)])


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_codec_takes_views_and_sealed_pixels(spec: Spec) -> None:
    point = spec.points[len(spec.points) // 2]
    image = contract.example(40, 34)
    views = (image[::-1], image[:, ::2], image[3:-4, 5:], image[..., ::-1], image.transpose(1, 0, 2))
    with open_codec(available(spec), point) as codec:
        for view in views:
            view.flags.writeable = False
            data = codec.encode(view)
            assert data == codec.encode(view.copy())
            assert codec.decode(data).shape == view.shape


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_what_is_decoded_can_be_written_to(spec: Spec) -> None:
    with open_codec(available(spec), spec.points[0]) as codec:
        data = codec.encode(contract.example(20, 30))
        seen = codec.decode(data)
        first = seen.copy()
        seen[:] = 0
        np.testing.assert_array_equal(codec.decode(data), first)


# --- codecs that each break one law

BROKEN = "broken_codecs_of_the_contract_tests"


class WrongType(Identity):
    def decode(self, data: bytes) -> Any:
        return super().decode(data).astype(np.int16)


class Grey(Identity):
    def decode(self, data: bytes) -> Image:
        return super().decode(data)[..., :1]


class Lists(Identity):
    def decode(self, data: bytes) -> Any:
        return super().decode(data).tolist()


class NotBytes(Identity):
    def encode(self, image: Image) -> Any:
        return bytearray(super().encode(image))


class NeedsTwoPixels(Identity):
    def encode(self, image: Image) -> bytes:
        if min(image.shape[:2]) < 2:
            raise ValueError("too small")
        return super().encode(image)


class Salted(Identity):
    """Puts random bytes at the end of its stream, and does not read them."""

    def encode(self, image: Image) -> bytes:
        return super().encode(image) + os.urandom(8)

    def decode(self, data: bytes) -> Image:
        return super().decode(data[:-8])


class Numbered(Identity):
    """Writes the number of the instance into its stream."""

    opened = 0

    def __init__(self) -> None:
        Numbered.opened += 1
        self.number = struct.pack("<Q", Numbered.opened)

    def encode(self, image: Image) -> bytes:
        return super().encode(image) + self.number

    def decode(self, data: bytes) -> Image:
        return super().decode(data[:-8])


class Remembers(Identity):
    """Sees in colour only what it encoded last itself."""

    known = b""

    def encode(self, image: Image) -> bytes:
        self.known = super().encode(image)
        return self.known

    def decode(self, data: bytes) -> Image:
        image = super().decode(data)
        return image if data == self.known else np.zeros_like(image)


class Scribbles(Identity):
    """Clears the lowest bit of its input in place: the second time nothing changes, so its bytes are the same."""

    def encode(self, image: Image) -> bytes:
        image &= 254
        return super().encode(image)


class Coarse(Identity):
    """Is called lossless and drops the lowest bit."""

    def encode(self, image: Image) -> bytes:
        return super().encode(image & np.uint8(254))


class Raises(Identity):
    """Lets its own exception through on damaged bytes."""

    def decode(self, data: bytes) -> Image:
        height, width = struct.unpack_from("<II", data)
        return np.frombuffer(data, np.uint8, offset=8).reshape(height, width, 3).copy()


class Nonsense(Identity):
    """Makes a picture of anything."""

    def decode(self, data: bytes) -> Image:
        try:
            return super().decode(data)
        except DecodeError:
            return np.zeros((40, 161, 3), np.uint8)


class Shrinks(Identity):
    """Makes a smaller picture of a truncated stream."""

    def decode(self, data: bytes) -> Image:
        try:
            return super().decode(data)
        except DecodeError:
            if data[:4] != struct.pack("<I", 40):
                raise
            return np.zeros((1, 1, 3), np.uint8)


class Swaps(Identity):
    """Takes its input for BGR, and gives out RGB."""

    def decode(self, data: bytes) -> Image:
        return super().decode(data)[..., ::-1].copy()


class Keeps(Identity):
    """Keeps every image it decodes, for ever."""

    kept: ClassVar[list[Image]] = []

    def decode(self, data: bytes) -> Image:
        image = super().decode(data)
        self.kept.append(image.copy())
        return image


class KeepsLittle(Identity):
    """Keeps the last ten images it decoded."""

    def __init__(self) -> None:
        self.kept: deque[Image] = deque(maxlen=10)

    def decode(self, data: bytes) -> Image:
        image = super().decode(data)
        self.kept.append(image.copy())
        return image


class Forgets(Identity):
    """Leaves each image to the garbage collector, in a cycle."""

    def encode(self, image: Image) -> bytes:
        cycle: list[Any] = [image.copy()]
        cycle.append(cycle)
        return super().encode(image)


class Dims(Identity):
    """Is as lossy as a codec can be: all grey."""

    def decode(self, data: bytes) -> Image:
        return np.full_like(super().decode(data), 128)


class Batches(Identity):
    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        return [self.encode(image) for image in images]

    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        return [self.decode(one) for one in data]


class EncodesABatchOtherwise(Batches):
    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        return [self.encode(image) + bytes(1) for image in images]


class DecodesABatchOtherwise(Batches):
    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        return [self.decode(data[0])] * len(data)


class ForgetsOneOfABatch(Batches):
    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        return super().decode_batch(data)[:-1]


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spec]:
    """A function that returns a spec which opens a class."""

    def plug(codec: type[Identity], **facts: Any) -> Spec:
        @contextmanager
        def load() -> Iterator[Identity]:
            yield codec()

        module = types.ModuleType(BROKEN)
        vars(module).update(load=load)
        monkeypatch.setitem(sys.modules, BROKEN, module)
        return Spec("made", f"{BROKEN}:load", (Point("only"),), **facts)

    return plug


def broken_laws(spec: Spec) -> set[str]:
    return {verdict.law for verdict in contract.check(spec, spec.points) if verdict.fault}


@pytest.mark.parametrize("codec", [Identity, Batches, KeepsLittle, Forgets, Dims], ids=lambda codec: codec.__name__)
def test_no_law_is_broken_by_a_sound_codec(plugged: Callable[..., Spec], codec: type[Identity]) -> None:
    assert broken_laws(plugged(codec, lossless=codec is not Dims)) == set()


@pytest.mark.parametrize(
    ("codec", "law"),
    [
        (WrongType, "shape"),
        (Grey, "shape"),
        (Lists, "shape"),
        (NotBytes, "shape"),
        (Salted, "same-bytes"),
        (Numbered, "same-bytes"),
        (Remembers, "fresh-decoder"),
        (Scribbles, "input-untouched"),
        (Coarse, "lossless"),
        (Raises, "damage"),
        (Nonsense, "damage"),
        (Shrinks, "damage"),
        (EncodesABatchOtherwise, "batch"),
        (DecodesABatchOtherwise, "batch"),
        (ForgetsOneOfABatch, "batch"),
        (Swaps, "colour"),
        (Keeps, "memory"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_codec_that_breaks_one_law_fails_that_law(
    plugged: Callable[..., Spec], codec: type[Identity], law: str
) -> None:
    assert broken_laws(plugged(codec, lossless=codec is Coarse)) == {law}


def test_a_codec_that_drops_bits_need_not_be_lossless(plugged: Callable[..., Spec]) -> None:
    """Then `check` says nothing of the law, instead of that it passed."""
    spec = plugged(Coarse, lossless=False)
    assert broken_laws(spec) == set()
    assert "lossless" not in {verdict.law for verdict in contract.check(spec, spec.points)}


def test_the_fault_is_the_counterexample(plugged: Callable[..., Spec]) -> None:
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(WrongType), [Point("only")])}
    assert faults["shape"] == "decode returned int16 (1, 1, 3), expected uint8 (1, 1, 3)"
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(Raises), [Point("only")])}
    assert faults["damage"].startswith("no bytes: raised error (unpack_from")
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(Scribbles), [Point("only")])}
    assert faults["input-untouched"] == "encode changed the 33x17 image it was given"
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(Shrinks), [Point("only")])}
    assert faults["damage"].startswith("the first 4832 of 19328 bytes of a 161x40 image: decode returned uint8 (1, 1, ")
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(Swaps), [Point("only")])}
    expected = "a flat image of RGB (200, 90, 30) comes back as (30, 90, 200): the channels are in another order"
    assert faults["colour"] == expected
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(Keeps), [Point("only")])}
    found = re.fullmatch(
        r"encoding and decoding a 128x96 image 16 times left [\d.]+ MiB in memory, ([\d.]+) each time", faults["memory"]
    )
    assert found
    assert float(found[1]) == pytest.approx(3 * 128 * 96 / 2**20, rel=0.5)


def test_a_codec_that_raises_breaks_the_laws_and_not_the_check(plugged: Callable[..., Spec]) -> None:
    faults = {verdict.law: verdict.fault for verdict in contract.check(plugged(NeedsTwoPixels), [Point("only")])}
    assert faults["shape"] == "raised ValueError: too small"


def test_a_codec_that_cannot_be_opened_breaks_every_law_that_opens_it() -> None:
    spec = Spec("made", "module_that_nobody_wrote:load", (Point("only"),), lossless=True)
    assert broken_laws(spec) == {law.name for law in contract.LAWS}


# --- rising rate

RAW = 8 + 3 * 192 * 256  # bytes of the picture that the law is tried on, as raw pixels


class Padded(Identity):
    """A stream with as many bytes more as it is told."""

    def __init__(self, padding: int) -> None:
        self.padding = padding

    def encode(self, image: Image) -> bytes:
        return super().encode(image) + bytes(self.padding)

    def decode(self, data: bytes) -> Image:
        return super().decode(data[: len(data) - self.padding])


@pytest.fixture
def padded(monkeypatch: pytest.MonkeyPatch) -> Spec:
    @contextmanager
    def load(padding: int) -> Iterator[Padded]:
        yield Padded(padding)

    module = types.ModuleType(BROKEN)
    vars(module).update(load=load)
    monkeypatch.setitem(sys.modules, BROKEN, module)
    return Spec("made", f"{BROKEN}:load", (Point("x"),))


@pytest.mark.parametrize(
    ("paddings", "fault"),
    [
        ((0, 1, 5), ""),
        ((0, 5, 5), f"p5-2 takes {RAW + 5} bytes, no more than p5-1 with {RAW + 5}"),
        ((5, 0, 9), f"p0-1 takes {RAW} bytes, no more than p5-0 with {RAW + 5}"),
    ],
    ids=["rises", "stays", "falls"],
)
def test_the_rate_must_rise_at_every_step(padded: Spec, paddings: tuple[int, ...], fault: str) -> None:
    points = [Point(f"p{padding}-{place}", {"padding": padding}) for place, padding in enumerate(paddings)]
    verdicts = [verdict for verdict in contract.check(padded, points) if verdict.law == "rising-rate"]
    assert [(verdict.point, verdict.fault) for verdict in verdicts] == [("ladder", fault)]


def test_only_the_rate_is_at_fault_where_the_ladder_does_not_rise(padded: Spec) -> None:
    points = [Point("high", {"padding": 7}), Point("low", {"padding": 0})]
    assert {verdict.law for verdict in contract.check(padded, points) if verdict.fault} == {"rising-rate"}


def test_one_point_is_no_ladder(padded: Spec) -> None:
    verdicts = contract.check(padded, [Point("p", {"padding": 7})])
    assert "rising-rate" not in {verdict.law for verdict in verdicts}


# --- what the laws are tried on


def test_the_examples_are_small_and_awkward() -> None:
    shapes = [image.shape for image in contract.examples()]
    assert (1, 1, 3) in shapes
    assert (17, 33, 3) in shapes
    for image in contract.examples():
        assert image.dtype == np.uint8
    np.testing.assert_array_equal(contract.example(17, 33), contract.example(17, 33))


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (np.zeros((4, 5, 3), np.uint8), ""),
        (np.zeros((5, 4, 3), np.uint8), "decode returned uint8 (5, 4, 3), expected uint8 (4, 5, 3)"),
        (np.zeros((4, 5), np.uint8), "decode returned uint8 (4, 5), expected uint8 (4, 5, 3)"),
        (np.zeros((4, 5, 3), np.float32), "decode returned float32 (4, 5, 3), expected uint8 (4, 5, 3)"),
        ([[1]], "decode returned list, expected a NumPy array"),
        (None, "decode returned NoneType, expected a NumPy array"),
    ],
    ids=["sound", "turned", "grey", "real", "list", "none"],
)
def test_what_is_misshapen(seen: object, fault: str) -> None:
    assert contract.misshapen(seen, np.zeros((4, 5, 3), np.uint8)) == fault


def test_the_examples_rise_in_size_so_that_the_first_counterexample_is_the_smallest() -> None:
    areas = [height * width for height, width in contract.SHAPES]
    assert areas == sorted(set(areas))


def test_law_names_are_distinct() -> None:
    names = [law.name for law in contract.LAWS]
    assert sorted(set(names)) == sorted(names)
    assert list(contract.STATEMENTS) == [*names, contract.RISING_RATE, contract.ESTIMATE]


# --- the quick trial


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_built_in_codec_passes_the_quick_trial(spec: Spec) -> None:
    header, fault = contract.probe(available(spec))
    assert fault == ""
    assert header == contract.header_bytes(spec)
    with open_codec(spec, spec.points[0]) as codec:
        assert header == len(codec.encode(np.zeros((8, 8, 3), np.uint8)))


class LeaksMuch(Identity):
    kept: ClassVar[list[Image]] = []

    def encode(self, image: Image) -> bytes:
        self.kept.append(np.ones(20 * 2**20, np.uint8))
        return super().encode(image)


@pytest.mark.parametrize(
    ("codec", "header", "fault"),
    [
        (Identity, 200, ""),
        (WrongType, 200, "decode returned int16 (8, 8, 3), expected uint8 (8, 8, 3)"),
        (Grey, 200, "decode returned uint8 (8, 8, 1), expected uint8 (8, 8, 3)"),
        (NotBytes, 0, "encode returned bytearray, expected bytes"),
        (Scribbles, 200, "encode wrote to its input"),
        (LeaksMuch, 200, "leaks memory: 20 MiB each time an 8x8 image is encoded and decoded"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_the_quick_trial_says_what_is_wrong(
    plugged: Callable[..., Spec], codec: type[Identity], header: int, fault: str
) -> None:
    assert contract.probe(plugged(codec)) == (header, fault)
    LeaksMuch.kept.clear()


def test_the_quick_trial_of_a_codec_that_raises_or_cannot_be_opened(plugged: Callable[..., Spec]) -> None:
    class Fails(Identity):
        def encode(self, image: Image) -> bytes:
            raise RuntimeError(f"no licence for {len(image)} rows")

    assert contract.probe(plugged(Fails)) == (0, "raised RuntimeError: no licence for 8 rows")
    header, fault = contract.probe(Spec("made", "module_that_nobody_wrote:load", (Point("only"),)))
    assert (header, fault[:57]) == (0, "raised CodecUnavailable: made cannot be opened: ModuleNot")
