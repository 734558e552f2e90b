"""The header that makes a bare bitstream self-contained: the size of the image and the length of the bitstream."""

from __future__ import annotations

from .protocol import DecodeError

_LARGEST = 2**40  # no image and no stream is this large; a larger number means damage


def pack(height: int, width: int, payload: bytes) -> bytes:
    """Return height, width and the length of `payload` as LEB128 numbers (7 bits a byte), then `payload`."""
    return b"".join(map(number, (height, width, len(payload)))) + payload


def unpack(data: bytes) -> tuple[int, int, bytes]:
    """Return (height, width, payload) of bytes from `pack`; raise DecodeError if anything is missing or left over."""
    height, start = read_number(data, 0)
    width, start = read_number(data, start)
    length, start = read_number(data, start)
    if not height or not width:
        raise DecodeError(f"the header states an image of {width}x{height} pixels")
    if len(data) - start != length:
        raise DecodeError(f"expected {length} bytes after the header, got {len(data) - start}")
    return height, width, data[start:]


def number(value: int) -> bytes:
    """Return a number as LEB128."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def read_number(data: bytes, start: int) -> tuple[int, int]:
    """Return the LEB128 number at `start` and the position after it; raise DecodeError if there is no number."""
    value = 0
    for place, byte in enumerate(data[start : start + 6]):
        value |= (byte & 127) << (7 * place)
        if byte < 128 and value < _LARGEST:
            return value, start + place + 1
    raise DecodeError("the stream has no complete header")
