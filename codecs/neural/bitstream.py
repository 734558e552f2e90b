"""The bytes of a stream: a header, two checksums, and the entropy coder's strings.

    crc16        2 bytes, of everything after it: detects damage before decoding
    checksum     4 bytes, crc32 of the symbols of the encoder's latents: detects a desync after decoding
    dial         2 bytes, only for variable-rate models: the index of the gain or lambda
    height       LEB128, 7 bits a byte
    width        LEB128
    lengths      LEB128 each, in 32-bit words, of all strings but the last
    strings      one after the other

The latents' shapes, and the number of strings, follow from the model and the size of the image.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from itertools import accumulate, pairwise

from .. import header
from ..protocol import CodecError, DecodeError

LARGEST_IMAGE = 1 << 27  # pixels; a header that states more is damaged
LAST_INDEX = 0xFFFF
_WORD = 4  # bytes; the coder writes words of 32 bits
_SHORTEST = 8  # bytes; the coder writes at least the two words of its state


class Desync(DecodeError):
    """A stream was decoded to other symbols than were encoded, for example with another model."""

    def __init__(self, why: str) -> None:
        super().__init__(f"desync: {why}")


@dataclass(frozen=True, slots=True)
class Stream:
    """The parts of a stream: the size of the image, the checksum of the symbols, the strings, and the dial if any."""

    height: int
    width: int
    checksum: int
    strings: tuple[bytes, ...]
    dial: int | None = None


def check_size(height: int, width: int) -> None:
    """Raise CodecError if an image is too large for a stream."""
    if height * width > LARGEST_IMAGE:
        raise CodecError(f"expected an image of at most {LARGEST_IMAGE} pixels, got {width}x{height}")


def pack(stream: Stream) -> bytes:
    """Return a stream as bytes; raise CodecError if a string cannot come from the entropy coder."""
    for string in stream.strings:
        if len(string) % _WORD or len(string) < _SHORTEST:
            raise CodecError(f"the entropy coder made a string of {len(string)} bytes, expected words of {_WORD}")
    lengths = (len(string) // _WORD for string in stream.strings[:-1])
    body = b"".join(
        (
            stream.checksum.to_bytes(4, "little"),
            b"" if stream.dial is None else stream.dial.to_bytes(2, "little"),
            *map(header.number, (stream.height, stream.width, *lengths)),
            *stream.strings,
        )
    )
    return binascii.crc_hqx(body, 0).to_bytes(2, "little") + body


def unpack(data: bytes, strings: int, *, dialled: bool) -> Stream:
    """Return the parts of a stream with this number of strings; raise DecodeError if it is damaged."""
    if len(data) < 6 + _SHORTEST * strings:
        raise DecodeError(f"expected at least {6 + _SHORTEST * strings} bytes, got {len(data)}")
    if binascii.crc_hqx(data[2:], 0) != int.from_bytes(data[:2], "little"):
        raise DecodeError("the stream is damaged: its checksum does not match its bytes")
    start, numbers = 8 if dialled else 6, []
    for _ in range(strings + 1):
        value, start = header.read_number(data, start)
        numbers.append(value)
    height, width, *words = numbers
    if not 0 < height * width <= LARGEST_IMAGE:
        raise DecodeError(f"the header states an image of {width}x{height} pixels")
    lengths = [_WORD * count for count in words]
    lengths.append(len(data) - start - sum(lengths))
    if any(length % _WORD or length < _SHORTEST for length in lengths):
        raise DecodeError(f"the header states strings of {lengths} bytes")
    cuts = tuple(accumulate(lengths, initial=start))
    parts = tuple(data[begin:end] for begin, end in pairwise(cuts))
    checksum, dial = int.from_bytes(data[2:6], "little"), int.from_bytes(data[6:8], "little")
    return Stream(height, width, checksum, parts, dial if dialled else None)
