"""What the header packs comes back, in few bytes, and nothing that was cut, joined or made up passes for it."""

import numpy as np
import pytest
from codecshift.codecs import header
from codecshift.codecs.protocol import DecodeError
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.integers(1, 100_000)


@given(SIDES, SIDES, st.binary(max_size=300))
def test_what_is_packed_comes_back(height: int, width: int, payload: bytes) -> None:
    assert header.unpack(header.pack(height, width, payload)) == (height, width, payload)


@pytest.mark.parametrize(("size", "length", "expected"), [((1, 1), 0, 3), ((127, 128), 127, 4), ((512, 768), 20000, 7)])
def test_it_takes_a_byte_per_seven_bits(size: tuple[int, int], length: int, expected: int) -> None:
    assert len(header.pack(*size, bytes(length))) - length == expected


@given(SIDES, SIDES, st.binary(max_size=40), st.data())
def test_a_truncated_stream_is_none(height: int, width: int, payload: bytes, data: st.DataObject) -> None:
    packed = header.pack(height, width, payload)
    with pytest.raises(DecodeError):
        header.unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "has no complete header"),
        (bytes([0, 5, 0]), "an image of 5x0 pixels"),
        (bytes([5, 0, 0]), "an image of 0x5 pixels"),
        (bytes([255] * 20), "has no complete header"),
        (header.pack(3, 4, b"abc") + b"d", "expected 3 bytes after the header, got 4"),
    ],
    ids=["nothing", "no-rows", "no-columns", "endless", "left-over"],
)
def test_what_is_no_header_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        header.unpack(data)


def test_random_bytes_are_refused() -> None:
    for seed in range(50):
        with pytest.raises(DecodeError):
            header.unpack(np.random.default_rng(seed).bytes(500))
