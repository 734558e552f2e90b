"""Intra coding with x265, VVenC, libaom and SVT-AV1, through pipes to the ffmpeg inside the package imageio-ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from .program import Program, ProgramCodec, answer, opened
from .protocol import CodecUnavailable, Scale, Spec

# zscale (the library zimg) converts to 10 bits and back without loss; ffmpeg's own scaler reaches only 56 dB.
_TO_YCBCR = "format=gbrp,zscale=matrix=470bg:rangein=full:range=full:filter=spline36,format={pixels}"
_TO_RGB = "zscale=matrixin=470bg:rangein=full:matrix=gbr:range=full:filter=spline36,format=gbrp,format=rgb24"

_QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1", "-filter_threads", "1")

# One thread and no parallel rows, so that the bytes depend on the pixels alone and no row resets its statistics.
# `info=0` omits the 700 bytes in which x265 describes itself; `ipratio=1` makes qp the QP of an intra picture.
_X265 = "qp={qp}:ipratio=1:pools=none:frame-threads=1:wpp=0:info=0:keyint=1:bframes=0:rc-lookahead=0:log-level=error"

# A group of one picture keeps lists of reference pictures out of the header. With it, VVenC writes a warning into the
# stream unless `alfspeed=0`. `intraqpoffset=0` makes qp the QP of an intra picture.
_VVENC = "threads=1:verbosity=1:intraperiod=1:gopsize=1:alfspeed=0:accessunitdelimiter=0:intraqpoffset=0"


def _program(
    pixels: str, stream: str, encoder: tuple[str, ...], *, multiple: int, minimum: int, overflow: str = ""
) -> Program:
    return Program(
        encode=(
            *("ffmpeg", *_QUIET, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{width}x{height}", "-i", "pipe:0"),
            *("-vf", _TO_YCBCR.replace("{pixels}", pixels), *encoder, "-f", stream, "pipe:1"),
        ),
        # `probesize` and `analyzeduration` keep ffmpeg from decoding the picture a first time to learn its size.
        decode=(
            *("ffmpeg", *_QUIET, "-probesize", "32", "-analyzeduration", "0", "-f", stream, "-i", "pipe:0"),
            *("-vf", _TO_RGB, "-f", "rawvideo", "pipe:1"),
        ),
        picture="rgb24",
        bare=True,
        multiple=multiple,
        minimum=minimum,
        overflow=overflow,
    )


def _x265(pixels: str, *, multiple: int = 1) -> Program:
    encoder = ("-c:v", "libx265", "-preset", "{effort}", "-tune", "psnr", "-x265-params", _X265)
    return _program(pixels, "hevc", encoder, multiple=multiple, minimum=16)


_HEVC = _x265("yuv444p10le")
_HEVC_8B = _x265("yuv444p")
_HEVC_420 = _x265("yuv420p10le", multiple=2)
_VVC = _program(
    "yuv420p10le",
    "vvc",
    ("-c:v", "libvvenc", "-preset", "{effort}", "-qpa", "0", "-qp", "{qp}", "-vvenc-params", _VVENC),
    multiple=8,
    minimum=32,
    overflow="Error submitting video frame",  # ffmpeg's buffer has a byte per pixel; noise at a low QP takes more
)


# One tile and no parallel rows. A still picture has the short sequence header of AVIF. `allintra` is libaom's mode for
# still pictures, which libavif uses too; `deltaq-mode=0` keeps it from spending bits on looks.
_AOM = (
    *("-usage", "allintra", "-still-picture", "1", "-tune", "psnr", "-row-mt", "0", "-tiles", "1x1"),
    *("-aom-params", "deltaq-mode=0"),
)
_AV1 = _program(
    "yuv444p10le",
    "obu",
    (
        "-c:v",
        "libaom-av1",
        *_AOM,
        "-aom-params",
        "deltaq-mode=0",
        "-cpu-used",
        "{effort}",
        "-crf",
        "{crf}",
        "-b:v",
        "0",
    ),
    multiple=1,
    minimum=16,
)
# `tune=1` is PSNR, `avif=1` a still picture, `lp=1` one thread.
_SVT_AV1 = _program(
    "yuv420p10le",
    "obu",
    (
        *("-c:v", "libsvtav1", "-preset", "{effort}", "-qp", "{qp}"),
        *("-svtav1-params", "rc=0:aq-mode=0:tune=1:avif=1:lp=1:enable-variance-boost=0"),
    ),
    multiple=2,
    minimum=64,
)


def _at_effort(program: Program) -> Callable[..., AbstractContextManager[ProgramCodec]]:
    def load(effort: str, **quantiser: int) -> AbstractContextManager[ProgramCodec]:
        return opened(program, effort=effort, **quantiser)

    return load


hevc = _at_effort(_HEVC)
hevc_8b = _at_effort(_HEVC_8B)
hevc_420 = _at_effort(_HEVC_420)
vvc = _at_effort(_VVC)
av1 = _at_effort(_AV1)
svt_av1 = _at_effort(_SVT_AV1)


@cache
def _identify(encoder: str, options: tuple[str, ...], version: str) -> str:
    """Return the versions of an encoder, matched by the pattern `version` in its output, and of ffmpeg."""
    for kind, name in (("encoder", encoder), ("filter", "zscale")):
        if f"{kind} {name}".casefold() not in answer("ffmpeg", "-hide_banner", "-h", f"{kind}={name}").casefold():
            raise CodecUnavailable(
                f"this ffmpeg has no {kind} {name}: install a wheel that has it, pip install -U imageio-ffmpeg, "
                "or name another ffmpeg in CODECSHIFT_FFMPEG"
            )
    source = ("-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1", "-c:v", encoder)
    output = answer("ffmpeg", "-hide_banner", "-nostdin", *source, *options, "-f", "null", "-")
    match = re.search(version, output)
    ffmpeg = re.search(r"ffmpeg version (\S+)", answer("ffmpeg", "-version"))
    name = encoder.removeprefix("lib")
    return f"{name} {match[1] if match else '?'}, ffmpeg {ffmpeg[1] if ffmpeg else '?'}"


def identify_x265() -> str:
    """Return the versions of x265 and ffmpeg; raise CodecUnavailable if either is missing."""
    return _identify("libx265", ("-x265-params", "log-level=info"), r"HEVC encoder version (\S+)")


def identify_vvenc() -> str:
    """Return the versions of VVenC and ffmpeg; raise CodecUnavailable if either is missing."""
    return _identify(
        "libvvenc", ("-pix_fmt", "yuv420p10le", "-vvenc-params", "verbosity=4"), r"libvvenc version: (\S+)"
    )


def identify_libaom() -> str:
    """Return the versions of libaom and ffmpeg; raise CodecUnavailable if either is missing."""
    return _identify("libaom-av1", ("-pix_fmt", "yuv444p10le"), r"libaom-av1 @ \w+\] v?(\d\S+)")


def identify_svtav1() -> str:
    """Return the versions of SVT-AV1 and ffmpeg; raise CodecUnavailable if either is missing."""
    return _identify("libsvtav1", ("-pix_fmt", "yuv420p10le"), r"SVT-AV1 Encoder Lib (\S+)")


_HERE = "codecshift.codecs.ffmpeg"
X265_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_LADDER = (45, 42, 39, 36, 33, 30, 27, 24, 21, 18, 15, 12)


@dataclass(frozen=True, slots=True)
class _Encoder:
    """What the specs of one encoder share."""

    identify: str
    scale: Scale
    efforts: tuple[str, ...]
    word: str
    settings: str


_X265_INTRA = _Encoder(
    "x265",
    Scale("qp", "qp", 0, 51, rising=False),
    X265_PRESETS,
    "preset",
    "x265 intra, tune=psnr, constant QP",
)
_VVENC_INTRA = _Encoder(
    "vvenc",
    Scale("qp", "qp", 0, 63, rising=False),
    ("faster", "fast", "medium", "slow"),  # slower takes 94 s per megapixel
    "preset",
    "VVenC intra, qpa=0, constant QP",
)
_LIBAOM = _Encoder(
    "libaom",
    Scale("crf", "crf", 1, 63, rising=False),
    tuple("8765432"),
    "speed",
    "libaom still picture, tune=psnr, bare OBUs",
)
_SVT = _Encoder(
    "svtav1",
    Scale("qp", "qp", 1, 63, rising=False),
    ("10", "8", "6", "5", "4", "3", "2", "1", "0"),
    "preset",
    "SVT-AV1 still picture, tune=PSNR, bare OBUs",
)


def _spec(
    name: str,
    encoder: _Encoder,
    effort: str,
    chroma: str,
    bit_depth: int = 10,
    *,
    load: str = "",
    ladder: tuple[int, ...] = _LADDER,
    version: int = 1,
) -> Spec:
    return Spec(
        name=name,
        load=f"{_HERE}:{load or name.replace('-', '_')}:{effort}",
        identify=f"{_HERE}:identify_{encoder.identify}",
        points=encoder.scale.ladder(*ladder),
        scale=encoder.scale,
        chroma=chroma,
        bit_depth=bit_depth,
        colour="BT.601 full",
        effort=f"{encoder.word} {effort}",
        efforts=encoder.efforts,
        process=True,
        settings=encoder.settings,
        version=version,
    )


_AV1_LADDER = (57, 50, 45, 39, 33, 27, 21, 16, 11, 8, 6)

SPECS = (
    _spec("hevc", _X265_INTRA, "slow", "4:4:4"),
    _spec("hevc-8b", _X265_INTRA, "slow", "4:4:4", 8),
    _spec("hevc-420", _X265_INTRA, "slow", "4:2:0"),
    _spec("vvc", _VVENC_INTRA, "medium", "4:2:0", version=2),
    _spec("vvc-fast", _VVENC_INTRA, "fast", "4:2:0", load="vvc"),
    _spec("av1", _LIBAOM, "4", "4:4:4", ladder=_AV1_LADDER),
    _spec("svt-av1", _SVT, "2", "4:2:0", ladder=_AV1_LADDER),
)
