"""Raw pixels as a codec, which measures the cost of the harness and gives the "no compression" rows."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .protocol import DecodeError, Image, Point, Spec

_SIZE = struct.Struct("<II")


class Identity:
    """Height and width as two little-endian 32-bit numbers, then the pixels."""

    def encode(self, image: Image) -> bytes:
        """Return 8 + 3 H W bytes."""
        return _SIZE.pack(*image.shape[:2]) + image.tobytes()

    def decode(self, data: bytes) -> Image:
        """Return the original pixels; raise DecodeError unless the length is right."""
        if len(data) < _SIZE.size:
            raise DecodeError(f"expected at least {_SIZE.size} bytes, got {len(data)}")
        height, width = _SIZE.unpack_from(data)
        expected = _SIZE.size + 3 * height * width
        if not height or not width or len(data) != expected:
            raise DecodeError(f"expected {expected} bytes for {width}x{height} pixels, got {len(data)}")
        return np.frombuffer(data, np.uint8, offset=_SIZE.size).reshape(height, width, 3).copy()


@contextmanager
def load() -> Iterator[Identity]:
    """Open the codec."""
    yield Identity()


SPECS = (
    Spec(
        name="identity",
        load="codecshift.codecs.identity:load",
        points=(Point("raw"),),
        chroma="4:4:4",
        colour="RGB",
        effort="none",
        settings="raw pixels",
        lossless=True,
    ),
)
