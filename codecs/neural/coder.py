"""The entropy coder between a model and CompressAI's rANS: coding put off, symbols kept for the checksum, no overruns.

CompressAI's models quantise latents, look up each symbol's table, and hand both to an entropy coder. In its place they
get ours, which codes with the same C++ code, to the same bytes, and differs in four ways:

- A string is a `String`: an object that remembers its symbols. What a model has just encoded it can "decode" at once,
  as most models do with their hyper-latents and some with all; and the coding itself can be done later, in a thread.
- The symbols give the checksum that tells a desync.
- The C++ decoder reads on where a stream ends, into whatever lies behind it. It is given zeros there.
- The C++ encoder never ends on symbols near 2^31, as a latent that is not a number gives them. They are refused.
"""

from __future__ import annotations

import types
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
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
    """The symbols of one latent of one image, or the bytes they are coded as; each is made of the other when wanted."""

    def __init__(self, data: bytes, count: int) -> None:
        self.symbols = array("i")
        self.count = count
        self._data = data
        self._code: Callable[[], bytes] | None = None

    @classmethod
    def of(cls, symbols: Sequence[int], code: Callable[[], bytes]) -> String:
        """Return a string that `code` will make of the symbols; raise CodecError for symbols that nothing can code."""
        string = cls(b"", len(symbols))
        string.symbols, string._code = array("i", symbols), code
        if not symbols or not -_LARGEST_SYMBOL < string.values.min() <= string.values.max() < _LARGEST_SYMBOL:
            raise CodecError("the model's latents are no numbers, or too large to code")
        return string

    @property
    def values(self) -> NDArray[np.int32]:
        """The symbols as NumPy and torch take them without looking at each."""
        return np.frombuffer(self.symbols, np.int32)

    @property
    def data(self) -> bytes:
        """The bytes, coded when first asked for."""
        if self._code is not None:
            self._data, self._code = self._code(), None
        return self._data

    @property
    def padded(self) -> bytes:
        """The bytes, and behind them as many zeros as a decoder of damaged ones can read.

        Of zeros it reads a word a symbol, none of which is an escape code.
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
    """Takes the place of the entropy coder of one entropy model, whose tables it keeps as the C++ code wants them."""

    name = "ans"

    def __init__(self, model: Any) -> None:
        lengths = model.cdf_length.reshape(-1).int().tolist()
        rows = model.quantized_cdf.tolist()
        cut = [row[:length] for row, length in zip(rows, lengths, strict=True)]
        self._tables = (cut, lengths, model.offset.reshape(-1).int().tolist())

    def encode_with_indexes(self, symbols: list[int], indexes: list[int], *_tables: object) -> String:
        """Return the string of symbols, to be coded when its bytes are wanted."""
        tables = self._tables
        return String.of(symbols, lambda: bytes(_ans.RansEncoder().encode_with_indexes(symbols, indexes, *tables)))

    def decode_with_indexes(self, string: String, indexes: list[int], *_tables: object) -> NDArray[np.int32]:
        """Return the symbols of a string, decoded unless they are known."""
        if string.count != len(indexes):
            raise Desync(f"expected {string.count} symbols in a string, the model asks for {len(indexes)}")
        if not string.symbols:
            string.symbols = array("i", _ans.RansDecoder().decode_with_indexes(string.padded, indexes, *self._tables))
        return string.values


class _Encoder:
    """Takes the place of BufferedRansEncoder in models that call it themselves."""

    def __init__(self) -> None:
        self._symbols: list[int] = []
        self._indexes: list[int] = []
        self._tables: tuple[object, ...] = ()

    def encode_with_indexes(self, symbols: list[int], indexes: list[int], *tables: object) -> None:
        """Take in symbols."""
        self._symbols += symbols
        self._indexes += indexes
        self._tables = tables

    def flush(self) -> String:
        """Return the string of all symbols taken in."""
        symbols, indexes, tables = self._symbols, self._indexes, self._tables
        return String.of(symbols, lambda: bytes(_ans.RansEncoder().encode_with_indexes(symbols, indexes, *tables)))


class _Decoder:
    """Takes the place of RansDecoder in models that decode a few symbols at a time.

    Each call converts all tables it is given from Python: only those that it needs are passed on.
    """

    def __init__(self) -> None:
        self._decoder = _ans.RansDecoder()
        self._symbols = array("i")

    def set_stream(self, string: String) -> None:
        """Begin to decode a string."""
        self._symbols = string.symbols
        self._decoder.set_stream(string.padded)

    def decode_stream(
        self, indexes: list[int], cdf: list[list[int]], lengths: list[int], offsets: list[int]
    ) -> list[int]:
        """Return the next symbols."""
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
    """Put our coder in the place of the library's, in a model whose tables have just been computed."""
    for module in model.modules():
        if hasattr(module, "entropy_coder"):
            module.entropy_coder = Coder(module)
            if not hasattr(model, "_compress_ar"):
                # For each image and string a model makes Python lists of its tables, which our coder has already.
                module._quantized_cdf = module._quantized_cdf[:, :1].clone()
        if hasattr(module, "scale_table"):
            module.build_indexes = types.MethodType(_build_indexes, module)
    # The models that code pixel by pixel name the library's classes in these two functions: what the names stand for is
    # changed in copies of the functions, and for this model alone.
    for name in ("_compress_ar", "_decompress_ar"):
        if hasattr(model, name):
            function = getattr(type(model), name)
            names = {**function.__globals__, "BufferedRansEncoder": _Encoder, "RansDecoder": _Decoder}
            copy = types.FunctionType(function.__code__, names, name, function.__defaults__, function.__closure__)
            setattr(model, name, types.MethodType(copy, model))


def _build_indexes(self: Any, scales: torch.Tensor) -> torch.Tensor:
    """Return how many scales of the table but the last lie below each scale: what the library finds in 63 steps."""
    return torch.bucketize(self.lower_bound_scale(scales), self.scale_table[:-1], out_int32=True)
