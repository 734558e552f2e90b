"""Codecs that run in this process, on one thread: Pillow's own, and HEIC and JPEG XL from two other packages."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
import PIL.features
import PIL.Image
import PIL.ImageFile

from .ffmpeg import X265_PRESETS
from .protocol import CodecUnavailable, DecodeError, Image, Scale, Spec


@dataclass(frozen=True, slots=True)
class PillowCodec:
    """A file format of Pillow, with the options for saving."""

    format: str
    options: Mapping[str, Any]

    def encode(self, image: Image) -> bytes:
        """Return the file's bytes."""
        buffer = io.BytesIO()
        PIL.Image.fromarray(image).save(buffer, self.format, **self.options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image:
        """Return the pixels of a file; raise DecodeError unless it is in this format."""
        try:
            with PIL.Image.open(io.BytesIO(data), formats=[self.format]) as picture:
                return np.array(picture.convert("RGB"))
        except Exception as error:  # on damaged bytes Pillow's plugins may raise anything
            raise DecodeError(f"not a valid {self.format} stream: {error}") from error


class SmallestJpeg(PillowCodec):
    """JPEG with optimised Huffman tables, baseline or progressive: both hold the same coefficients."""

    def encode(self, image: Image) -> bytes:
        """Return the smaller of the two streams."""
        orders = ({"optimize": True}, {"optimize": True, "progressive": True})
        with _room_for_jpeg(image):
            return min((PillowCodec(self.format, {**self.options, **order}).encode(image) for order in orders), key=len)


_ROOM = threading.Lock()


@contextmanager
def _room_for_jpeg(image: Image) -> Iterator[None]:
    """Let Pillow's buffer hold a whole stream: optimised tables need that, and noise exceeds Pillow's own guess."""
    height, width = image.shape[:2]
    with _ROOM:
        before = PIL.ImageFile.MAXBLOCK
        # A coefficient takes at most 26 bits: 16 of code and 10 of value.
        PIL.ImageFile.MAXBLOCK = max(before, 10 * (height + 16) * (width + 16))
        try:
            yield
        finally:
            PIL.ImageFile.MAXBLOCK = before


class Jpeg2000(PillowCodec):
    """JPEG 2000 at a target rate: OpenJPEG takes a compression ratio and the number of resolutions."""

    def encode(self, image: Image) -> bytes:
        """Return a bare codestream (no JP2 boxes) with at most six resolutions, fewer for small images."""
        halvings = min(image.shape[:2]).bit_length() - 1
        options = {**self.options, "num_resolutions": min(6, halvings + 1)}
        return PillowCodec(self.format, options).encode(image)


# Full range to full range: 255 becomes 1023, and every 8-bit value survives the round trip.
_TO_10_BITS = np.rint(np.arange(256) * (1023 / 255)).astype(np.uint16)
_TO_8_BITS = np.rint(np.arange(1024) * (255 / 1023)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Heic:
    """HEVC intra coding in a HEIF file. It calls pillow-heif directly and does not register the format with Pillow."""

    library: Any
    options: Mapping[str, Any]

    def encode(self, image: Image) -> bytes:
        """Return the file's bytes."""
        height, width = image.shape[:2]
        buffer = io.BytesIO()
        options = {**self.options, "enc_params": dict(self.options["enc_params"])}  # pillow-heif modifies it
        self.library.encode("RGB;10", (width, height), _TO_10_BITS[image].tobytes(), buffer, **options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image:
        """Return the pixels of a file with one image of 10 bits, scaled to 8 and rounded."""
        try:
            picture = self.library.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
            if picture.mode != "RGB;10":
                raise ValueError(f"expected RGB of 10 bits, got {picture.mode}")
            return np.asarray(_TO_8_BITS[np.asarray(picture)], np.uint8)
        except Exception as error:  # on damaged bytes pillow-heif may raise anything
            raise DecodeError(f"not a valid HEIC stream: {error}") from error


@dataclass(frozen=True, slots=True)
class JpegXl:
    """JPEG XL's lossy mode (VarDCT in XYB). It calls pillow-jxl-plugin's encoder and decoder without the plugin."""

    library: Any
    options: Mapping[str, Any]

    def encode(self, image: Image) -> bytes:
        """Return a bare codestream."""
        height, width = image.shape[:2]
        encoder = self.library.Encoder(mode="RGB", num_threads=0, **self.options)
        return bytes(encoder(image.tobytes(), width, height, jpeg_encode=False))

    def decode(self, data: bytes) -> Image:
        """Return the pixels of an 8-bit RGB stream."""
        try:
            _was_jpeg, info, pixels, *_ = self.library.Decoder(num_threads=0)(data)
            return np.frombuffer(pixels, np.uint8).reshape(info.height, info.width, 3).copy()
        except Exception as error:  # RuntimeError from the wrapper, or ValueError from the reshape
            raise DecodeError("not a valid JXL stream of 8-bit RGB") from error


def _jpeg(kind: type[PillowCodec], subsampling: str) -> Callable[[int], AbstractContextManager[PillowCodec]]:
    @contextmanager
    def load(quality: int) -> Iterator[PillowCodec]:
        yield kind("JPEG", {"quality": quality, "subsampling": subsampling})

    return load


jpeg = _jpeg(SmallestJpeg, "4:2:0")
jpeg_444 = _jpeg(SmallestJpeg, "4:4:4")
jpeg_fixed = _jpeg(PillowCodec, "4:2:0")


@contextmanager
def webp(effort: str, quality: int) -> Iterator[PillowCodec]:
    """Open libwebp's lossy coder. `use_sharp_yuv` and `exact` change nothing; Pillow has no other parameter of it."""
    yield PillowCodec("WEBP", {"quality": quality, "method": int(effort)})


def _avif(subsampling: str) -> Callable[[str, int], AbstractContextManager[PillowCodec]]:
    @contextmanager
    def load(effort: str, quality: int) -> Iterator[PillowCodec]:
        options = {
            "quality": quality,
            "speed": int(effort),
            "subsampling": subsampling,
            "codec": "aom",
            "range": "full",
            # One thread and one tile, so that the bytes depend on the pixels alone.
            "max_threads": 1,
            "autotiling": False,
            "advanced": {"tune": "psnr"},
        }
        yield PillowCodec("AVIF", options)

    return load


avif_444 = _avif("4:4:4")
avif_420 = _avif("4:2:0")


@contextmanager
def jpeg2000(bpp: float) -> Iterator[PillowCodec]:
    """Open OpenJPEG's irreversible mode (9/7, ICT) at a target rate in bits per pixel."""
    options = {
        "irreversible": True,
        "mct": 1,  # without it Pillow codes R, G and B separately: 4 dB less at 0.6 bpp on kodim07
        "quality_mode": "rates",
        "quality_layers": [24 / bpp],
        "no_jp2": True,
    }
    yield Jpeg2000("JPEG2000", options)


@contextmanager
def heic(effort: str, quality: int) -> Iterator[Heic]:
    """Open x265 through libheif: 4:4:4, 10 bits, BT.601 full range, psycho-visual options off."""
    x265 = {
        "preset": effort,
        "tune": "psnr",
        # These two are explicit because libheif otherwise adds 6 to the chroma QP for psycho-visual options, although
        # the tune switches those off: 10 % more bits at equal PSNR on Kodak.
        "x265:psy-rd": "0",
        "x265:psy-rdoq": "0",
        # One thread, so that the bytes depend on the pixels alone.
        "x265:wpp": "0",
        "x265:pools": "none",
        "x265:frame-threads": "1",
    }
    options = {
        "quality": quality,
        "chroma": 444,
        "enc_params": x265,
        "bit_depth": 10,  # 3 % fewer bits at equal PSNR than 8 bits, and rounding of YCbCr does not limit PSNR
        "color_primaries": 1,
        "transfer_characteristics": 13,
        "matrix_coefficients": 6,
        "full_range_flag": 1,
    }
    yield Heic(_libheif(), options)


@contextmanager
def jxl(effort: str, quality: float) -> Iterator[JpegXl]:
    """Open libjxl. It optimises butteraugli, and the wrapper offers no alternative."""
    yield JpegXl(libjxl(), {"quality": quality, "effort": int(effort)})


def _libheif() -> Any:
    try:
        import pillow_heif  # noqa: PLC0415 - it may be absent, and takes a tenth of a second
    except ImportError as error:
        raise CodecUnavailable(f"HEIC needs pillow-heif ({error}): pip install pillow-heif") from error
    if "x265" not in pillow_heif.libheif_info()["encoders"]:
        raise CodecUnavailable("this build of pillow-heif has no x265: install its wheel, pip install -U pillow-heif")
    pillow_heif.options.DECODE_THREADS = 1
    return pillow_heif


def libjxl() -> Any:
    """Return the extension module inside pillow-jxl-plugin.

    The package itself is not imported, because that registers JPEG XL with Pillow for the whole process.
    """
    package = importlib.util.find_spec("pillow_jxl")
    places = package.submodule_search_locations if package else None
    extension = importlib.machinery.PathFinder.find_spec("pillow_jxl.pillow_jxl", places) if places else None
    if not extension or not extension.loader:
        raise CodecUnavailable("JPEG XL needs pillow-jxl-plugin: pip install pillow-jxl-plugin")
    module = importlib.util.module_from_spec(extension)
    extension.loader.exec_module(module)
    return module


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
identify_png = _identify("zlib", "zlib")


def identify_heic() -> str:
    """Return the versions of the encoder, the decoder and the libraries around them."""
    library = _libheif()
    info = library.libheif_info()
    # Example texts: x265 HEVC encoder (4.3+1-e9b8812); libde265 HEVC decoder, version 1.1.3
    encoder, decoder = info["encoders"]["x265"].split("(")[-1].rstrip(")"), info["decoders"]["libde265"].split()[-1]
    return f"x265 {encoder}, libde265 {decoder}, libheif {info['libheif']}, pillow-heif {library.__version__}"


def identify_jxl() -> str:
    """Return the version of pillow-jxl-plugin, which libjxl is linked into; it does not report libjxl's version."""
    libjxl()
    return f"libjxl of pillow-jxl-plugin {importlib.metadata.version('pillow-jxl-plugin')}"


_HERE = "codecshift.codecs.pillow"
_QUALITY = Scale("q", "quality", 1, 100)
# The ladder avoids the qualities of the jpeg_compression corruption (25, 18, 15, 10, 7). Encoding a JPEG again at the
# same quality loses almost nothing, so that such a point would lie far off the rate curve.
_JPEG_LADDER = (3, 5, 9, 16, 27, 40, 55, 70, 88, 93, 96, 99)
_JPEG_LADDER_444 = (1, *_JPEG_LADDER[1:])
# At quality 100 the wrapper requests lossless coding, which XYB does not support.
_JXL_QUALITY = Scale("q", "quality", 0, 99.9, integer=False)
_RATE = Scale("r", "bpp", 0.01, 12, integer=False)

_AVIF_LADDER = (8, 15, 25, 35, 45, 55, 65, 75, 83, 89, 93)
_SPEEDS = tuple(map(str, range(9, 1, -1)))  # 10 equals 9; 0 takes 41 s per megapixel and saves 2 % over 2


def _spec(
    name: str, ladder: tuple[float, ...], scale: Scale, *, library: str = "", load: str = "", **facts: Any
) -> Spec:
    """Return the spec of a codec, by default the one that the function called `name` opens.

    `library` selects another `identify` function.
    """
    return Spec(
        name=name,
        load=f"{_HERE}:{load or name.replace('-', '_')}",
        identify=f"{_HERE}:identify_{library or name}",
        points=scale.ladder(*ladder),
        scale=scale,
        **{"chroma": "4:4:4", "colour": "BT.601 full", "effort": "none to set", **facts},
    )


def _avif_spec(name: str, chroma: str, speed: int, version: int) -> Spec:
    return _spec(
        name,
        _AVIF_LADDER,
        _QUALITY,
        library="avif",
        load=f"avif_{chroma.replace(':', '')}:{speed}",
        chroma=chroma,
        effort=f"speed {speed}",
        efforts=_SPEEDS,
        settings="aom, tune=psnr, one tile",
        version=version,
    )


_JPEG = "Huffman tables optimised, baseline or progressive: the smaller"

SPECS = (
    _spec("jpeg", _JPEG_LADDER, _QUALITY, chroma="4:2:0", settings=_JPEG, version=2),
    _spec("jpeg-444", _JPEG_LADDER_444, _QUALITY, library="jpeg", settings=_JPEG, version=2),
    _spec(
        "jpeg-fixed",
        (1, 4, 9, 16, 27, 40, 55, 70, 80, 88, 93, 96),
        _QUALITY,
        library="jpeg",
        chroma="4:2:0",
        settings="Pillow's defaults: baseline, the standard's example Huffman tables",
    ),
    _spec(
        "jpeg2000",
        (0.03, 0.055, 0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 1.9, 2.5, 3.2, 5, 8),
        _RATE,
        colour="ICT (BT.601 full)",
        settings="9/7 wavelet, 6 resolutions, target rate, bare codestream",
    ),
    _spec(
        "webp",
        (0, 4, 10, 25, 45, 65, 78, 85, 90, 94, 97, 100),
        Scale("q", "quality", 0, 100),
        load="webp:6",
        chroma="4:2:0",
        colour="BT.601 limited",
        effort="method 6",
        efforts=tuple("0123456"),
        settings="libwebp's defaults but effort",
        version=2,
    ),
    _avif_spec("avif", "4:4:4", 4, version=2),
    _avif_spec("avif-fast", "4:4:4", 6, version=1),
    _avif_spec("avif-420", "4:2:0", 4, version=2),
    _spec(
        "heic",
        (7, 13, 17, 22, 27, 33, 39, 45, 52, 59, 66),
        _QUALITY,
        load="heic:slow",
        bit_depth=10,
        effort="preset slow",
        efforts=X265_PRESETS,
        settings="x265, tune=psnr, no psycho-visual options",
        hint="pip install pillow-heif",
    ),
    _spec(
        "jxl",
        (0, 6, 20, 36, 55, 71, 81, 88, 93, 96.5),
        _JXL_QUALITY,
        load="jxl:7",
        colour="XYB",
        effort="effort 7",
        efforts=tuple("123456789"),
        settings="VarDCT, bare codestream; steered by butteraugli, which the wrapper cannot change",
        hint="pip install pillow-jxl-plugin",
    ),
)
