"""Every odd kind of image file, built here, against pixels computed without the code under test."""

import hashlib
import importlib
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pillow_heif
import pytest
from codecshift.corruptions.pixels import (
    MAX_PIXELS,
    SUFFIXES,
    UnreadableImage,
    image_size,
    pixel_digest,
    read_pixels,
)

RNG = np.random.default_rng(7)
COLOR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
DEEP = np.linspace(0, 65535, 35).round().astype(np.uint16).reshape(5, 7)


def over_white(color: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., np.newaxis] / 255.0
    return np.rint(color * share + 255.0 * (1.0 - share)).astype(np.uint8)


def as_rgb(gray: np.ndarray) -> np.ndarray:
    return np.stack([gray] * 3, axis=-1)


Chunk = tuple[bytes, bytes]


def png(
    width: int,
    height: int,
    rows: np.ndarray,
    *,
    depth: int,
    kind: int,
    key: bytes = b"",
    before: Sequence[Chunk] = (),
    after: Sequence[Chunk] = (),
) -> bytes:
    """Write a PNG by hand, for what Pillow cannot write; `rows` holds big-endian samples.

    `before` and `after` are further chunks on either side of the pixels.
    """
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)),
        *([(b"tRNS", key)] if key else []),
        *before,
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        *after,
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in chunks)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.fixture(scope="session", autouse=True)
def _writers() -> None:
    """Teach Pillow to write HEIF and JPEG XL; the code under test reads them in processes without this too."""
    pillow_heif.register_heif_opener()
    importlib.import_module("pillow_jxl")


def saved(image: PIL.Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def expect(expected: np.ndarray, path: Path) -> None:
    actual = read_pixels(path)
    assert (actual.dtype, actual.shape) == (np.uint8, expected.shape)
    np.testing.assert_array_equal(expected, actual)
    assert actual.flags.c_contiguous
    assert actual.flags.writeable
    assert image_size(path) == expected.shape[:2]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".tga", ".qoi"])
def test_plain_color_comes_in_as_it_is(suffix: str, tmp_path: Path) -> None:
    expect(COLOR, saved(PIL.Image.fromarray(COLOR), tmp_path / f"a (1){suffix}"))


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
    8: lambda x: np.rot90(x, 1),
    9: lambda x: x,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_exif_orientation_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True} if suffix == ".webp" else {}
    path = saved(PIL.Image.fromarray(COLOR), tmp_path / f"turned{suffix}", exif=exif, **options)
    expect(UPRIGHT[orientation](COLOR), path)


def exif_of(orientation: int) -> bytes:
    """Return an EXIF block with an orientation and nothing else, as a PNG holds it."""
    return b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, orientation) + bytes(4)


@pytest.mark.parametrize(
    ("before", "after", "applied"),
    [
        pytest.param([6], [], 6, id="one"),
        pytest.param([6, 1], [], 6, id="two: the first counts"),
        pytest.param([1, 6], [], 1, id="two: the second does not count"),
        pytest.param([6], [1], 6, id="before and after the pixels"),
        pytest.param([], [6], 1, id="after the pixels: not honoured"),
        pytest.param([], [8, 6], 1, id="two after the pixels"),
    ],
)
def test_the_first_orientation_before_the_pixels_of_a_png_counts(
    before: list[int], after: list[int], applied: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    first, last = ([(b"eXIf", exif_of(one)) for one in ones] for ones in (before, after))
    path.write_bytes(png(7, 5, COLOR, depth=8, kind=2, before=first, after=last))
    expect(UPRIGHT[applied](COLOR), path)


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
RAW_PROFILE = b"\nexif\n      34\n" + (b"Exif\0\0" + exif_of(6)).hex().encode() + b"\n"


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "words",
    [
        pytest.param((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()), id="XMP"),
        pytest.param((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW_PROFILE)), id="raw profile"),
    ],
)
def test_header_and_pixels_agree_on_other_orientations_of_a_png(words: Chunk, place: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(7, 5, COLOR, depth=8, kind=2, **{place: [words]}))
    expect(UPRIGHT[6 if place == "before" else 1](COLOR), path)


def test_header_and_pixels_agree_on_the_xmp_orientation_of_a_tiff(tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(COLOR), tmp_path / "a.tif", tiffinfo={700: XMP.encode()})
    expect(UPRIGHT[6](COLOR), path)


