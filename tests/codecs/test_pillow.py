"""The fairness table says of each codec in process what its streams say, and the ladders span the rates of interest."""

import hashlib
import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
import skimage.data
from codecshift.codecs.contract import example
from codecshift.codecs.pillow import SPECS
from codecshift.codecs.protocol import Codec, CodecUnavailable, DecodeError, Image, Spec
from codecshift.codecs.registry import find, identify, open_codec
from codecshift.corruptions.pixels import read_pixels

NAMES = [spec.name for spec in SPECS]
LOWEST, HIGHEST = 0.2, 2.5  # bpp that a ladder spans on a photograph
# What JPEG's cheapest sensible qualities take; without chroma subsampling even its very lowest takes 0.29.
FLOOR = {"jpeg-444": 0.21, "jpeg-fixed": 0.25}
KODAK = Path(os.environ.get("CODECSHIFT_DATA", "nowhere")) / "kodak"


@cache
def photograph() -> np.ndarray:
    image = skimage.data.astronaut()
    image.flags.writeable = False
    return image


def decibels(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(first.astype(float) - second))))


def available(spec: Spec) -> Spec:
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    return spec


def there(*specs: Spec) -> list[Spec]:
    """Return those of the codecs that this machine has."""
    found = []
    for spec in specs:
        try:
            identify(spec)
        except CodecUnavailable:
            continue
        found.append(spec)
    return found


def measured(label: str, image: Image) -> tuple[bytes, float, float]:
    """Return the stream, bpp and PSNR of an image at a point."""
    spec, (point,) = find(label)
    with open_codec(available(spec), point) as codec:
        data = codec.encode(image)
        return data, 8 * len(data) / (image.size / 3), decibels(codec.decode(data), image)


@contextmanager
def opened(label: str) -> Iterator[Codec]:
    spec, (point,) = find(label)
    with open_codec(available(spec), point) as codec:
        yield codec


@cache
def tried(label: str) -> tuple[bytes, float, float]:
    """Return the stream, bpp and PSNR of the photograph at a point, of the face alone by the slow AVIF and HEIC."""
    image = photograph()
    return measured(label, np.ascontiguousarray(image[:192, 160:352]) if label.startswith(("avif", "heic")) else image)


@cache
def small(label: str) -> bytes:
    spec, (point,) = find(label)
    with open_codec(available(spec), point) as codec:
        return codec.encode(example(64, 48))


def at_middle(spec: Spec) -> str:
    return f"{spec.name}:{spec.points[len(spec.points) // 2].name}"


# --- ladders


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_rate_and_quality_rise_along_the_ladder_and_span_the_rates_of_interest(spec: Spec) -> None:
    _, rates, qualities = zip(*(tried(f"{spec.name}:{point.name}") for point in spec.points), strict=True)
    assert all(lower < higher for lower, higher in pairwise(rates))
    assert all(lower < higher for lower, higher in pairwise(qualities))
    assert rates[0] == min(rates[0], FLOOR.get(spec.name, LOWEST))
    assert rates[-1] == max(rates[-1], HIGHEST)


@pytest.mark.needs("kodak")
@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_so_they_do_on_kodak_in_the_mean(spec: Spec) -> None:
    images = [read_pixels(KODAK / f"kodim{number:02}.png") for number in (15, 22)]
    means = []
    for point in spec.points:
        outcomes = [measured(f"{spec.name}:{point.name}", image)[1:] for image in images]
        means.append(np.mean(outcomes, axis=0))
    rates, qualities = zip(*means, strict=True)
    assert all(lower < higher for lower, higher in pairwise(rates))
    assert all(lower < higher for lower, higher in pairwise(qualities))
    assert rates[0] == min(rates[0], FLOOR.get(spec.name, LOWEST))
    assert rates[-1] == max(rates[-1], HIGHEST)
    # Evenly spread over the logarithm of the rate: no step is more than a doubling.
    assert max(higher / lower for lower, higher in pairwise(rates)) < 2


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 2.5])
def test_jpeg_2000_takes_the_rate_it_is_told(rate: float) -> None:
    assert tried(f"jpeg2000:r{rate}")[1] == pytest.approx(rate, rel=0.02)


# --- what the streams say


def test_jpeg_2000_beats_jpeg_at_the_same_rate() -> None:
    _, rate, quality = tried("jpeg2000:r0.6")
    dearer = next(label for label in (f"jpeg:q{q}" for q in range(20, 60)) if tried(label)[1] > rate)
    assert tried(dearer)[1] == pytest.approx(rate, rel=0.05)
    # 3 dB here; with red, green and blue coded apart the two would be level.
    assert quality == max(quality, tried(dearer)[2] + 2)


