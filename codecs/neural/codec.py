"""A CompressAI model at one operating point as a codec: pixels to latents to bytes, and back from the bytes alone."""

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

AHEAD = 8
"""How many images an accelerator transforms together: the memory they take is what bounds it."""


@dataclass(frozen=True, slots=True)
class Dial:
    """What a variable-rate model is told: the name of its argument, and its range, which indices divide evenly in log.

    The stream holds the index, 2 bytes, so that it decodes at whatever value the decoder was opened.
    """

    argument: str
    low: float
    high: float

    def index(self, value: float) -> int:
        """Return the index of the nearest value that streams can name."""
        through = math.log(value / self.low) / math.log(self.high / self.low)
        return min(max(round(through * bitstream.LAST_INDEX), 0), bitstream.LAST_INDEX)

    def value(self, index: int) -> float:
        """Return the value at an index."""
        return float(self.low * (self.high / self.low) ** (index / bitstream.LAST_INDEX))


LAMBDA = Dial("lam", LOW, HIGH)
GAIN = Dial("inputscale", 0.05, 2.0)


def dial_of(architecture: str) -> Dial | None:
    """Return the dial of an architecture, None where one set of weights has one rate."""
    facts = ARCHITECTURES[architecture]
    return LAMBDA if facts.conditional else GAIN if facts.gain else None