def test_exif_orientation_is_applied_to_jpeg_and_to_deep_gray(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    jpeg = saved(PIL.Image.fromarray(COLOR), tmp_path / "a.jpg", exif=exif)
    stored = np.asarray(PIL.Image.open(io.BytesIO(jpeg.read_bytes())))
    expect(np.rot90(stored, -1), jpeg)
    deep = saved(PIL.Image.fromarray(DEEP), tmp_path / "a.png", exif=exif)
    expect(as_rgb(np.rot90(np.rint(DEEP / 257).astype(np.uint8), -1)), deep)


def turned_jxl(stored: PIL.Image.Image, orientation: int, path: Path, *, jpeg: bool) -> Path:
    """Save a JPEG with an EXIF orientation as JPEG XL, which has it in the codestream too and may become it again.

    Without `jpeg`, the box is cut out that a decoder makes the JPEG from; the EXIF box stays.
    """
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    photograph = saved(stored, path.with_suffix(".jpg"), exif=exif, quality=100, subsampling=0)
    saved(PIL.Image.open(photograph), path, lossless_jpeg=True, compress_metadata=False)
    if jpeg:
        return path
    content, boxes = path.read_bytes(), b""
    while content:
        end = int.from_bytes(content[:4], "big") or len(content)
        boxes += b"" if content[4:8] == b"jbrd" else content[:end]
        content = content[end:]
    path.write_bytes(boxes)
    return path


LARGE = np.kron(COLOR, np.ones((8, 8, 1), np.uint8))
"""Blocks of 8x8 pixels, which lossy codecs leave nearly as they are."""


def expect_nearly(expected: np.ndarray, path: Path, *, within: int) -> None:
    actual = read_pixels(path)
    assert expected.shape == actual.shape
    assert image_size(path) == actual.shape[:2]
    assert np.abs(actual.astype(int) - expected).max() <= within


@pytest.mark.filterwarnings("ignore:Using JPEG reconstruction")
@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("jpeg", [True, False], ids=["JPEG inside", "codestream"])
def test_the_orientation_of_jpeg_xl_is_applied_once(jpeg: bool, orientation: int, tmp_path: Path) -> None:
    path = turned_jxl(PIL.Image.fromarray(LARGE), orientation, tmp_path / "a.jxl", jpeg=jpeg)
    expect_nearly(UPRIGHT[orientation](LARGE), path, within=12)


def test_exif_beside_a_jpeg_xl_codestream_does_not_turn_it(tmp_path: Path) -> None:
    """What the codestream says counts alone (ISO 18181-2, Exif box)."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = saved(PIL.Image.fromarray(COLOR), tmp_path / "a.jxl", lossless=True, use_container=True, exif=exif.tobytes())
    with PIL.Image.open(path) as picture:
        assert picture.getexif()[0x0112] == 6
    expect(COLOR, path)


LOSSLESS_HEIF = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_heif_is_applied_once(orientation: int, tmp_path: Path) -> None:
    """It is a property of the container, which the EXIF block inside repeats."""
    path = saved(PIL.Image.fromarray(LARGE), tmp_path / "a.heic", exif=exif_of(orientation), **LOSSLESS_HEIF)
    assert (b"irot" in path.read_bytes() or b"imir" in path.read_bytes()) == (orientation > 1)
    expect_nearly(UPRIGHT[orientation](LARGE), path, within=1)


def test_exif_alone_does_not_turn_heif(tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(LARGE), tmp_path / "a.heic", exif=exif_of(1), **LOSSLESS_HEIF)
    content = path.read_bytes()
    assert content.count(exif_of(1)) == 1
    path.write_bytes(content.replace(exif_of(1), exif_of(6)))
    expect_nearly(LARGE, path, within=1)


@pytest.mark.parametrize("suffix", [".heic", ".HEIF", ".hif", ".jxl"])
def test_heif_and_jpeg_xl_with_transparency_are_composited_over_white(suffix: str, tmp_path: Path) -> None:
    alpha = np.kron(ALPHA, np.ones((8, 8), np.uint8))
    buffer = io.BytesIO()
    options: dict[str, object] = {"lossless": True} if suffix == ".jxl" else LOSSLESS_HEIF
    PIL.Image.fromarray(np.dstack([LARGE, alpha])).save(buffer, "JXL" if suffix == ".jxl" else "HEIF", **options)
    (tmp_path / f"a{suffix}").write_bytes(buffer.getvalue())
    expect_nearly(over_white(LARGE, alpha), tmp_path / f"a{suffix}", within=1)


def test_16_bit_gray_jpeg_xl_is_scaled_and_rounded(tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(DEEP), tmp_path / "a.jxl", lossless=True)
    expect(as_rgb(np.rint(DEEP.astype(float) * 255 / 65535).astype(np.uint8)), path)


def test_a_process_that_was_taught_nothing_reads_them_whatever_they_are_called(tmp_path: Path) -> None:
    kinds = {"heif as.jpg": ("HEIF", LOSSLESS_HEIF), "jxl as.png": ("JXL", {"lossless": True}), "t.tga": ("TGA", {})}
    for name, (kind, options) in kinds.items():
        with (tmp_path / name).open("wb") as file:
            PIL.Image.fromarray(LARGE).save(file, kind, **options)
    script = (
        "import sys; from pathlib import Path; from codecshift.corruptions.pixels import *; "
        "print([(image_size(Path(name)), read_pixels(Path(name)).shape) for name in sys.argv[1:]])"
    )
    command = [sys.executable, "-c", script, *(str(tmp_path / name) for name in kinds)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == f"{[(LARGE.shape[:2], LARGE.shape)] * len(kinds)}\n"


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_ending_is_of_a_format_that_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    kind = PIL.Image.registered_extensions().get(suffix, "HEIF")
    image = PIL.Image.fromarray(LARGE)
    with path.open("wb") as file:
        (image.convert("1") if suffix == ".pbm" else image).save(file, kind)
    assert read_pixels(path).shape == (*image_size(path), 3) == LARGE.shape


def test_garbage_in_the_exif_block_leaves_the_pixels(tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(COLOR), tmp_path / "a.png", exif=b"Exif\0\0not a TIFF at all")
    expect(COLOR, path)


def test_alpha_is_composited_over_white_for_every_pair_of_levels(tmp_path: Path) -> None:
    gray, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    expected = over_white(as_rgb(gray), alpha)
    expect(expected, saved(PIL.Image.fromarray(np.dstack([gray, alpha])), tmp_path / "la.png"))
    expect(expected, saved(PIL.Image.fromarray(np.dstack([as_rgb(gray), alpha])), tmp_path / "rgba.png"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_rgba_is_composited_over_white(suffix: str, tmp_path: Path) -> None:
    options: dict[str, object] = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    path = saved(PIL.Image.fromarray(np.dstack([COLOR, ALPHA])), tmp_path / f"a{suffix}", **options)
    expect(over_white(COLOR, ALPHA), path)


PALETTE = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 30], [200, 100, 50]], np.uint8)
INDICES = np.arange(35).reshape(5, 7) % 4


def with_palette() -> PIL.Image.Image:
    image = PIL.Image.fromarray(INDICES.astype(np.uint8), "L")
    image.putpalette(PALETTE.tobytes())
    return image


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    expect(PALETTE[INDICES], saved(with_palette(), tmp_path / "a.png"))
    expect(PALETTE[INDICES], saved(with_palette(), tmp_path / "a.gif"))


def test_a_palette_with_transparency_is_composited_over_white(tmp_path: Path) -> None:
    alpha = np.array([0, 100, 200, 255], np.uint8)
    path = saved(with_palette(), tmp_path / "a.png", transparency=alpha.tobytes())
    expect(over_white(PALETTE[INDICES], alpha[INDICES]), path)


def test_a_palette_with_one_transparent_entry_is_composited_over_white(tmp_path: Path) -> None:
    expected = np.where((INDICES == 2)[..., np.newaxis], np.uint8(255), PALETTE[INDICES])
    expect(expected, saved(with_palette(), tmp_path / "a.png", transparency=2))
    expect(expected, saved(with_palette(), tmp_path / "a.gif", transparency=2))


def test_a_transparent_color_key_becomes_white(tmp_path: Path) -> None:
    key = COLOR[2, 3]
    expected = np.where(np.equal(COLOR, key).all(-1, keepdims=True), np.uint8(255), COLOR)
    assert (expected != COLOR).any()
    expect(expected, saved(PIL.Image.fromarray(COLOR), tmp_path / "rgb.png", transparency=tuple(key.tolist())))
    gray = COLOR[..., 0]
    expected = as_rgb(np.where(gray == gray[1, 1], np.uint8(255), gray))
    expect(expected, saved(PIL.Image.fromarray(gray), tmp_path / "l.png", transparency=int(gray[1, 1])))


def test_gray_becomes_rgb(tmp_path: Path) -> None:
    expect(as_rgb(ALPHA), saved(PIL.Image.fromarray(ALPHA), tmp_path / "a.png"))


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = ALPHA > 127
    expect(as_rgb(np.where(bits, np.uint8(255), np.uint8(0))), saved(PIL.Image.fromarray(bits), tmp_path / "a.png"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_gray_is_scaled_to_8_bits_and_rounded(suffix: str, tmp_path: Path) -> None:
    expected = np.rint(DEEP.astype(float) * 255 / 65535).astype(np.uint8)
    expect(as_rgb(expected), saved(PIL.Image.fromarray(DEEP), tmp_path / f"a{suffix}"))


def test_every_16_bit_level_is_rounded_to_the_nearest(tmp_path: Path) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = saved(PIL.Image.fromarray(levels), tmp_path / "a.png")
    expect(as_rgb(np.rint(levels.astype(float) * 255 / 65535).astype(np.uint8)), path)


def test_16_bit_gray_that_was_widened_from_8_bits_is_restored(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    expect(as_rgb(levels.astype(np.uint8)), saved(PIL.Image.fromarray(levels * 257), tmp_path / "a.png"))


def test_the_key_of_16_bit_gray_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(7, 5, DEEP.astype(">u2"), depth=16, kind=0, key=DEEP[0, 1:2].astype(">u2").tobytes()))
    expected = np.rint(DEEP / 257).astype(np.uint8)
    expected[0, 1] = 255
    expect(as_rgb(expected), path)


def test_white_is_zero_16_bit_tiff_is_inverted(tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(DEEP), tmp_path / "a.tif", tiffinfo={262: 0})
    expect(as_rgb(np.rint((65535 - DEEP) / 257).astype(np.uint8)), path)


def test_12_bit_tiff_is_scaled_by_its_own_white(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(twelve_bit_tiff([[0, 1, 4094, 4095], [2048, 16, 8, 9]]))
    expected = np.rint(np.array([[0, 1, 4094, 4095], [2048, 16, 8, 9]]) * 255 / 4095).astype(np.uint8)
    expect(as_rgb(expected), path)


def twelve_bit_tiff(rows: list[list[int]]) -> bytes:
    strip = b"".join(
        ((a << 12) | b).to_bytes(3, "big") for row in rows for a, b in zip(row[::2], row[1::2], strict=True)
    )
    tags = [(256, len(rows[0])), (257, len(rows)), (258, 12), (259, 1), (262, 1), (273, 0), (277, 1), (278, len(rows))]
    tags.append((279, len(strip)))
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + strip


def test_16_bit_rgb_png_keeps_the_high_byte(tmp_path: Path) -> None:
    deep = RNG.integers(256, 65536, (5, 7, 3)).astype(">u2")
    path = tmp_path / "a.png"
    path.write_bytes(png(7, 5, deep, depth=16, kind=2))
    expect((deep // 256).astype(np.uint8), path)


def packed(samples: np.ndarray, depth: int) -> np.ndarray:
    """Return rows of samples, whose number of samples fills whole bytes, as a PNG holds them."""
    bits = (samples[..., np.newaxis] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(samples), -1), axis=1)


@pytest.mark.parametrize("stray", [0, 0xFF00], ids=["plain key", "key with stray high bits"])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_key_of_gray_becomes_white_at_every_depth(depth: int, stray: int, tmp_path: Path) -> None:
    """The key is on the samples' own scale, and only as many of its bits count as a sample has (PNG, 11.3.1.1)."""
    samples = RNG.integers(0, 2**depth, (6, 16))
    for key in {0, 1, int(samples[2, 3]), 2**depth - 1}:
        path = tmp_path / f"{key}.png"
        content = png(16, 6, packed(samples, depth), depth=depth, kind=0, key=struct.pack(">H", key | stray))
        path.write_bytes(content)
        gray = (samples * 255 // (2**depth - 1)).astype(np.uint8)
        expect(as_rgb(np.where(samples == key, np.uint8(255), gray)), path)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparency_of_a_palette_is_laid_over_white_at_every_depth(depth: int, tmp_path: Path) -> None:
    colors = RNG.integers(0, 256, (2**depth, 3), dtype=np.uint8)
    alpha = RNG.integers(0, 256, 2**depth, dtype=np.uint8)
    indices = RNG.integers(0, 2**depth, (6, 16))
    path = tmp_path / "a.png"
    palette = [(b"PLTE", colors.tobytes()), (b"tRNS", alpha.tobytes())]
    path.write_bytes(png(16, 6, packed(indices, depth), depth=depth, kind=3, before=palette))
    expect(over_white(colors[indices], alpha[indices]), path)


@pytest.mark.parametrize("turned", [False, True], ids=["upright", "turned"])
@pytest.mark.parametrize("interlaced", [False, True], ids=["plain", "interlaced"])
def test_the_key_of_16_bit_rgb_becomes_white_where_all_16_bits_match(
    interlaced: bool, turned: bool, tmp_path: Path
) -> None:
    deep = RNG.integers(256, 65536, (5, 7, 3)).astype(">u2")
    deep[1, 1] = deep[2, 2] = deep[0, 0]
    deep[2, 2, 1] ^= 1  # not the key: one level of 65535 away
    path = tmp_path / "a.png"
    orientation = [(b"eXIf", exif_of(6))] if turned else []
    content = png(7, 5, deep, depth=16, kind=2, key=deep[0, 0].tobytes(), before=orientation)
    path.write_bytes(as_interlaced(content, deep) if interlaced else content)
    expected = (deep // 256).astype(np.uint8)
    expected[0, 0] = expected[1, 1] = 255
    expect(UPRIGHT[6 if turned else 1](expected), path)


def as_interlaced(content: bytes, samples: np.ndarray) -> bytes:
    """Return the PNG with its pixels in the seven passes of Adam7."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[top::down, left::across] for top, left, down, across in passes]
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for part in parts for row in part if part.size))
    middle = content[33 : content.index(b"IDAT") - 4]
    return content[:8] + chunk(b"IHDR", content[16:28] + b"\1") + middle + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_16_bit_rgb_tiff_keeps_the_high_byte(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")  # comes with scikit-image
    deep = RNG.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    expect((deep >> 8).astype(np.uint8), tmp_path / "a.tif")


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(DEEP.astype(np.float32) / 65535, id="float"),
        pytest.param(DEEP.astype(np.int32), id="32-bit integer"),
    ],
)
def test_samples_without_a_known_white_are_refused(values: np.ndarray, tmp_path: Path) -> None:
    path = saved(PIL.Image.fromarray(values), tmp_path / "a.tif")
    with pytest.raises(UnreadableImage, match=r"^a\.tif: .* nothing says which value is white$"):
        read_pixels(path)


def tiff(samples: np.ndarray, sample_format: int) -> bytes:
    """Return an uncompressed little-endian TIFF of samples (H, W, C) with a declared SampleFormat."""
    height, width, channels = samples.shape
    data = samples.tobytes()
    tags = {256: width, 257: height, 258: samples.itemsize * 8, 259: 1, 262: 2 if channels == 3 else 1}
    tags |= {277: channels, 278: height, 279: len(data), 339: sample_format}
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    repeated = b"".join(struct.pack("<3H", *[tags[tag]] * 3) for tag in (258, 339))
    entries = b""
    for tag, value in sorted((tags | {273: start + len(repeated)}).items()):
        if tag in {258, 339} and channels == 3:
            entries += struct.pack("<HHII", tag, 3, 3, start + (0 if tag == 258 else 6))
        else:
            entries += struct.pack("<HHII", tag, 4, 1, value)
    return b"II*\0" + struct.pack("<IH", 8, len(tags) + 1) + entries + bytes(4) + repeated + data


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["i1", "<i2", "<i4", "<f2", "<f4", "<f8", "<u4", "<i8"])
def test_a_tiff_of_signed_wide_or_float_samples_is_refused(kind: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(RNG.integers(0, 100, (5, 7, channels)).astype(kind), {"i": 2, "f": 3, "u": 1}[kind[-2]]))
    with pytest.raises(UnreadableImage, match=r"^a\.tif: "):
        read_pixels(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_that_says_its_samples_are_unsigned_is_read(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    samples = RNG.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    path.write_bytes(tiff(samples, 1))
    expect(np.broadcast_to(samples, (5, 7, 3)), path)


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_signed_samples_is_refused(channels: int, suffix: str, tmp_path: Path) -> None:
    image = PIL.Image.fromarray(np.asarray(NOISE)[..., 0] if channels == 1 else np.asarray(NOISE))
    path = saved(image, tmp_path / f"a{suffix}", irreversible=False)
    expect(np.broadcast_to(np.asarray(image).reshape(64, 64, channels), (64, 64, 3)), path)
    content = bytearray(path.read_bytes())
    size = content.index(b"\xff\x4f\xff\x51")
    content[size + 42] |= 0x80  # the sign of the first component, in its Ssiz
    path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"signed .* nothing says which value is white$"):
        read_pixels(path)


def test_cmyk_jpeg_is_converted_plainly(tmp_path: Path) -> None:
    ink = np.full((16, 16, 4), (255, 0, 128, 51), np.uint8)
    path = saved(PIL.Image.fromarray(ink, "CMYK"), tmp_path / "a.jpg", quality=100)
    c, m, y, k = np.asarray(PIL.Image.open(path)).astype(int).transpose(2, 0, 1)
    expected = np.rint(np.dstack([(255 - c) * (255 - k), (255 - m) * (255 - k), (255 - y) * (255 - k)]) / 255)
    actual = read_pixels(path)
    assert actual.shape == (16, 16, 3)
    assert np.abs(actual - expected).max() <= 1
    assert np.abs(actual - np.array([0, 204, 102])).max() <= 3


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_the_first_frame_counts(suffix: str, tmp_path: Path) -> None:
    frames = [PIL.Image.new("RGB", (9, 6), color) for color in ((250, 10, 20), (0, 0, 255), (0, 255, 0))]
    options: dict[str, object] = {"lossless": True} if suffix == ".webp" else {}
    path = saved(frames[0], tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **options)
    with PIL.Image.open(path) as animation:
        assert animation.n_frames == 3
    expect(np.full((6, 9, 3), (250, 10, 20), np.uint8), path)


NOISE = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))


SUFFIXES_CUT = [
    ".png",
    ".jpg",
    ".webp",
    ".avif",
    ".gif",
    ".bmp",
    ".ppm",
    ".tif",
    ".jp2",
    ".heic",
    ".jxl",
    ".tga",
    ".qoi",
]


@pytest.mark.parametrize("suffix", SUFFIXES_CUT)
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.01])
def test_truncated_files_are_refused(suffix: str, kept: float, tmp_path: Path) -> None:
    path = saved(NOISE, tmp_path / f"cut{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UnreadableImage, match=rf"^cut\{suffix}: \S"):
        read_pixels(path)


def test_one_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    path = saved(NOISE, tmp_path / "flipped.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match=r"^flipped\.png: "):
        read_pixels(path)


@pytest.mark.parametrize("read", [read_pixels, image_size])
@pytest.mark.parametrize("size", [(9460, 9460), (60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_by_their_header(
    size: tuple[int, int], read: Callable[[Path], object], tmp_path: Path
) -> None:
    assert size[0] * size[1] > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, np.zeros((1, 1), np.uint8), depth=8, kind=2))
    with pytest.raises(UnreadableImage, match=rf"^bomb\.png: larger than the limit of {MAX_PIXELS} pixels$"):
        read(path)


@pytest.mark.parametrize("read", [read_pixels, image_size])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "not an image, or its header is damaged", id="empty"),
        pytest.param(b"Dear reader, this is a letter.", "not an image, or its header is damaged", id="text"),
        pytest.param(None, "No such file or directory", id="missing"),
    ],
)
def test_what_is_no_image_is_refused(
    content: bytes | None, reason: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "letter.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert f"letter.png: {reason}" == str(caught.value)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"Is a directory$"):
        read_pixels(tmp_path)


def test_no_message_holds_a_folder(tmp_path: Path) -> None:
    for name, content in {"a.png": b"", "b.png": NOISE.tobytes(), "c.tif": b"II*\0\xff\xff\xff\xff"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImage) as caught:
            read_pixels(tmp_path / name)
        assert "/" not in str(caught.value)


def test_the_size_comes_from_the_header_alone(tmp_path: Path) -> None:
    path = saved(NOISE, tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:200])
    assert image_size(path) == (64, 64)


def test_the_digest_is_of_shape_and_bytes() -> None:
    assert hashlib.sha256(b"5x7x3\n" + COLOR.tobytes()).hexdigest() == pixel_digest(COLOR)
    assert pixel_digest(COLOR) == pixel_digest(np.asfortranarray(COLOR))
    assert pixel_digest(np.zeros((2, 8, 3), np.uint8)) != pixel_digest(np.zeros((4, 4, 3), np.uint8))


def test_the_digest_is_of_8_bit_rgb_only() -> None:
    with pytest.raises(ValueError, match="expected a uint8 image"):
        pixel_digest(COLOR.astype(float))
