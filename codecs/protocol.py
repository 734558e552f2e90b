"""What a codec is: the agreement between this suite and everything that turns pixels into bytes and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Pixels, shape (H, W, 3), RGB, 0..255."""


class CodecError(Exception):
    """A codec could not do what it was asked."""


class DecodeError(CodecError):
    """The bytes are not a stream this codec can decode."""


class OutOfMemory(CodecError):
    """There is no memory left on the device for what was asked; for fewer images at a time there may be."""


class CodecUnavailable(CodecError):
    """The codec exists, but this machine lacks what it needs; the message says what, and how to get it."""


class Codec(Protocol):
    """An opened codec: one operating point, ready for use."""

    def encode(self, image: Image) -> bytes:
        """Return the stream of a uint8 (H, W, 3) image: self-contained, so all of it counts as rate."""

    def decode(self, data: bytes) -> Image:
        """Return the uint8 (H, W, 3) image of a stream, from nothing but `data`; raise DecodeError if it is none."""


@runtime_checkable
class Batched(Codec, Protocol):
    """A codec that is faster on several images of one shape; found by isinstance."""

    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        """Return the streams of several images of one shape, each equal to what `encode` would give."""

    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        """Return the images of several streams, each equal to what `decode` would give."""


@runtime_checkable
class Estimating(Protocol):
    """An opened model that tells what rate its likelihoods promise, and makes no bytes; found by isinstance."""

    def estimate(self, image: Image) -> tuple[float, Image]:
        """Return the bits estimated for a uint8 (H, W, 3) image, and the image that decoding would give."""


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point: its name in labels, e.g. "q75", and the arguments it opens the codec with."""

    name: str
    params: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scale:
    """A codec's own dial, e.g. JPEG's quality: any value from `low` to `high` is an operating point.

    A point is called `prefix` and the value, e.g. "q75". `rising` says that a larger value costs more bits;
    `integer` that only whole values exist.
    """

    prefix: str
    parameter: str
    low: float
    high: float
    integer: bool = True
    rising: bool = True

    def at(self, value: float) -> Point:
        """Return the point at `value`, to six digits; raise ValueError outside the scale."""
        if not self.low <= value <= self.high or (self.integer and value != int(value)):
            raise ValueError(f"expected {self.describe()}, got {value:g}")
        digits = f"{value:.0f}" if self.integer else f"{value:.6g}"
        return Point(f"{self.prefix}{digits}", {self.parameter: int(digits) if self.integer else float(digits)})

    def ladder(self, *values: float) -> tuple[Point, ...]:
        """Return the points at several values."""
        return tuple(self.at(value) for value in values)

    def parse(self, name: str) -> Point:
        """Return the point called `name`, e.g. "q75"; raise ValueError if it is not on the scale."""
        match = re.fullmatch(rf"{re.escape(self.prefix)}(-?(\d+\.?\d*|\.\d+))", name, re.ASCII)
        if not match:
            raise ValueError(f"expected {self.describe()}, got {name!r}")
        return self.at(float(match[1]))

    def describe(self) -> str:
        """Return the scale in words, e.g. "q1 to q100 in whole steps"."""
        steps = " in whole steps" if self.integer else ""
        return f"{self.prefix}{self.low:g} to {self.prefix}{self.high:g}{steps}"


@dataclass(frozen=True, slots=True)
class Spec:
    """All that is known of a codec before it is opened: how to open it, and what a fair comparison must state.

    `load` names a context manager factory, "module:function"; it is called with the point's parameters and yields the
    opened codec. `points` is the default ladder, rising in rate. `identify`, "module:function", returns the library
    and version behind the codec or raises CodecUnavailable; it must be cheap. Both may be "module:function:argument",
    whose argument, a string, is the first that the function gets. `hint` says how to get a library that opening lacks.
    `effort` is the encoder's own word for how hard it tries, `threads` how many it may use, and `process` says that
    every call starts a program, so that timings include that start. `version` rises whenever the bytes or the pixels
    change for a reason that the library's version does not show. `prepare`, "module:function", fetches what opening
    needs and this machine lacks: it is called once, before any worker opens the codec, with (spec, points, progress),
    progress being None or a function of (what is being done, bytes done, bytes in all), and raises CodecUnavailable.
    `estimated` says that what is opened is `Estimating`: its rates are no lengths of streams.
    """

    name: str
    load: str
    points: tuple[Point, ...]
    kind: Literal["classical", "neural"] = "classical"
    scale: Scale | None = None
    identify: str = ""
    chroma: str = "?"
    bit_depth: int = 8
    colour: str = "?"
    effort: str = "?"
    threads: int = 1
    process: bool = False
    settings: str = ""
    lossless: bool = False
    hint: str = ""
    version: int = 1
    prepare: str = ""
    estimated: bool = False

    @property
    def on_device(self) -> bool:
        """Whether it computes where `--device` says: a program finds its device itself."""
        return self.kind == "neural" and not self.process
