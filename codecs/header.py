"""The few bytes that make a bare bitstream self-contained: the size of its image and its own length."""

from __future__ import annotations

from .protocol import DecodeError

_LARGEST = 2**40  # no picture and no stream is longer; a number beyond it is damage


def pack(height: int, width: int, payload: bytes) -> bytes:
    """Return height, width and the length of `payload` as LEB128 numbers (7 bits a byte), then `payload`."""
    return b"".join(map(number, (height, width, len(payload)))) + payload


def unpack(data: bytes) -> tuple[int, int, bytes]:
    """Return (height, width, payload) of what `pack` made; raise DecodeError if anything is missing or left over."""
    height, start = read_number(data, 0)
    width, start = read_number(data, start)
    length, start = read_number(data, start)
    if not height or not width:
        raise DecodeError(f"the header tells of an image of {width}x{height} pixels")
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
    """Return the LEB128 number at `start`, and where it ends; raise DecodeError if there is none."""
    value = 0
    for place, byte in enumerate(data[start : start + 6]):
        value |= (byte & 127) << (7 * place)
        if byte < 128 and value < _LARGEST:
            return value, start + place + 1
    raise DecodeError("the stream ends in its header, or does not begin with one")
