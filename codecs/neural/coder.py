"""The entropy coder between a model and CompressAI's rANS: deferred coding, symbols for the checksum, no overruns.

CompressAI's models quantise latents, look up each symbol's table, and pass both to an entropy coder. This module
replaces that coder by one that calls the same C++ code, makes the same bytes, and differs in four ways:

- A string is a `String`, an object that keeps its symbols. Most models decode their hyper-latents, and some all
  latents, right after encoding them; with the symbols at hand this costs nothing, and the coding can run in a thread.
- The symbols give the checksum that detects a desync.
- The C++ decoder can read past the end of a stream. Here it finds zeros there.
- The C++ encoder never returns for symbols near 2^31, which NaN latents turn into. Here they are refused.
"""

from __future__ import annotations

import types
import zlib
from array import array
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..protocol import CodecError
from .bitstream import Desync
from .compat import compressai

_LARGEST_SYMBOL = 1 << 24
_BEHIND = 4096  # bytes of zeros, for the escape code that a damaged stream may end in

_ans = compressai("ans")


class String:
    """The symbols of one latent of one image and the bytes that code them; each is computed on demand."""

    def __init__(self, data: bytes, count: int) -> None:
        self.symbols = array("i")
        self.count = count
        self._data = data
        self._code: Callable[[], bytes] | None = None

    @classmethod
    def encoded(cls, symbols: list[int], indexes: list[int], tables: tuple[object, ...]) -> String:
        """Return the string of symbols with the tables they index; raise CodecError for symbols without a code."""
        string = cls(b"", len(symbols))
        string.symbols = array("i", symbols)
        string._code = lambda: bytes(_ans.RansEncoder().encode_with_indexes(symbols, indexes, *tables))
        if not symbols or not -_LARGEST_SYMBOL < string.values.min() <= string.values.max() < _LARGEST_SYMBOL:
            raise CodecError("the model's latents are not numbers, or are too large to code")
        return string

    @property
    def values(self) -> NDArray[np.int32]:
        """The symbols as an array that shares their memory."""
        return np.frombuffer(self.symbols, np.int32)

    @property
    def data(self) -> bytes:
        """The bytes, coded on first access."""
        if self._code is not None:
            self._data, self._code = self._code(), None
        return self._data

    @property
    def padded(self) -> bytes:
        """The bytes, followed by as many zeros as the decoder can read past the end of damaged bytes.

        In zeros the decoder reads at most one word per symbol, and no escape code.
        """
        return self._data + bytes(4 * self.count + _BEHIND)


def checksum(strings: Iterable[String]) -> int:
    """Return the crc32 of the symbols of an image's strings, one after the other."""
    value = 0
    for string in strings:
        if len(string.symbols) != string.count:
            raise Desync(f"expected {string.count} symbols in a string, got {len(string.symbols)}")
        value = zlib.crc32(string.symbols, value)
    return value


class Coder:
    """Replaces the entropy coder of one entropy model, and keeps its tables in the format of the C++ code."""

    name = "ans"

    def __init__(self, model: Any) -> None:
        lengths = model.cdf_length.reshape(-1).int().tolist()
        rows = model.quantized_cdf.tolist()
        cut = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        self._tables = (cut, lengths, model.offset.reshape(-1).int().tolist())

    def encode_with_indexes(self, symbols: list[int], indexes: list[int], *_tables: object) -> String:
        """Return the string of symbols, whose bytes are coded on demand."""
        return String.encoded(symbols, indexes, self._tables)

    def decode_with_indexes(self, string: String, indexes: list[int], *_tables: object) -> NDArray[np.int32]:
        """Return the symbols of a string, and decode them if they are not yet known."""
        if string.count != len(indexes):
            raise Desync(f"expected {string.count} symbols in a string, the model asks for {len(indexes)}")
        if not string.symbols:
            string.symbols = array("i", _ans.RansDecoder().decode_with_indexes(string.padded, indexes, *self._tables))
        return string.values


class _Encoder:
    """Replaces BufferedRansEncoder in models that call it themselves."""

    def __init__(self) -> None:
        self._symbols: list[int] = []
        self._indexes: list[int] = []
        self._tables: tuple[object, ...] = ()

    def encode_with_indexes(self, symbols: list[int], indexes: list[int], *tables: object) -> None:
        self._symbols += symbols
        self._indexes += indexes
        self._tables = tables

    def flush(self) -> String:
        return String.encoded(self._symbols, self._indexes, self._tables)


class _Decoder:
    """Replaces RansDecoder in models that decode a few symbols at a time.

    RansDecoder converts all tables from Python on each call, so only the tables in use are passed on.
    """

    def __init__(self) -> None:
        self._decoder = _ans.RansDecoder()
        self._symbols = array("i")

    def set_stream(self, string: String) -> None:
        self._symbols = string.symbols
        self._decoder.set_stream(string.padded)

    def decode_stream(
        self, indexes: list[int], cdf: list[list[int]], lengths: list[int], offsets: list[int]
    ) -> list[int]:
        used = sorted(set(indexes))
        place = {index: number for number, index in enumerate(used)}
        symbols: list[int] = self._decoder.decode_stream(
            [place[index] for index in indexes],
            [cdf[index][: lengths[index]] for index in used],
            [lengths[index] for index in used],
            [offsets[index] for index in used],
        )
        self._symbols.extend(symbols)
        return symbols


def install(model: Any) -> None:
    """Replace the entropy coders of a model whose tables have just been computed."""
    for module in model.modules():
        if hasattr(module, "entropy_coder"):
            module.entropy_coder = Coder(module)
            if not hasattr(model, "_compress_ar"):
                # The model would convert its tables to Python lists for every string; the coder has them already.
                module._quantized_cdf = module._quantized_cdf[:, :1].clone()
        if hasattr(module, "scale_table"):
            module.build_indexes = types.MethodType(_build_indexes, module)
    # Models that code pixel by pixel use the library's coder classes in these two functions. This model gets copies of
    # the functions in which the class names refer to the classes above.
    for name in ("_compress_ar", "_decompress_ar"):
        if hasattr(model, name):
            function = getattr(type(model), name)
            names = {**function.__globals__, "BufferedRansEncoder": _Encoder, "RansDecoder": _Decoder}
            copy = types.FunctionType(function.__code__, names, name, function.__defaults__, function.__closure__)
            setattr(model, name, types.MethodType(copy, model))


def _build_indexes(self: Any, scales: torch.Tensor) -> torch.Tensor:
    """Return how many scales of the table, except the last, lie below each scale; the library needs 63 steps for it."""
    return torch.bucketize(self.lower_bound_scale(scales), self.scale_table[:-1], out_int32=True)
