"""BPG and VTM get the arguments their programs know, shown by stand-ins that refuse any other."""

import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from codecshift.codecs import contract
from codecshift.codecs.binaries import BPG, CONFIG, SPECS, VTM
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec
from codecshift.codecs.registry import find, identify, open_codec

# Each stand-in knows the options of the real program, as its help lists them, and no other.
BPGENC = """
import argparse, sys, zlib
parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
parser.add_argument("-h", action="store_true")
parser.add_argument("-q", type=int, choices=range(52))
parser.add_argument("-f", choices=["420", "422", "444"])
parser.add_argument("-c", choices=["ycbcr", "rgb", "ycgco", "ycbcr_bt709", "ycbcr_bt2020"])
parser.add_argument("-b", type=int, choices=range(8, 13))
parser.add_argument("-e", choices=["x265", "jctvc"])
parser.add_argument("-m", type=int, choices=range(1, 10))
parser.add_argument("-o")
parser.add_argument("picture", nargs="?")
told = parser.parse_args()
if told.h:
    print("BPG Image Encoder version 0.9.8")
    sys.exit(1)
assert (told.f, told.c, told.b, told.e) == ("444", "ycbcr", 8, "x265")
data = open(told.picture, "rb").read()
assert data[:8] == bytes([137]) + b"PNG" + bytes([13, 10, 26, 10])
packed = zlib.compress(data)
open(told.o, "wb").write(b"BPG" + zlib.crc32(packed).to_bytes(4, "big") + packed + bytes(2 * (51 - told.q)))
"""
BPGDEC = """
import argparse, sys, zlib
parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
parser.add_argument("-o")
parser.add_argument("stream")
told = parser.parse_args()
data = open(told.stream, "rb").read()
decompressor = zlib.decompressobj()
picture = decompressor.decompress(data[7:])
packed = data[7 : len(data) - len(decompressor.unused_data)]
if data[:3] != b"BPG" or zlib.crc32(packed) != int.from_bytes(data[3:7], "big"):
    sys.exit("Could not decode image")
open(told.o, "wb").write(picture)
"""
ENCODER = """
import argparse, sys, zlib
if sys.argv[1:] == ["--help"]:
    print("VVCSoftware: VTM Encoder Version 23.4 [Linux]")
    sys.exit(1)
parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
for name in ("-c", "-i", "-b", "-o"):
    parser.add_argument(name, required=True)
for name in ("-wdt", "-hgt", "-fr", "-f", "-q"):
    parser.add_argument(name, type=int, required=True)
for name in ("InputBitDepth", "InternalBitDepth", "InputChromaFormat", "ChromaFormatIDC", "SEIDecodedPictureHash"):
    parser.add_argument("--" + name, type=int)
told = parser.parse_args()
assert "IntraPeriod" in open(told.c).read()
assert (told.f, told.InputBitDepth, told.InputChromaFormat) == (1, 10, 444)
assert told.wdt % 8 == told.hgt % 8 == 0
planes = open(told.i, "rb").read()
assert len(planes) == 2 * 3 * told.wdt * told.hgt
packed = zlib.compress(planes)
open(told.b, "wb").write(zlib.crc32(packed).to_bytes(4, "big") + packed + bytes(2 * (63 - told.q)))
"""
DECODER = """
import argparse, sys, zlib
parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
parser.add_argument("-b", required=True)
parser.add_argument("-o", required=True)
parser.add_argument("-d", type=int, required=True)
told = parser.parse_args()
assert told.d == 10
data = open(told.b, "rb").read()
decompressor = zlib.decompressobj()
planes = decompressor.decompress(data[4:])
packed = data[4 : len(data) - len(decompressor.unused_data)]
if zlib.crc32(packed) != int.from_bytes(data[:4], "big"):
    sys.exit("not a bitstream")
open(told.o, "wb").write(planes)
"""
PROGRAMS = {"bpgenc": BPGENC, "bpgdec": BPGDEC, "EncoderApp": ENCODER, "DecoderApp": DECODER}
VARIABLES = [f"CODECSHIFT_{name.upper()}" for name in PROGRAMS]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the stand-ins, on PATH."""
    for name, code in PROGRAMS.items():
        path = tmp_path / name
        # Not as the first line's interpreter: a path there may hold no space, and not be long.
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        path.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(path))}.py "$@"\n', encoding="utf-8"
        )
        path.chmod(0o755)
    (tmp_path / "encoder_intra_vtm.cfg").write_text("IntraPeriod : 1\n", encoding="utf-8")
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(CONFIG, str(tmp_path / "encoder_intra_vtm.cfg"))
    return tmp_path


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_arguments_are_those_of_the_program(spec: Spec) -> None:
    with open_codec(spec, spec.points[2]) as codec:
        for image in contract.examples():
            seen = codec.decode(codec.encode(image)).astype(float)
            assert seen.shape == image.shape
            assert np.abs(seen - image).max() <= (0 if spec.name == "bpg" else 1)


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_damaged_stream_is_refused(spec: Spec) -> None:
    law = next(law for law in contract.LAWS if law.name == "damage")
    law.check(spec, spec.points[0])


@pytest.mark.usefixtures("programs")
def test_versions_are_told() -> None:
    assert [identify(spec) for spec in SPECS] == ["bpgenc 0.9.8", "VTM 23.4, encoder_intra_vtm.cfg"]


@pytest.mark.parametrize(("name", "program"), [("bpg", BPG), ("vtm", VTM)])
@pytest.mark.parametrize("side", ["encode", "decode"])
def test_what_is_missing_is_named_with_the_way_to_get_it(programs: Path, name: str, program: object, side: str) -> None:
    missing = getattr(program, side)[0]
    (programs / missing).unlink()
    spec, _ = find(name)
    with pytest.raises(CodecUnavailable, match=rf"no program {missing} on PATH or named by CODECSHIFT_.*https://"):
        identify(spec)
    with pytest.raises(CodecUnavailable, match=f"no program {missing}"), open_codec(spec, spec.points[0]):
        pass


def test_vtm_wants_its_configuration(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = find("vtm")
    monkeypatch.setenv(CONFIG, str(programs / "gone.cfg"))
    with pytest.raises(CodecUnavailable, match=rf"{CONFIG} names .*gone.cfg, which is not a file; .*https://"):
        identify(spec)
    monkeypatch.delenv(CONFIG)
    with pytest.raises(CodecUnavailable, match=f"{CONFIG} is not set"), open_codec(spec, Point("x", {"qp": 30})):
        pass


def test_a_program_may_be_named_by_its_variable(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (programs / "bpgenc").rename(programs / "mine")
    monkeypatch.setenv("CODECSHIFT_BPGENC", str(programs / "mine"))
    spec, _ = find("bpg")
    assert identify(spec) == "bpgenc 0.9.8"