def test_jpeg_2000_says_that_it_transforms_colours_and_uses_the_9_7_wavelet() -> None:
    """ISO/IEC 15444-1, A.6.1: the marker COD, then length, style, progression, layers, colour transform, and so on."""
    data = tried("jpeg2000:r0.6")[0]
    assert data[:4] == b"\xff\x4f\xff\x51"  # a bare codestream: SOC, then SIZ
    place = data.index(b"\xff\x52") + 2
    _length, _style, _order, layers, colour, halvings, _w, _h, _block, wavelet = struct.unpack_from(
        ">HBBHBBBBBB", data, place
    )
    assert (layers, colour, halvings, wavelet) == (1, 1, 5, 0)


@pytest.mark.parametrize(("name", "sampling"), [("jpeg", "4:2:0"), ("jpeg-444", "4:4:4"), ("jpeg-fixed", "4:2:0")])
@pytest.mark.parametrize("quality", [4, 55, 96, 100])
def test_jpeg_streams_have_the_chroma_that_the_table_states(name: str, sampling: str, quality: int) -> None:
    picture = PIL.Image.open(io.BytesIO(small(f"{name}:q{quality}")))
    names = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    assert names[PIL.JpegImagePlugin.get_sampling(picture)] == sampling == find(name)[0].chroma


@pytest.mark.parametrize("quality", [4, 40, 96])
def test_optimised_tables_change_the_size_of_a_jpeg_and_not_its_pixels(quality: int) -> None:
    """Entropy coding loses nothing, so both streams hold the same coefficients."""
    fixed, optimised = tried(f"jpeg-fixed:q{quality}"), tried(f"jpeg:q{quality}")
    with opened(f"jpeg:q{quality}") as codec:
        assert np.array_equal(codec.decode(fixed[0]), codec.decode(optimised[0]))
    assert optimised[1] < fixed[1]


def test_jpeg_is_progressive_where_that_is_smaller() -> None:
    """ITU-T T.81, table B.1: the marker SOF2 begins a progressive frame, SOF0 a baseline one."""
    dear, cheap = tried("jpeg:q96")[0], tried("jpeg:q4")[0]
    assert (b"\xff\xc2" in dear, b"\xff\xc0" in dear) == (True, False)
    assert (b"\xff\xc2" in cheap, b"\xff\xc0" in cheap) == (False, True)


def test_jpeg_codes_noise_at_the_highest_quality() -> None:
    noise = np.random.default_rng(100).integers(0, 256, (200, 300, 3), np.uint8)
    _, rate, _ = measured("jpeg-444:q100", noise)
    assert rate > 16  # two bytes a pixel, more than Pillow's own buffer has room for


@pytest.mark.parametrize(("name", "sampling"), [("avif", "4:4:4"), ("avif-fast", "4:4:4"), ("avif-420", "4:2:0")])
@pytest.mark.parametrize("quality", [15, 93, 100])
def test_avif_streams_have_the_chroma_depth_and_colours_that_the_table_states(
    name: str, sampling: str, quality: int
) -> None:
    """AV1-ISOBMFF 2.3.3 (av1C: depth and subsampling flags), ISO/IEC 14496-12 (colr nclx: matrix, full range)."""
    data = small(f"{name}:q{quality}")
    flags = data[data.index(b"av1C") + 6]
    high_bit_depth, across, down = flags >> 6 & 1, flags >> 3 & 1, flags >> 2 & 1
    _primaries, _transfer, matrix, full = struct.unpack_from(">HHHB", data, data.index(b"colrnclx") + 8)
    spec, _ = find(name)
    assert {(0, 0): "4:4:4", (1, 1): "4:2:0"}[across, down] == sampling == spec.chroma
    assert (8 + 2 * high_bit_depth, spec.bit_depth) == (8, 8)
    assert (matrix in {5, 6}, full >> 7, spec.colour) == (True, 1, "BT.601 full")


@pytest.mark.parametrize("quality", [1, 78, 100])
def test_webp_streams_are_lossy_and_nothing_else(quality: int) -> None:
    """RFC 9649: one chunk 'VP8 ' is lossy coding, which has 4:2:0 only."""
    data = small(f"webp:q{quality}")
    assert (data[:4], data[8:16], find("webp")[0].chroma) == (b"RIFF", b"WEBPVP8 ", "4:2:0")
    assert len(data) == 20 + struct.unpack_from("<I", data, 16)[0]


class Bits:
    """A reader of bits, from a string of zeros and ones."""

    def __init__(self, bits: str) -> None:
        self.bits = iter(bits)

    def take(self, count: int) -> str:
        return "".join(next(self.bits) for _ in range(count))

    def golomb(self) -> int:
        """Return the next signed Exp-Golomb code, ITU-T H.265, 9.2."""
        zeros = 0
        while self.take(1) == "0":
            zeros += 1
        code = int("1" + self.take(zeros), 2) - 1
        return (code + 1) // 2 if code % 2 else -code // 2


