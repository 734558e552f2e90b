"""The fairness table says of Pillow's codecs what their streams say, and their ladders span the rates of interest."""

import io
import struct
from functools import cache
from itertools import pairwise

import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
import skimage.data
from codecshift.codecs.contract import example
from codecshift.codecs.pillow import SPECS
from codecshift.codecs.protocol import CodecUnavailable, DecodeError, Spec
from codecshift.codecs.registry import find, identify, open_codec

NAMES = [spec.name for spec in SPECS]
LOWEST, HIGHEST = 0.25, 2.5  # bpp that a ladder spans on a photograph
# Without chroma subsampling JPEG takes 0.29 bpp of this photograph at its very lowest quality.
FLOOR = {"jpeg-444": 0.35}


@cache
def photograph() -> np.ndarray:
    image = skimage.data.astronaut()
    image.flags.writeable = False
    return image


def decibels(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean(np.square(first.astype(float) - second))))


@cache
def tried(label: str) -> tuple[bytes, float, float]:
    """Return the stream, bpp and PSNR of the photograph at a point."""
    spec, (point,) = find(label)
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    with open_codec(spec, point) as codec:
        data = codec.encode(photograph())
        return data, 8 * len(data) / (512 * 512), decibels(codec.decode(data), photograph())


def small(label: str) -> bytes:
    spec, (point,) = find(label)
    with open_codec(spec, point) as codec:
        return codec.encode(example(64, 48))


def at_middle(spec: Spec) -> str:
    return f"{spec.name}:{spec.points[len(spec.points) // 2].name}"


# --- ladders


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_rate_and_quality_rise_along_the_ladder_of_a_photograph(spec: Spec) -> None:
    _, rates, qualities = zip(*(tried(f"{spec.name}:{point.name}") for point in spec.points), strict=True)
    assert all(lower < higher for lower, higher in pairwise(rates))
    assert all(lower < higher for lower, higher in pairwise(qualities))


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_the_ladder_spans_the_rates_of_interest(spec: Spec) -> None:
    _, lowest, _ = tried(f"{spec.name}:{spec.points[0].name}")
    _, highest, _ = tried(f"{spec.name}:{spec.points[-1].name}")
    assert lowest == min(lowest, FLOOR.get(spec.name, LOWEST))
    assert highest == max(highest, HIGHEST)


@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 2.5])
def test_jpeg_2000_takes_the_rate_it_is_told(rate: float) -> None:
    assert tried(f"jpeg2000:r{rate}")[1] == pytest.approx(rate, rel=0.02)


# --- the colour path


@pytest.mark.parametrize("label", ["jpeg-444:q100", "avif:q100", "jpeg2000:r12"])
def test_the_colour_path_of_a_444_codec_is_no_ceiling(label: str) -> None:
    quality = tried(label)[2]
    assert quality == max(quality, 48)


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


@pytest.mark.parametrize(("name", "sampling"), [("jpeg", "4:2:0"), ("jpeg-444", "4:4:4")])
@pytest.mark.parametrize("quality", [4, 55, 96, 100])
def test_jpeg_streams_have_the_chroma_that_the_table_states(name: str, sampling: str, quality: int) -> None:
    picture = PIL.Image.open(io.BytesIO(small(f"{name}:q{quality}")))
    names = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    assert names[PIL.JpegImagePlugin.get_sampling(picture)] == sampling == find(name)[0].chroma


@pytest.mark.parametrize(("name", "sampling"), [("avif", "4:4:4"), ("avif-420", "4:2:0")])
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


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_streams_carry_no_metadata(spec: Spec) -> None:
    # Every byte counts as rate.
    data = small(at_middle(spec))
    assert [tag for tag in (b"Exif", b"http:", b"ICC_PROFILE", b"Pillow", b"iCCP") if tag in data] == []


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_a_codec_names_the_library_behind_it(spec: Spec) -> None:
    assert identify(spec).endswith(f"Pillow {PIL.__version__}")


# --- damaged streams


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_a_truncated_stream_is_refused(spec: Spec, share: float) -> None:
    label = at_middle(spec)
    data = tried(label)[0]
    with open_codec(spec, find(label)[1][0]) as codec, pytest.raises(DecodeError, match=r"^not a \w+ stream"):
        codec.decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
@pytest.mark.parametrize("length", [1, 12, 500, 20_000])
def test_garbage_is_refused(spec: Spec, length: int) -> None:
    with open_codec(spec, spec.points[0]) as codec:
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
    others = [other for other in SPECS if other.name.partition("-")[0] != family]
    assert others
    buffer = io.BytesIO()
    PIL.Image.fromarray(example(64, 48)).save(buffer, "PNG")
    png = buffer.getvalue()
    with open_codec(spec, spec.points[0]) as codec:
        for other in others:
            with pytest.raises(DecodeError):
                codec.decode(small(f"{other.name}:{other.points[0].name}"))
        with pytest.raises(DecodeError):
            codec.decode(png)
