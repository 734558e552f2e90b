"""Formats of the JPEG committee that optional packages code: jpegli (pyjpegli) and JPEG-LS (imagecodecs)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .protocol import CodecUnavailable, DecodeError, Image, Point, Scale, Spec


@dataclass(frozen=True, slots=True)
class Jpegli:
    """JPEG by jpegli, whose quantisation is made for butteraugli; the wrapper offers quality alone."""

    library: Any
    quality: int

    def encode(self, image: Image) -> bytes:
        """Return the file's bytes."""
        height, width = image.shape[:2]
        return bytes(self.library.encode(image.tobytes(), width, height, quality=self.quality))

    def decode(self, data: bytes) -> Image:
        """Return the pixels of a JPEG."""
        try:
            pixels, width, height = self.library.decode(data)
            return np.frombuffer(pixels, np.uint8).reshape(height, width, 3).copy()
        except Exception as error:  # on damaged bytes the wrapper may raise anything
            raise DecodeError(f"not a valid JPEG stream: {error}") from error


_EOI = b"\xff\xd9"  # the marker that ends a stream of JPEG and of JPEG-LS


@dataclass(frozen=True, slots=True)
class Imagecodec:
    """A pair of functions of the package imagecodecs, and the level that its encoder gets."""

    name: str
    encoder: Callable[..., Any]
    decoder: Callable[..., Any]
    level: float

    def encode(self, image: Image) -> bytes:
        """Return the stream."""
        return bytes(self.encoder(np.ascontiguousarray(image), self.level))

    def decode(self, data: bytes) -> Image:
        """Return the pixels of a stream of 8-bit RGB."""
        if not data.endswith(_EOI):  # CharLS takes seconds to refuse a small picture whose stream is cut off
            raise DecodeError(f"not a valid {self.name} stream: it does not end with the marker EOI")
        try:
            image = np.asarray(self.decoder(data))
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise ValueError(f"expected 8-bit RGB, got {image.dtype} of shape {image.shape}")
            return image.copy()
        except Exception as error:  # on damaged bytes imagecodecs may raise anything
            raise DecodeError(f"not a valid {self.name} stream: {error}") from error


@contextmanager
def jpegli(quality: int) -> Iterator[Jpegli]:
    """Open jpegli at a quality from 1 to 100."""
    yield Jpegli(_package("pyjpegli"), quality)


@contextmanager
def jpegls(error: int) -> Iterator[Imagecodec]:
    """Open near-lossless JPEG-LS at the largest error of a sample in grey levels."""
    library = _package("imagecodecs")
    yield Imagecodec("JPEG-LS", library.jpegls_encode, library.jpegls_decode, error)


@contextmanager
def jpegls_lossless() -> Iterator[Imagecodec]:
    """Open lossless JPEG-LS."""
    with jpegls(0) as codec:
        yield codec


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CodecUnavailable(f"this codec needs {name} ({error}): pip install 'codecshift[formats]'") from error


def identify_jpegli() -> str:
    """Return the version of pyjpegli, which jpegli is linked into."""
    return f"jpegli of pyjpegli {_package('pyjpegli').__version__}"


def identify_jpegls() -> str:
    """Return the versions of CharLS and imagecodecs."""
    library = _package("imagecodecs")
    return f"{library.jpegls_version()}, imagecodecs {library.__version__}"


_HERE = "codecshift.codecs.jpeg_family"
_ERROR = Scale("e", "error", 1, 64, rising=False)


def _spec(name: str, identify: str, points: tuple[Point, ...], colour: str, settings: str, **facts: Any) -> Spec:
    return Spec(
        name=name,
        load=f"{_HERE}:{name.replace('-', '_')}",
        identify=f"{_HERE}:identify_{identify}",
        points=points,
        colour=colour,
        effort="none to set",
        settings=settings,
        hint="pip install 'codecshift[formats]'",
        **{"chroma": "4:4:4", **facts},
    )


SPECS = (
    _spec(
        "jpegli",
        "jpegli",
        Scale("q", "quality", 1, 100).ladder(1, 12, 30, 50, 67, 79, 86, 91, 94, 96, 98),
        "BT.601 full",
        "the wrapper's defaults; quantised for butteraugli",
        chroma="4:2:0",
        scale=Scale("q", "quality", 1, 100),
    ),
    _spec(
        "jpegls",
        "jpegls",
        _ERROR.ladder(64, 48, 36, 27, 20, 15, 11, 8, 6, 4, 3, 2),
        "RGB",
        "near-lossless: the largest error of a sample",
        scale=_ERROR,
    ),
    _spec("jpegls-lossless", "jpegls", (Point("lossless"),), "RGB", "no colour transform", lossless=True),
)