@pytest.mark.parametrize("quality", [1, 45, 66, 100])
def test_heic_streams_have_the_chroma_depth_and_colours_that_the_table_states(quality: int) -> None:
    """ISO/IEC 14496-15, 8.3.2 (hvcC: chroma and depths), ISO/IEC 14496-12 (colr nclx: matrix, full range)."""
    data = small(f"heic:q{quality}")
    chroma, luma_depth, chroma_depth = struct.unpack_from(">3B", data, data.index(b"hvcC") + 20)
    _primaries, _transfer, matrix, full = struct.unpack_from(">HHHB", data, data.index(b"colrnclx") + 8)
    spec, _ = find("heic")
    assert ({1: "4:2:0", 2: "4:2:2", 3: "4:4:4"}[chroma & 3], spec.chroma) == ("4:4:4", "4:4:4")
    assert (8 + (luma_depth & 7), 8 + (chroma_depth & 7), spec.bit_depth) == (10, 10, 10)
    assert (matrix, full >> 7, spec.colour) == (6, 1, "BT.601 full")


@pytest.mark.parametrize("quality", [1, 45, 66, 100])
def test_heic_streams_are_not_tuned_for_looks_nor_made_in_parallel(quality: int) -> None:
    """ITU-T H.265, 7.3.2.3, the picture parameter set: what moves the QP about, and the sign of wavefronts."""
    data = small(f"heic:q{quality}")
    start = data.index(b"\x44\x01", data.index(b"hvcC")) + 2
    bits = Bits("".join(f"{byte:08b}" for byte in data[start : start + 16]))
    assert bits.take(2) == "11"  # parameter sets number 0
    bits.take(1 + 1 + 3 + 1 + 1)  # dependent slices, output flag, extra header bits, hidden signs, CABAC init
    assert bits.take(2) == "11"  # one reference of either list
    bits.golomb()  # initial QP
    bits.take(1 + 1)  # constrained intra, transform skip
    adaptive = bits.take(1)
    offsets = bits.golomb(), bits.golomb()
    bits.take(1 + 1 + 1 + 1)  # slice offsets, weighted prediction twice, bypass
    tiles, wavefronts = bits.take(1), bits.take(1)
    assert (adaptive, offsets, tiles, wavefronts) == ("0", (0, 0), "0", "0")


@pytest.mark.parametrize("quality", [0, 55, 96.5, 99.9])
def test_jpeg_xl_streams_are_bare_lossy_and_in_xyb(quality: float) -> None:
    """ISO/IEC 18181-1, D: signature, size, image metadata and frame header; bits are read from the lowest up."""
    # Where a picture repeats itself, say in lettering, a frame of patches comes first: a cat does not.
    data = measured(f"jxl:q{quality}", skimage.data.chelsea()[:256, :256])[0]
    assert data[:2] == b"\xff\x0a"  # no container
    bits = Bits("".join(f"{byte:08b}"[::-1] for byte in data[2:]))
    assert bits.take(1 + 5 + 3) == "1" + "11111" + "100"  # small, eight times (31 + 1) rows, and as many columns
    assert bits.take(2) == "11"  # all metadata as by default: 8 bits, XYB; and so the inverse transform
    assert bits.take(5) == "00000"  # up to the next byte
    assert bits.take(1 + 2 + 1) == "0000"  # a frame header with fields: a regular frame, by VarDCT


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_streams_carry_no_metadata(spec: Spec) -> None:
    # Every byte counts as rate.
    data = small(at_middle(spec))
    tags = (b"Exif", b"http:", b"ICC_PROFILE", b"Pillow", b"iCCP", b"x265", b"brob")
    assert [tag for tag in tags if tag in data] == []


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_a_codec_names_the_library_behind_it(spec: Spec) -> None:
    packages = {
        "heic": f"pillow-heif {version('pillow-heif')}",
        "jxl": f"pillow-jxl-plugin {version('pillow-jxl-plugin')}",
    }
    assert identify(available(spec)).endswith(packages.get(spec.name, f"Pillow {PIL.__version__}"))


