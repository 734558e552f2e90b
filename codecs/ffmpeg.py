"""HEVC and VVC intra coding with x265 and VVenC, through pipes to the ffmpeg inside the package imageio-ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
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


def _at_effort(program: Program) -> Callable[[str, int], AbstractContextManager[ProgramCodec]]:
    def load(effort: str, qp: int) -> AbstractContextManager[ProgramCodec]:
        return opened(program, effort=effort, qp=qp)

    return load


hevc = _at_effort(_HEVC)
hevc_8b = _at_effort(_HEVC_8B)
hevc_420 = _at_effort(_HEVC_420)
vvc = _at_effort(_VVC)


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


_HERE = "codecshift.codecs.ffmpeg"
_QP = Scale("qp", "qp", 0, 51, rising=False)
_QP_VVC = Scale("qp", "qp", 0, 63, rising=False)
_LADDER = (45, 42, 39, 36, 33, 30, 27, 24, 21, 18, 15, 12)


X265_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_VVENC_PRESETS = ("faster", "fast", "medium", "slow")  # slower takes 94 s per megapixel


def _spec(name: str, load: str, chroma: str, bit_depth: int, preset: str, version: int = 1) -> Spec:
    is_vvc = load == "vvc"
    scale = _QP_VVC if is_vvc else _QP
    return Spec(
        name=name,
        load=f"{_HERE}:{load}:{preset}",
        identify=f"{_HERE}:identify_{'vvenc' if is_vvc else 'x265'}",
        points=scale.ladder(*_LADDER),
        scale=scale,
        chroma=chroma,
        bit_depth=bit_depth,
        colour="BT.601 full",
        effort=f"preset {preset}",
        efforts=_VVENC_PRESETS if is_vvc else X265_PRESETS,
        process=True,
        settings="VVenC intra, qpa=0, constant QP" if is_vvc else "x265 intra, tune=psnr, constant QP",
        version=version,
    )


SPECS = (
    _spec("hevc", "hevc", "4:4:4", 10, "slow"),
    _spec("hevc-8b", "hevc_8b", "4:4:4", 8, "slow"),
    _spec("hevc-420", "hevc_420", "4:2:0", 10, "slow"),
    _spec("vvc", "vvc", "4:2:0", 10, "medium", version=2),
    _spec("vvc-fast", "vvc", "4:2:0", 10, "fast"),
)
