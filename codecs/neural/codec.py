"""A CompressAI model at one operating point as a codec: from images over latents to bytes, and back."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..protocol import CodecError, DecodeError, Image
from . import bitstream, coder
from .architectures import ARCHITECTURES, HIGH, LOW
from .bitstream import Desync, Stream
from .coder import String
from .device import computing

AHEAD = 8
"""The number of images that an accelerator transforms together; its memory limits this."""


@dataclass(frozen=True, slots=True)
class Dial:
    """The rate argument of a variable-rate model: its name, and its range, divided by indices evenly in log.

    The stream stores the index in 2 bytes, so that decoding does not depend on the value the decoder was opened with.
    """

    argument: str
    low: float
    high: float

    def index(self, value: float) -> int:
        """Return the index of the value nearest to `value`."""
        fraction = math.log(value / self.low) / math.log(self.high / self.low)
        return min(max(round(fraction * bitstream.LAST_INDEX), 0), bitstream.LAST_INDEX)

    def value(self, index: int) -> float:
        """Return the value at an index."""
        return float(self.low * (self.high / self.low) ** (index / bitstream.LAST_INDEX))


LAMBDA = Dial("lam", LOW, HIGH)
GAIN = Dial("inputscale", 0.05, 2.0)


def dial_of(architecture: str) -> Dial | None:
    """Return the dial of an architecture, None if one set of weights has one rate."""
    facts = ARCHITECTURES[architecture]
    return LAMBDA if facts.conditional else GAIN if facts.gain else None


class Transform(torch.nn.Module):
    """One of a model's two large transforms, on a device while the rest of the model is on the CPU.

    If `ahead` is a batch, its images are transformed together, and each call returns one result. While `collected` is a
    list, inputs are appended to it and nothing is computed.
    """

    def __init__(self, inner: torch.nn.Module, device: torch.device) -> None:
        super().__init__()
        self.inner = inner.to(device)
        self.device = device
        self.ahead: torch.Tensor | None = None
        self.done: deque[torch.Tensor] = deque()
        self.collected: list[tuple[torch.Tensor, ...]] | None = None

    def forward(self, x: torch.Tensor, *conditions: torch.Tensor) -> torch.Tensor:
        """Return the transform of x (B, C, H, W), on the CPU; `conditions` are further arguments of the transform."""
        if self.collected is not None:
            self.collected.append((x, *conditions))
            return x.new_zeros(1)
        if not self.done:
            batch, self.ahead = (x if self.ahead is None else self.ahead), None
            self.done.extend(torch.chunk(self.compute(batch, *conditions), len(batch) // len(x)))
        return self.done.popleft()

    def compute(self, x: torch.Tensor, *conditions: torch.Tensor) -> torch.Tensor:
        """Return the transform of x, on the CPU."""
        out: torch.Tensor = self.inner(x.to(self.device), *(condition.to(self.device) for condition in conditions))
        return out.cpu()


class Pixels:
    """Conversion between images and model tensors: floats in 0..1, padded to a multiple by repeating the edges."""

    def __init__(self, multiple: int) -> None:
        self.multiple = multiple

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return both sides divided by the multiple, rounded up."""
        return -(-height // self.multiple), -(-width // self.multiple)

    def tensor(self, image: Image) -> torch.Tensor:
        """Return an image as a float32 tensor (1, 3, H, W)."""
        (height, width), (rows, columns) = image.shape[:2], self.cells(*image.shape[:2])
        extent = ((0, rows * self.multiple - height), (0, columns * self.multiple - width), (0, 0))
        planes = np.pad(image, extent, mode="edge").transpose(2, 0, 1)
        return torch.from_numpy(planes.astype(np.float32, order="C")[None]).div_(255)

    @staticmethod
    def image(x: torch.Tensor, height: int, width: int) -> Image:
        """Return a tensor (3, H, W) as an image: clamped, rounded, without the padding; raise CodecError for NaN."""
        x = x[:, :height, :width]
        if bool(x.isnan().any()):
            raise CodecError("the model's reconstruction is not a number (NaN)")
        pixels: Image = (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        return pixels


class NeuralCodec:
    """A codec from a model whose tables are computed: pads images to `multiple`, and sets the dial, if any, to `value`.

    The two large transforms run on the accelerator `device`, if there is one, `AHEAD` images at a time. On the CPU a
    batch is a loop, because a batch of convolutions takes as long there as its images one by one.
    """

    def __init__(
        self,
        model: Any,
        multiple: int,
        dial: Dial | None = None,
        value: float = 0.0,
        device: torch.device | None = None,
    ) -> None:
        self._model = model
        self._pixels = Pixels(multiple)
        self._dial = dial
        self._index = dial.index(value) if dial else None
        self._tables_index: int | None = None
        self._device = device
        coder.install(model)
        if device is not None:
            model.g_a, model.g_s = Transform(model.g_a, device), Transform(model.g_s, device)
        # The number of strings, and their lengths and shapes per unit, follow from the smallest image.
        with computing(device):
            smallest = model.compress(torch.full((1, 3, multiple, multiple), 0.5), **self._options(self._index))
        self._shape = smallest["shape"]
        self._counts = [strings[0].count for strings in smallest["strings"]]

    def encode(self, image: Image) -> bytes:
        """Return the stream of an image; raise CodecError if its latents cannot be coded."""
        bitstream.check_size(*image.shape[:2])
        with computing(self._device):
            return self._packed(image, self._compressed(self._pixels.tensor(image)))

    def decode(self, data: bytes) -> Image:
        """Return the image of a stream; raise DecodeError if it is damaged, Desync if its symbols are wrong."""
        stream = self._unpacked(data)
        with computing(self._device):
            return self._pixels.image(self._decompressed(stream)[0], stream.height, stream.width)

    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        """Return the streams of images of the same shape; module `device` explains which bytes depend on the device."""
        if self._device is None:
            return [self.encode(image) for image in images]
        for image in images:
            bitstream.check_size(*image.shape[:2])
        analysis: Transform = self._model.g_a
        jobs = []
        # The C++ coder runs in a thread while this one computes the next image's hyperprior.
        with computing(self._device), ThreadPoolExecutor(1) as coding:
            try:
                for start in range(0, len(images), AHEAD):
                    batch = images[start : start + AHEAD]
                    tensors = [self._pixels.tensor(image) for image in batch]
                    analysis.ahead = torch.cat(tensors)
                    for image, tensor in zip(batch, tensors, strict=True):
                        jobs.append(coding.submit(self._packed, image, self._compressed(tensor)))
            finally:
                analysis.ahead = None
                analysis.done.clear()
        return [job.result() for job in jobs]

    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        """Return the images of several streams; streams of different shapes are decoded one by one."""
        streams = [self._unpacked(packed) for packed in data]
        if self._device is None or len({(stream.height, stream.width, stream.dial) for stream in streams}) > 1:
            return [self.decode(packed) for packed in data]
        synthesis: Transform = self._model.g_s
        images = []
        with computing(self._device):
            for start in range(0, len(streams), AHEAD):
                batch = streams[start : start + AHEAD]
                try:
                    synthesis.collected = []
                    for stream in batch:
                        self._decompressed(stream)
                    latents = torch.cat([x for x, *_ in synthesis.collected])
                    _, *conditions = synthesis.collected[0]
                finally:
                    synthesis.collected = None
                decoded = synthesis.compute(latents, *conditions)
                images += [
                    self._pixels.image(x, stream.height, stream.width) for x, stream in zip(decoded, batch, strict=True)
                ]
        return images

    def _compressed(self, tensor: torch.Tensor) -> list[String]:
        out = self._model.compress(tensor, **self._options(self._index))
        return [strings[0] for strings in out["strings"]]

    def _packed(self, image: Image, strings: Sequence[String]) -> bytes:
        height, width = image.shape[:2]
        data = tuple(string.data for string in strings)
        return bitstream.pack(Stream(height, width, coder.checksum(strings), data, self._index))

    def _unpacked(self, data: bytes) -> Stream:
        return bitstream.unpack(data, len(self._counts), dialled=self._dial is not None)

    def _decompressed(self, stream: Stream) -> torch.Tensor:
        """Return the padded reconstruction (1, 3, H, W); raise Desync if the symbols are not the encoder's."""
        rows, columns = self._pixels.cells(stream.height, stream.width)
        strings = [
            String(data, count * rows * columns) for data, count in zip(stream.strings, self._counts, strict=True)
        ]
        shape, options = _scaled(self._shape, rows, columns), self._options(stream.dial)
        try:
            out = self._model.decompress([[string] for string in strings], shape, **options)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise DecodeError(f"the model cannot decode this stream: {error}") from error
        if coder.checksum(strings) != stream.checksum:
            raise Desync(
                "the latents decode to other symbols than were encoded: decode with the encoder's weights, on a "
                "machine that computes the same numbers"
            )
        reconstruction: torch.Tensor = out["x_hat"]
        return reconstruction

    def _options(self, index: int | None) -> Mapping[str, Any]:
        """Return the rate argument of the model, and update its tables if they depend on the rate."""
        if self._dial is None or index is None:
            return {}
        value = self._dial.value(index)
        if self._dial is not GAIN:
            return {self._dial.argument: value}
        gain = torch.tensor(value)
        if self._model.vr_entbttlnck and index != self._tables_index:
            self._model.update(force=True, scale=gain)
            coder.install(self._model)
            self._tables_index = index
        return {self._dial.argument: gain}


def _scaled(shape: Any, rows: int, columns: int) -> Any:
    """Return the shapes of the latents, in the model's nesting, of an image of rows x columns smallest images."""
    if isinstance(shape, Mapping):
        return {name: _scaled(inner, rows, columns) for name, inner in shape.items()}
    if isinstance(shape, list):
        return [_scaled(inner, rows, columns) for inner in shape]
    *channels, height, width = shape
    return (*channels, height * rows, width * columns)


class NeuralEstimate:
    """A model that estimates its rate from likelihoods and makes no bytes.

    The estimate omits escape codes, the finite precision of tables, and the header, and its likelihoods have a floor.
    In models that code pixel by pixel (mbt2018, cheng2020-anchor and -attn), CompressAI's estimate rounds the latents
    themselves instead of their distance from the predicted mean. Its image is then close to the decoded image, but not
    equal.
    """

    def __init__(
        self,
        model: Any,
        multiple: int,
        dial: Dial | None = None,
        value: float = 0.0,
        device: torch.device | None = None,
    ) -> None:
        self._model = model if device is None else model.to(device)
        self._device = device
        self._pixels = Pixels(multiple)
        self._options: dict[str, torch.Tensor] = {}
        if dial is LAMBDA:
            self._options = {dial.argument: torch.tensor([value], device=device)}
        elif dial is not None:
            self._options = {dial.argument: torch.tensor(value, device=device)}

    def estimate(self, image: Image) -> tuple[float, Image]:
        """Return the estimated bits of an image, and its reconstruction."""
        bitstream.check_size(*image.shape[:2])
        with computing(self._device):
            out = self._model(self._pixels.tensor(image).to(self._device), **self._options)
            bits = sum(float(-values.double().log2().sum()) for values in out["likelihoods"].values())
            return bits, self._pixels.image(out["x_hat"][0].cpu(), *image.shape[:2])
