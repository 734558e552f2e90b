"""Points, scales and specs: the names of operating points mean what they say, and only one thing each."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from codecshift.codecs.protocol import (
    Batched,
    CodecError,
    CodecUnavailable,
    DecodeError,
    Point,
    Scale,
    Spec,
    at_effort,
)
from hypothesis import given, settings
from hypothesis import strategies as st

QUALITY = Scale("q", "quality", 1, 100)
RATE = Scale("r", "bpp", 0.01, 12, integer=False)
LEVELS = Scale("level-", "level", -20, 20)
QUANTISER = Scale("qp", "qp", 0, 51, rising=False)

SCALES = {"quality": QUALITY, "rate": RATE, "levels": LEVELS, "quantiser": QUANTISER}


@pytest.mark.parametrize(
    ("scale", "value", "point"),
    [
        (QUALITY, 75, Point("q75", {"quality": 75})),
        (QUALITY, 75.0, Point("q75", {"quality": 75})),
        (QUALITY, 1, Point("q1", {"quality": 1})),
        (QUALITY, 100, Point("q100", {"quality": 100})),
        (RATE, 0.5, Point("r0.5", {"bpp": 0.5})),
        (RATE, 2, Point("r2", {"bpp": 2})),
        (RATE, 0.01, Point("r0.01", {"bpp": 0.01})),
        (LEVELS, -3, Point("level--3", {"level": -3})),
        (QUANTISER, 0, Point("qp0", {"qp": 0})),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_value_has_a_name(scale: Scale, value: float, point: Point) -> None:
    assert scale.at(value) == point
    assert scale.parse(point.name) == point


def test_whole_values_are_integers() -> None:
    assert type(QUALITY.at(75.0).params["quality"]) is int
    assert type(QUALITY.parse("q75").params["quality"]) is int


@pytest.mark.parametrize("name", ["q75", "q075", "q75.0", "q0075.000"])
def test_a_name_is_brought_to_one_form(name: str) -> None:
    assert QUALITY.parse(name) == Point("q75", {"quality": 75})


@pytest.mark.parametrize("name", ["r0.5", "r0.50", "r.5", "r00.5"])
def test_the_name_of_a_fraction_is_brought_to_one_form(name: str) -> None:
    assert RATE.parse(name) == Point("r0.5", {"bpp": 0.5})


@given(st.sampled_from([QUALITY, LEVELS, QUANTISER]), st.data())
@settings(deadline=None)
def test_every_whole_value_comes_back_from_its_name(scale: Scale, data: st.DataObject) -> None:
    point = scale.at(data.draw(st.integers(int(scale.low), int(scale.high))))
    assert scale.parse(point.name) == point


@given(st.floats(RATE.low, RATE.high))
@settings(deadline=None)
def test_every_value_comes_back_from_its_name(value: float) -> None:
    # A label is a key of the run file: two settings must not share one.
    assert RATE.parse(RATE.at(value).name) == RATE.at(value)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("beyond", ["below", "above"])
def test_a_value_outside_the_scale_is_refused(scale: Scale, beyond: str) -> None:
    value = scale.low - 1 if beyond == "below" else scale.high + 1
    with pytest.raises(ValueError, match=rf"^expected {scale.describe()}, got"):
        scale.at(value)
    with pytest.raises(ValueError, match=rf"^expected {scale.describe()}, got"):
        scale.parse(f"{scale.prefix}{value}")


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused(scale: Scale, value: float) -> None:
    with pytest.raises(ValueError, match=r"^expected"):
        scale.at(value)
    with pytest.raises(ValueError, match=r"^expected"):
        scale.parse(f"{scale.prefix}{value}")


@pytest.mark.parametrize("name", ["", "q", "75", "r75", "qq75", "q75q", "Q75", "q1.5", "q1,5", "q0x10", "quality75"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^expected q1 to q100 in whole steps, got"):
        QUALITY.parse(name)


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_a_ladder_is_the_points_at_its_values(scale: Scale) -> None:
    assert scale.ladder(1, 5, 12) == (scale.at(1), scale.at(5), scale.at(12))


def test_a_scale_describes_itself() -> None:
    assert [scale.describe() for scale in (QUALITY, RATE)] == ["q1 to q100 in whole steps", "r0.01 to r12"]


# --- specs, codecs and errors


def test_facts_cannot_be_changed() -> None:
    spec = Spec("jpeg", "here:load", (QUALITY.at(5),))
    for fact, name in ((spec, "name"), (spec.points[0], "name"), (QUALITY, "low")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(fact, name, "other")


def test_a_spec_travels_to_other_processes() -> None:
    spec = Spec("jpeg", "here:load", QUALITY.ladder(5, 50), scale=QUALITY)
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301


class Single:
    def encode(self, image: np.ndarray) -> bytes:
        return image.tobytes()

    def decode(self, data: bytes) -> np.ndarray:
        return np.frombuffer(data, np.uint8).reshape(1, -1, 3)


class Several(Single):
    def encode_batch(self, images: list[np.ndarray]) -> list[bytes]:
        return [self.encode(image) for image in images]

    def decode_batch(self, data: list[bytes]) -> list[np.ndarray]:
        return [self.decode(one) for one in data]


def test_a_batched_codec_is_known_by_its_methods() -> None:
    assert isinstance(Several(), Batched)
    assert not isinstance(Single(), Batched)


@pytest.mark.parametrize("error", [DecodeError, CodecUnavailable])
def test_what_goes_wrong_in_a_codec_is_a_codec_error(error: type[Exception]) -> None:
    assert issubclass(error, CodecError)


def test_another_effort_changes_what_is_loaded_and_stated_and_nothing_else() -> None:
    spec = Spec("mine", "here:load:slow", (Point("only"),), effort="preset slow", efforts=("fast", "slow"), version=3)
    expected = dataclasses.replace(spec, load="here:load:fast", effort="preset fast")
    assert at_effort(spec, "fast") == expected
    assert at_effort(expected, "slow") == spec


def test_an_effort_that_a_codec_does_not_offer_is_refused() -> None:
    spec = Spec("mine", "here:load:slow", (Point("only"),), effort="preset slow", efforts=("fast", "slow"))
    with pytest.raises(ValueError, match="mine has no effort 'faster': expected one of fast, slow"):
        at_effort(spec, "faster")
    with pytest.raises(ValueError, match="plain has no effort 'fast': expected a codec with an effort setting"):
        at_effort(Spec("plain", "here:load", (Point("only"),)), "fast")
