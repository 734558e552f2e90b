"""The codec that does nothing: its streams can be written down, and whatever is no such stream is refused."""

import struct

import numpy as np
import pytest
from codecshift.codecs.identity import SPECS, Identity
from codecshift.codecs.protocol import DecodeError

IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
STREAM = struct.pack("<II", 2, 3) + bytes(range(18))


def test_a_stream_is_the_size_and_the_pixels() -> None:
    assert Identity().encode(IMAGE) == STREAM


def test_a_stream_gives_the_very_pixels() -> None:
    seen = Identity().decode(STREAM)
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, IMAGE)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (161, 7)], ids="{0[0]}x{0[1]}".format)
def test_the_rate_is_24_bits_a_pixel_and_8_bytes(size: tuple[int, int]) -> None:
    assert len(Identity().encode(np.zeros((*size, 3), np.uint8))) == 8 + 3 * size[0] * size[1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        STREAM[:7],
        STREAM[:8],
        STREAM[:-1],
        STREAM + b"\0",
        struct.pack("<II", 0, 0),
        struct.pack("<II", 0, 9),
        struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(18),
    ],
    ids=["empty", "half-a-size", "no-pixels", "one-short", "one-over", "0x0", "0x9", "huge"],
)
def test_any_other_length_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^expected .* bytes"):
        Identity().decode(data)


def test_the_one_point_is_lossless() -> None:
    assert [(spec.name, spec.lossless, len(spec.points)) for spec in SPECS] == [("identity", True, 1)]