class Transform(torch.nn.Module):
    """One of a model's two large transforms, on a device while the rest of the model is on the CPU.

    A batch may be put in `ahead`: its images are then transformed together, and handed out one at a time. While
    `collected` is a list, inputs are put there and nothing is computed.
    """

    def __init__(self, inner: torch.nn.Module, device: torch.device) -> None:
        super().__init__()
        self.inner = inner.to(device)
        self.device = device
        self.ahead: torch.Tensor | None = None
        self.done: deque[torch.Tensor] = deque()
        self.collected: list[tuple[torch.Tensor, ...]] | None = None

    def forward(self, x: torch.Tensor, *conditions: torch.Tensor) -> torch.Tensor:
        """Return the transform of x (B, C, H, W), on the CPU; `conditions` are what else the model tells it."""
        if self.collected is not None:
            self.collected.append((x, *conditions))
            return x.new_zeros(1)
        if not self.done:
            batch, self.ahead = (x if self.ahead is None else self.ahead), None
            self.done.extend(torch.chunk(self.compute(batch, *conditions), len(batch) // len(x)))
        return self.done.popleft()

    def compute(self, x: torch.Tensor, *conditions: torch.Tensor) -> torch.Tensor:
        """Return the transform of x, on the CPU."""
        out: torch.Tensor = self.inner(x.to(self.device), *(one.to(self.device) for one in conditions))
        return out.cpu()


class Pixels:
    """The way between images and what a model takes: floats in 0..1, sides padded to a multiple by their edges."""

    def __init__(self, multiple: int) -> None:
        self.multiple = multiple

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return the sides in multiples, rounded up."""
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
            raise CodecError("what the model reconstructs is not a number")
        pixels: Image = (x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        return pixels


class NeuralCodec:
    """A model with its tables computed, padding images to `multiple`; a model with a dial is set to `value`.

    The two large transforms run on the accelerator `device`, if there is one, `AHEAD` images at a time. On the CPU a
    batch is a loop: there a batch of convolutions takes as long as its images one by one.
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
        self._told: int | None = None
        self._ahead = device is not None
        coder.install(model)
        if device is not None:
            model.g_a, model.g_s = Transform(model.g_a, device), Transform(model.g_s, device)
        # How many strings there are, how long and of what shapes, shows on the smallest image.
        with torch.inference_mode():
            smallest = model.compress(torch.full((1, 3, multiple, multiple), 0.5), **self._options(self._index))
        self._shape = smallest["shape"]
        self._counts = [strings[0].count for strings in smallest["strings"]]

    def encode(self, image: Image) -> bytes:
        """Return the stream of an image; raise CodecError where its latents cannot be coded."""
        bitstream.check_size(*image.shape[:2])
        with torch.inference_mode():
            return self._packed(image, self._compressed(self._pixels.tensor(image)))

    def decode(self, data: bytes) -> Image:
        """Return the image of a stream; raise DecodeError where it is damaged, Desync where its symbols are wrong."""
        stream = bitstream.unpack(data, len(self._counts), dialled=self._dial is not None)
        with torch.inference_mode():
            return self._pixels.image(self._decompressed(stream)[0], stream.height, stream.width)

    def encode_batch(self, images: Sequence[Image]) -> list[bytes]:
        """Return the streams of images of one shape. See `device` on what is the same on which device."""
        if not self._ahead:
            return [self.encode(image) for image in images]
        for image in images:
            bitstream.check_size(*image.shape[:2])
        analysis: Transform = self._model.g_a
        jobs = []
        # The C++ coder works beside the convolutions of the next image's hyperprior.
        with torch.inference_mode(), ThreadPoolExecutor(1) as beside:
            try:
                for start in range(0, len(images), AHEAD):
                    some = images[start : start + AHEAD]
                    tensors = [self._pixels.tensor(image) for image in some]
                    analysis.ahead = torch.cat(tensors)
                    for image, tensor in zip(some, tensors, strict=True):
                        jobs.append(beside.submit(self._packed, image, self._compressed(tensor)))
            finally:
                analysis.ahead = None
                analysis.done.clear()
        return [job.result() for job in jobs]

    def decode_batch(self, data: Sequence[bytes]) -> list[Image]:
        """Return the images of streams, which are of one shape."""
        streams = [bitstream.unpack(one, len(self._counts), dialled=self._dial is not None) for one in data]
        if not self._ahead or len({(one.height, one.width, one.dial) for one in streams}) > 1:
            return [self.decode(one) for one in data]
        synthesis: Transform = self._model.g_s
        images = []
        with torch.inference_mode():
            for start in range(0, len(streams), AHEAD):
                some = streams[start : start + AHEAD]
                try:
                    synthesis.collected = []
                    for stream in some:
                        self._decompressed(stream)
                    latents = torch.cat([x for x, *_ in synthesis.collected])
                    _, *conditions = synthesis.collected[0]
                finally:
                    synthesis.collected = None
                seen = synthesis.compute(latents, *conditions)
                images += [self._pixels.image(x, one.height, one.width) for x, one in zip(seen, some, strict=True)]
        return images

    def _compressed(self, tensor: torch.Tensor) -> list[String]:
        out = self._model.compress(tensor, **self._options(self._index))
        return [strings[0] for strings in out["strings"]]

    def _packed(self, image: Image, strings: Sequence[String]) -> bytes:
        height, width = image.shape[:2]
        return bitstream.pack(
            Stream(height, width, coder.checksum(strings), tuple(one.data for one in strings), self._index)
        )

    def _decompressed(self, stream: Stream) -> torch.Tensor:
        """Return the reconstruction (1, 3, H, W), padded; raise Desync where the symbols are not the encoder's."""
        rows, columns = self._pixels.cells(stream.height, stream.width)
        strings = [
            String(data, count * rows * columns) for data, count in zip(stream.strings, self._counts, strict=True)
        ]
        options = self._options(stream.dial)
        try:
            out = self._model.decompress([[one] for one in strings], _grown(self._shape, rows, columns), **options)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise DecodeError(f"the model cannot make an image of this stream: {error}") from error
        if coder.checksum(strings) != stream.checksum:
            raise Desync(
                "the latents decode to other symbols than were encoded; a stream needs its encoder's weights, and a "
                "machine that computes the same numbers from them"
            )
        seen: torch.Tensor = out["x_hat"]
        return seen

    def _options(self, index: int | None) -> Mapping[str, Any]:
        """Return what the model is told besides the image, and see to it that its tables are those of that rate."""
        if self._dial is None or index is None:
            return {}
        value = self._dial.value(index)
        if self._dial is not GAIN:
            return {self._dial.argument: value}
        gain = torch.tensor(value)
        if self._model.vr_entbttlnck and index != self._told:
            self._model.update(force=True, scale=gain)
            coder.install(self._model)
            self._told = index
        return {self._dial.argument: gain}


def _grown(shape: Any, rows: int, columns: int) -> Any:
    """Return the latents' shapes, nested as the model nests them, of an image so many times the smallest one."""
    if isinstance(shape, Mapping):
        return {name: _grown(one, rows, columns) for name, one in shape.items()}
    if isinstance(shape, list):
        return [_grown(one, rows, columns) for one in shape]
    *channels, height, width = shape
    return (*channels, height * rows, width * columns)


class NeuralEstimate:
    """A model of which only the rate that its likelihoods promise is asked: no bytes are made.

    That rate knows no escape codes, no tables of finite precision and no header, and its likelihoods have a floor. In
    the models that code pixel by pixel (mbt2018, cheng2020-anchor and -attn) CompressAI's estimate rounds the latents
    as they are, not their distance from the predicted mean: what is seen is near what decoding gives, not the same.
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
        """Return the bits that the likelihoods promise for an image, and what its decoder would see."""
        bitstream.check_size(*image.shape[:2])
        with torch.inference_mode():
            out = self._model(self._pixels.tensor(image).to(self._device), **self._options)
            bits = sum(float(-one.double().log2().sum()) for one in out["likelihoods"].values())
            return bits, self._pixels.image(out["x_hat"][0].cpu(), *image.shape[:2])
