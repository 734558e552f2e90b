"""The codecs that Pillow carries: JPEG, JPEG 2000, WebP and AVIF, in process and on one thread."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import PIL.features
import PIL.Image

from .protocol import CodecUnavailable, DecodeError, Image, Scale, Spec


@dataclass(frozen=True, slots=True)
class PillowCodec:
    """One file format of Pillow with the options to save it with."""

    format: str
    options: Mapping[str, Any]

    def encode(self, image: Image) -> bytes:
        """Return the file's bytes."""
        buffer = io.BytesIO()
        PIL.Image.fromarray(image).save(buffer, self.format, **self.options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image:
        """Return the pixels of a file of this format, and of no other."""
        try:
            with PIL.Image.open(io.BytesIO(data), formats=[self.format]) as picture:
                return np.array(picture.convert("RGB"))
        except Exception as error:  # on damaged bytes Pillow's plugins raise whatever they stumble over
            raise DecodeError(f"not a {self.format} stream that decodes: {error}") from error


class Jpeg2000(PillowCodec):
    """JPEG 2000 at a target rate: OpenJPEG is told a compression ratio, and how often to halve the image."""

    def encode(self, image: Image) -> bytes:
        """Return a bare codestream (no JP2 boxes), at most six resolutions, fewer where the image is small."""
        halvings = min(image.shape[:2]).bit_length() - 1
        options = {**self.options, "num_resolutions": min(6, halvings + 1)}
        return PillowCodec(self.format, options).encode(image)


@contextmanager
def jpeg(quality: int) -> Iterator[PillowCodec]:
    """Open libjpeg-turbo with Pillow's defaults: 4:2:0, standard Huffman tables."""
    yield PillowCodec("JPEG", {"quality": quality})


@contextmanager
def jpeg_444(quality: int) -> Iterator[PillowCodec]:
    """Open libjpeg-turbo without chroma subsampling."""
    yield PillowCodec("JPEG", {"quality": quality, "subsampling": "4:4:4"})


@contextmanager
def jpeg2000(bpp: float) -> Iterator[PillowCodec]:
    """Open OpenJPEG's irreversible (9/7, ICT) path at a target rate in bits per pixel."""
    options = {
        "irreversible": True,
        "mct": 1,  # without it Pillow codes R, G and B apart: 4 dB less at 0.6 bpp on kodim07
        "quality_mode": "rates",
        "quality_layers": [24 / bpp],
        "no_jp2": True,
    }
    yield Jpeg2000("JPEG2000", options)


@contextmanager
def webp(quality: int) -> Iterator[PillowCodec]:
    """Open libwebp's lossy coder at its default effort."""
    yield PillowCodec("WEBP", {"quality": quality, "method": 4})


def _avif(subsampling: str) -> Callable[..., AbstractContextManager[PillowCodec]]:
    @contextmanager
    def load(quality: int) -> Iterator[PillowCodec]:
        options = {
            "quality": quality,
            "subsampling": subsampling,
            "speed": 6,
            "codec": "aom",
            "range": "full",
            # One thread and one tile: the bytes then depend on nothing but the pixels.
            "max_threads": 1,
            "autotiling": False,
            "advanced": {"tune": "psnr"},
        }
        yield PillowCodec("AVIF", options)

    return load


avif = _avif("4:4:4")
avif_420 = _avif("4:2:0")


def _identify(feature: str, name: str) -> Callable[[], str]:
    def identify() -> str:
        if not PIL.features.check(feature):
            raise CodecUnavailable(f"this build of Pillow has no {name}: install Pillow's wheel, pip install -U pillow")
        return f"{name} {PIL.features.version(feature)}, Pillow {PIL.__version__}"

    return identify


identify_jpeg = _identify("libjpeg_turbo", "libjpeg-turbo")
identify_jpeg2000 = _identify("jpg_2000", "OpenJPEG")
identify_webp = _identify("webp", "libwebp")
identify_avif = _identify("avif", "libavif")

_HERE = "codecshift.codecs.pillow"
_QUALITY = Scale("q", "quality", 1, 100)
# None of these is a quality of the jpeg_compression corruption (25, 18, 15, 10, 7): encoding again at the very same
# quality costs almost nothing, and a single such point would stand far outside the rate curve.
_JPEG_LADDER = (4, 9, 16, 27, 40, 55, 70, 80, 88, 93, 96)
_RATE = Scale("r", "bpp", 0.01, 12, integer=False)

SPECS = (
    Spec(
        name="jpeg",
        load=f"{_HERE}:jpeg",
        identify=f"{_HERE}:identify_jpeg",
        points=_QUALITY.ladder(*_JPEG_LADDER),
        scale=_QUALITY,
        chroma="4:2:0",
        colour="BT.601 full",
        effort="none to set",
        settings="Pillow's defaults",
    ),
    Spec(
        name="jpeg-444",
        load=f"{_HERE}:jpeg_444",
        identify=f"{_HERE}:identify_jpeg",
        points=_QUALITY.ladder(*_JPEG_LADDER),
        scale=_QUALITY,
        chroma="4:4:4",
        colour="BT.601 full",
        effort="none to set",
        settings="Pillow's defaults but chroma",
    ),
    Spec(
        name="jpeg2000",
        load=f"{_HERE}:jpeg2000",
        identify=f"{_HERE}:identify_jpeg2000",
        points=_RATE.ladder(0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 1.9, 2.5, 3.2),
        scale=_RATE,
        chroma="4:4:4",
        colour="ICT (BT.601 full)",
        effort="none to set",
        settings="9/7 wavelet, 6 resolutions, target rate, bare codestream",
    ),
    Spec(
        name="webp",
        load=f"{_HERE}:webp",
        identify=f"{_HERE}:identify_webp",
        points=_QUALITY.ladder(1, 10, 25, 45, 65, 78, 85, 90, 94, 97, 100),
        scale=_QUALITY,
        chroma="4:2:0",
        colour="BT.601 limited",
        effort="method 4",
        settings="libwebp's defaults",
    ),
    Spec(
        name="avif",
        load=f"{_HERE}:avif",
        identify=f"{_HERE}:identify_avif",
        points=_QUALITY.ladder(15, 25, 35, 45, 55, 65, 75, 83, 89, 93),
        scale=_QUALITY,
        chroma="4:4:4",
        colour="BT.601 full",
        effort="speed 6",
        settings="aom, tune=psnr, one tile",
    ),
    Spec(
        name="avif-420",
        load=f"{_HERE}:avif_420",
        identify=f"{_HERE}:identify_avif",
        points=_QUALITY.ladder(15, 25, 35, 45, 55, 65, 75, 83, 89, 93),
        scale=_QUALITY,
        chroma="4:2:0",
        colour="BT.601 full",
        effort="speed 6",
        settings="aom, tune=psnr, one tile",
    ),
)