# --- packages that may be absent


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("heic", "pillow_heif", "pillow-heif"), ("jxl", "pillow_jxl", "pillow-jxl-plugin")],
    ids=["heic", "jxl"],
)
def test_a_codec_whose_package_is_absent_says_how_to_get_it(
    name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises ImportError
    spec, _ = find(name)
    with pytest.raises(CodecUnavailable, match=rf"needs {package}.*: pip install {package}$"):
        identify(spec)
    with pytest.raises(CodecUnavailable, match=rf": pip install {package}$"), open_codec(spec, spec.points[0]):
        pass


def test_a_build_of_pillow_heif_without_x265_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("pillow_heif")
    monkeypatch.setattr(library, "libheif_info", lambda: {"encoders": {}})
    with pytest.raises(CodecUnavailable, match="no x265"):
        identify(find("heic")[0])


def test_listing_the_codecs_imports_neither_package_and_using_them_teaches_pillow_nothing() -> None:
    """Else what an image set reads would depend on which codec was opened before."""
    names = [spec.name for spec in there(find("heic")[0], find("jxl")[0])]
    code = f"""
import sys
from codecshift.codecs.contract import example
from codecshift.codecs.registry import find, open_codec
assert not {{"pillow_heif", "pillow_jxl"}} & set(sys.modules)
for name in {names}:
    spec, (point, *_) = find(name)
    with open_codec(spec, point) as codec:
        codec.decode(codec.encode(example(20, 30)))
import PIL.Image
PIL.Image.init()
assert not {{"HEIF", "HEIC", "JXL"}} & ({{*PIL.Image.OPEN}} | {{*PIL.Image.SAVE}}), PIL.Image.OPEN
"""
    outcome = subprocess.run((sys.executable, "-c", code), capture_output=True, encoding="utf-8", check=False)
    assert (outcome.returncode, outcome.stderr) == (0, "")


# --- the same bytes


def test_bytes_do_not_depend_on_threads_cores_nor_neighbours() -> None:
    """From four threads at once, in processes whose environment offers libraries one thread and many, on one core."""
    specs = there(*SPECS)
    labels = [at_middle(spec) for spec in specs]
    code = f"""
import hashlib, json, os, sys
from concurrent.futures import ThreadPoolExecutor
import skimage.data
from codecshift.codecs.registry import find, open_codec
if sys.argv[1:] and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
image = skimage.data.astronaut()[:128, 160:352].copy()
def encoded(label):
    spec, (point,) = find(label)
    with open_codec(spec, point) as codec:
        return hashlib.sha256(codec.encode(image)).hexdigest()
with ThreadPoolExecutor(4) as pool:
    print(json.dumps([*pool.map(encoded, 2 * {labels})]))
"""
    expected = []
    for label in labels:
        spec, (point,) = find(label)
        with open_codec(spec, point) as codec:
            expected.append(hashlib.sha256(codec.encode(photograph()[:128, 160:352].copy())).hexdigest())
    for threads, arguments in (("1", ["one core"]), ("7", [])):
        counts = dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPJ_NUM_THREADS", "NUM_THREADS"), threads)
        command = (sys.executable, "-c", code, *arguments)
        outcome = subprocess.run(command, capture_output=True, encoding="utf-8", env=os.environ | counts, check=False)
        assert (outcome.returncode, outcome.stderr) == (0, "")
        found = json.loads(outcome.stdout)
        assert [label for label, one, other in zip(2 * labels, 2 * expected, found, strict=True) if one != other] == []


# --- damaged streams


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_truncated_stream_is_refused(spec: Spec, share: float) -> None:
    label = at_middle(spec)
    data = tried(label)[0]
    with open_codec(spec, find(label)[1][0]) as codec, pytest.raises(DecodeError, match=r"^not a valid \w+ stream"):
        codec.decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
@pytest.mark.parametrize("length", [1, 12, 500, 20_000])
def test_garbage_is_refused(spec: Spec, length: int) -> None:
    with open_codec(available(spec), spec.points[0]) as codec:
        for garbage in (bytes(length), np.random.default_rng(length).bytes(length)):
            with pytest.raises(DecodeError):
                codec.decode(garbage)


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_a_stream_with_garbage_after_its_header_raises_nothing_else(spec: Spec) -> None:
    data = tried(at_middle(spec))[0]
    rng = np.random.default_rng(11)
    with open_codec(spec, spec.points[0]) as codec:
        for _ in range(5):
            kept = int(rng.integers(4, 700))
            try:
                seen = codec.decode(data[:kept] + rng.bytes(len(data) - kept))
            except DecodeError:
                continue
            # A format without checksums may take any bits for coefficients.
            assert (seen.dtype, seen.ndim, seen.shape[2]) == (np.uint8, 3, 3)


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_a_stream_of_another_format_is_refused(spec: Spec) -> None:
    family = spec.name.partition("-")[0]
    others = [other for other in there(*SPECS) if other.name.partition("-")[0] != family]
    assert others
    buffer = io.BytesIO()
    PIL.Image.fromarray(example(64, 48)).save(buffer, "PNG")
    png = buffer.getvalue()
    with open_codec(available(spec), spec.points[0]) as codec:
        for other in others:
            with pytest.raises(DecodeError):
                codec.decode(small(f"{other.name}:{other.points[0].name}"))
        with pytest.raises(DecodeError):
            codec.decode(png)
