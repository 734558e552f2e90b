"""The codec protocol: the interface between this suite and everything that turns pixels into bytes and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Pixels, shape (H, W, 3), RGB, 0..255."""


class CodecError(Exception):
    """A codec failed to encode or decode."""


class DecodeError(CodecError):
    """The bytes are not a stream that this codec can decode."""


class OutOfMemory(CodecError):
    """The device is out of memory; a smaller batch may still fit."""


class CodecUnavailable(CodecError):
    """The codec is known, but this machine lacks something it needs; the message says what, and how to get it."""


class Codec(Protocol):
    """An opened codec: one operating point, ready for use."""

    def encode(self, image: Image) -> bytes:
        """Return the stream of a uint8 (H, W, 3) image. It is self-contained, and all of it counts as rate."""

    def decode(self, data: bytes) -> Image:
        """Return the uint8 (H, W, 3) image decoded from `data` alone; raise DecodeError if `data` is not a stream."""


@runtime_checkable
class Batched(Codec, Protocol):
    """A codec that is faster on batches of images of the same shape; detected by isinstance."""

    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        """Return the streams of several images of the same shape, each equal to what `encode` returns."""

    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        """Return the images of several streams, each equal to what `decode` returns."""


@runtime_checkable
class Estimating(Protocol):
    """An opened model that estimates its rate from likelihoods and makes no bytes; detected by isinstance."""

    def estimate(self, image: Image) -> tuple[float, Image]:
        """Return the estimated bits of a uint8 (H, W, 3) image, and the image that decoding would return."""


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point: its name in labels, e.g. "q75", and the arguments that open the codec at it."""

    name: str
    params: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scale:
    """A codec's quality parameter, e.g. JPEG's quality: any value from `low` to `high` is an operating point.

    The name of a point is `prefix` and the value, e.g. "q75". With `rising`, a larger value costs more bits; with
    `integer`, only whole values are allowed.
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
    """A codec before it is opened: how to open it, and the facts that a fair comparison must state.

    How to open it:

    - `load`, "module:function", names a context manager factory. It is called with the point's parameters and yields
      the opened codec.
    - `points` is the default ladder, in order of rising rate.
    - `identify`, "module:function", returns the library and version behind the codec or raises CodecUnavailable. It
      must be cheap. `load` and `identify` may also be "module:function:argument": the string `argument` is then passed
      as the first argument.
    - `prepare`, "module:function", downloads what opening needs and this machine lacks, or raises CodecUnavailable. It
      is called once, before any worker opens the codec, with (spec, points, progress); `progress` is None or a function
      of (task, bytes done, bytes in total).
    - `hint` says how to install a library that is missing on opening.

    What a comparison must state:

    - `effort` is the encoder's own name for its effort setting, e.g. "speed 4", and `threads` the number of threads it
      may use. `efforts` are the values of that setting that are worth comparing, from the fastest, e.g. ("10", ...,
      "0"); then `load` and `effort` end in the value in use (see `at_effort`).
    - `process` means that every call starts a program, so that timings include its start.
    - `version` rises whenever the bytes or pixels change for a reason that the library's version does not show.
    - `estimated` means that the opened codec is `Estimating`: its rates are not lengths of streams.
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
    efforts: tuple[str, ...] = ()

    @property
    def on_device(self) -> bool:
        """Whether the codec computes on the device of `--device`; a program chooses its device itself."""
        return self.kind == "neural" and not self.process


def at_effort(spec: Spec, effort: str) -> Spec:
    """Return the codec at another value of its effort setting; raise ValueError if it does not offer that value."""
    if effort not in spec.efforts:
        offered = f"one of {', '.join(spec.efforts)}" if spec.efforts else "a codec with an effort setting"
        raise ValueError(f"{spec.name} has no effort {effort!r}: expected {offered}")
    target, word = spec.load.rpartition(":")[0], spec.effort.rpartition(" ")[0]
    return replace(spec, load=f"{target}:{effort}", effort=f"{word} {effort}")
