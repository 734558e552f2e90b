"""Codecs whose programs the user installs: BPG, and the reference software of VVC, found on PATH or by a variable."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from .program import Program, ProgramCodec, answer, executable, opened
from .protocol import CodecUnavailable, Scale, Spec

BPG = Program(
    encode=(
        *("bpgenc", "-q", "{qp}", "-f", "444", "-c", "ycbcr", "-b", "8", "-e", "x265", "-m", "8"),
        *("-o", "{output}", "{input}"),
    ),
    decode=("bpgdec", "-o", "{output}", "{input}"),
    picture="png",
    suffix=".bpg",
)
VTM = Program(
    encode=(
        *("EncoderApp", "-c", "{config}", "-i", "{input}", "-b", "{output}", "-o", "/dev/null", "-q", "{qp}"),
        *("-wdt", "{width}", "-hgt", "{height}", "-fr", "1", "-f", "1", "--InputBitDepth=10", "--InternalBitDepth=10"),
        *("--InputChromaFormat=444", "--ChromaFormatIDC=444", "--SEIDecodedPictureHash=0"),
    ),
    decode=("DecoderApp", "-b", "{input}", "-o", "{output}", "-d", "10"),
    picture="yuv444p10le",
    bare=True,
    multiple=8,
    minimum=64,
    time_limit=3600,
)
CONFIG = "CODECSHIFT_VTM_CONFIG"

_GET_BPG = "build bpgenc and bpgdec from https://bellard.org/bpg/"
_GET_VTM = (
    "build EncoderApp and DecoderApp from https://vcgit.hhi.fraunhofer.de/jvet/VVCSoftware_VTM, and set "
    f"{CONFIG} to the path of its cfg/encoder_intra_vtm.cfg"
)


bpg = partial(opened, BPG)


def vtm(qp: int) -> AbstractContextManager[ProgramCodec]:
    """Open the VTM's EncoderApp and DecoderApp."""
    return opened(VTM, qp=qp, config=_config())


def _config() -> str:
    path = os.environ.get(CONFIG, "")
    if not Path(path).is_file():
        raise CodecUnavailable(f"{CONFIG} names {path}, which is not a file" if path else f"{CONFIG} is not set")
    return path


def _version(program: Program, get: str, *arguments: str) -> str:
    try:
        executable(program.decode[0])
        output = answer(program.encode[0], *arguments)
    except CodecUnavailable as error:
        raise CodecUnavailable(f"{error}; {get}") from None
    match = re.search(r"version:?\s+\[?v?(\d[\w.\-]*)", output, re.IGNORECASE)
    return match[1] if match else "?"


def identify_bpg() -> str:
    """Return bpgenc's version; raise CodecUnavailable, with the way to get bpgenc."""
    return f"bpgenc {_version(BPG, _GET_BPG, '-h')}"


def identify_vtm() -> str:
    """Return the VTM's version and the name of its configuration; raise CodecUnavailable, with the way to get both."""
    version = _version(VTM, _GET_VTM, "--help")
    try:
        return f"VTM {version}, {Path(_config()).name}"
    except CodecUnavailable as error:
        raise CodecUnavailable(f"{error}; {_GET_VTM}") from None


_HERE = "codecshift.codecs.binaries"


def _spec(name: str, scale: Scale, ladder: tuple[int, ...], **facts: Any) -> Spec:
    return Spec(
        name=name,
        load=f"{_HERE}:{name}",
        identify=f"{_HERE}:identify_{name}",
        points=scale.ladder(*ladder),
        scale=scale,
        chroma="4:4:4",
        colour="BT.601 full",
        process=True,
        **facts,
    )


SPECS = (
    _spec(
        "bpg",
        Scale("qp", "qp", 0, 51, rising=False),
        (47, 44, 41, 38, 35, 32, 29, 26, 23, 20, 17),
        effort="level 8",
        settings="x265",
        hint=_GET_BPG,
    ),
    _spec(
        "vtm",
        Scale("qp", "qp", 0, 63, rising=False),
        (45, 42, 39, 36, 33, 30, 27, 24, 21, 18, 15),
        bit_depth=10,
        effort="none to set",
        settings="encoder_intra_vtm.cfg",
        hint=_GET_VTM,
    ),
)
