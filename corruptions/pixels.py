"""The one door through which pixels come in: an image file in, 8-bit RGB out, by declared rules.

- EXIF orientation is applied, once; a file whose EXIF block cannot be parsed is taken as it lies. Of several EXIF
  blocks in a PNG the first counts, and none that comes after the pixels. HEIF and JPEG XL have an orientation of their
  own, beside which EXIF does not count.
- Alpha (RGBA, LA, a palette's or a colour key's transparency) is composited over white: round((a*c + (255-a)*255)/255).
  A colour key is compared at the full depth of the file, 1 to 16 bits.
- Gray and palette images become RGB; a 1-bit image is black and white.
- 16-bit gray v becomes round(v*255/65535); 12-bit gray TIFF round(v*255/4095). Of 16-bit samples beside others
  (colour, gray with alpha) Pillow gives the high byte, floor(v/256), which is at most one level away. Both rules give
  8-bit pixels that were widened to 16 bits (v*257) back exactly.
- 32-bit integer, signed and floating-point images are refused: nothing in the file says which value is white.
- CMYK goes through Pillow's plain conversion. ICC profiles are ignored everywhere, so samples are taken as sRGB.
- Of an animation or a multi-page file the first frame counts.
- More than `MAX_PIXELS` pixels are refused by the header alone, before anything is decoded, except of JPEG XL, whose
  reader decodes a file when it opens it.
- Truncated and damaged files are refused wherever the format can tell; a JPEG without checksums often cannot.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Transpose

from .corruption import Image
from .headers import is_signed_jpeg2000, png_header

MAX_PIXELS = 89_478_485
"""The largest image that is read, in pixels: Pillow's bound, 256 MiB of RGB; a larger one is a decompression bomb."""

SUFFIXES = frozenset({".apng", ".bmp", ".dib", ".gif", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"}) | {
    *(".avif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg"),
    *(".jpx", ".jxl", ".mpo", ".qoi", ".tga", ".webp"),
}
"""The file name endings, in lower case, by which an image file is told from other files."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "JPEG2000", "GIF", "BMP", "DIB", "PPM", "QOI")
"""What Pillow reads by itself and the rules above cover; a file is told by its content, whatever its ending."""

_PLUGIN_FORMATS = ("HEIF", "JXL")
"""What Pillow reads once it is taught to, which takes a tenth of a second."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation; from 5 on, height and width change places."""

_NO_WHITE = "nothing says which value is white"
_UNSIGNED = {1, 4}  # of TIFF's SampleFormat: unsigned, and undefined, which is read as unsigned


class UnreadableImage(ValueError):
    """A file that holds no image we can read; the sentence names the file (without its folder) and the reason."""


def read_pixels(path: Path) -> Image:
    """Return the pixels of an image file, uint8 (H, W, 3), RGB, by the rules at the head of this file.

    Raises UnreadableImage for a file that is missing, not an image, damaged, too large, or of a kind that is refused.
    """
    with _opened(path) as picture:
        turn = None if picture.format == "TIFF" else _TURNS.get(_orientation(picture))  # Pillow turns that itself
        if _is_signed(picture, path):
            raise ValueError(f"signed samples are not read: {_NO_WHITE}")
        picture.load()
        if picture.mode == "F" or picture.mode.startswith("I"):
            turned = picture if turn is None else picture.transpose(turn)
            return _from_deep_gray(picture, np.asarray(turned))
        shown = _with_key_as_alpha(picture, path)
        turned = shown if turn is None else shown.transpose(turn)
        if not turned.has_transparency_data:
            return np.array(turned.convert("RGB"))
        pixels = np.asarray(turned.convert("RGBA")).astype(np.uint16)
        color, alpha = pixels[..., :3], pixels[..., 3:]
        return np.asarray((color * alpha + 255 * (255 - alpha) + 127) // 255, np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) as `read_pixels` would give them, from the header alone.

    Raises UnreadableImage for a file that is missing, has no image header, or is too large.
    """
    with _opened(path) as picture:
        width, height = picture.size
        sideways = _orientation(picture) >= 5
        if picture.format == "TIFF":  # its tag is in the size already, an orientation from elsewhere is not
            sideways &= getattr(picture, "tag_v2", {}).get(_ORIENTATION, 1) < 5
        return (width, height) if sideways else (height, width)


def pixel_digest(image: Image) -> str:
    """Return the sha256, in hex, of an image's pixels: of the line "HxWx3" and the bytes row by row.

    Raises ValueError for an array that is not uint8 (H, W, 3).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}")
    height, width, channels = image.shape
    return hashlib.sha256(f"{height}x{width}x{channels}\n".encode() + image.tobytes()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    """Open an image file, and turn whatever goes wrong with it inside the block into one UnreadableImage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is not the caller's business; damage to pixels raises
        try:
            with _open(path) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise PIL.Image.DecompressionBombError
                if picture.format == "PNG" and (exif := png_header(path).exif):
                    picture.info["exif"] = b"Exif\0\0" + exif
                yield picture
        except PIL.UnidentifiedImageError as error:
            raise UnreadableImage(f"{path.name}: not an image, or its header is damaged") from error
        except PIL.Image.DecompressionBombError as error:
            raise UnreadableImage(f"{path.name}: larger than the {MAX_PIXELS} pixels that are read") from error
        except MemoryError as error:
            raise UnreadableImage(f"{path.name}: does not fit into memory") from error
        except Exception as error:  # Pillow's readers let out whatever a damaged file makes them trip over
            # The system's messages carry the whole path, which must not reach a row: keep the reason alone.
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnreadableImage(f"{path.name}: {reason}") from error


def _open(path: Path) -> PIL.Image.Image:
    """Open an image file of a format that the rules cover."""
    # A TGA file does not say that it is one, so that much else can be taken for it.
    formats = (*_FORMATS, "TGA") if path.suffix.lower() == ".tga" else _FORMATS
    try:
        return PIL.Image.open(path, formats=formats)
    except PIL.UnidentifiedImageError:
        import pillow_heif  # noqa: PLC0415 - few files need it, and it takes a tenth of a second
        import pillow_jxl.JpegXLImagePlugin  # noqa: PLC0415 - importing it teaches Pillow to read JPEG XL

        pillow_jxl.JpegXLImagePlugin.DECODE_THREADS = 0
        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()
        return PIL.Image.open(path, formats=_PLUGIN_FORMATS)


def _orientation(picture: PIL.Image.Image) -> int:
    """Return the orientation that is still to be applied, 1 (upright) where there is none or it cannot be read."""
    # Both readers have turned the picture, unless they made of a JPEG XL file the JPEG that it was once.
    if picture.format == "HEIF" or (picture.format == "JXL" and not getattr(picture, "jpeg", False)):
        return 1
    try:
        # A PNG's own method would decode the whole file in search of a block behind the pixels, which does not count.
        orientation = PIL.Image.Image.getexif(picture).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a damaged EXIF block, of which Pillow raises anything, leaves the pixels whole
        return 1
    return orientation if orientation in _TURNS else 1


def _is_signed(picture: PIL.Image.Image, path: Path) -> bool:
    """Return whether the samples are signed or floating-point numbers that Pillow would take for unsigned ones."""
    if picture.format == "JPEG2000":
        return is_signed_jpeg2000(path)
    formats = getattr(picture, "tag_v2", {}).get(339, ())  # only a TIFF has tags
    return not _UNSIGNED.issuperset(formats)


def _with_key_as_alpha(picture: PIL.Image.Image, path: Path) -> PIL.Image.Image:
    """Return a decoded picture whose colour key, if it is a PNG with one, is on the scale of its 8-bit samples.

    Of 16-bit colours Pillow has kept the high bytes alone: where they match the key, the low ones decide.
    """
    if picture.format != "PNG" or picture.mode == "P" or "transparency" not in picture.info:
        return picture
    header = png_header(path)
    peak = 2**header.depth - 1
    key = np.frombuffer(header.transparency, ">u2") & peak
    if picture.mode != "RGB":
        picture.info["transparency"] = int(key[0]) * (255 // peak)
        return picture
    if header.depth < 16:
        picture.info["transparency"] = tuple(key.tolist())
        return picture
    with PIL.Image.open(path) as low:
        low.tile = [part._replace(args="RGB;16L") for part in low.tile]  # which takes the second byte of each two
        high_bytes, low_bytes = np.asarray(picture), np.asarray(low)
    matches = (np.equal(high_bytes, key >> 8) & np.equal(low_bytes, key & 255)).all(axis=-1)
    return PIL.Image.fromarray(np.dstack([high_bytes, np.where(matches, np.uint8(0), np.uint8(255))]))


def _from_deep_gray(picture: PIL.Image.Image, values: NDArray[Any]) -> Image:
    """Return gray `values` of more than 8 bits as RGB; `picture` says what they mean, or ValueError is raised."""
    if picture.mode == "F":
        raise ValueError(f"floating-point images are not read: {_NO_WHITE}")
    if picture.mode == "I" and picture.format not in {"PNG", "PPM"}:
        raise ValueError(f"32-bit images are not read: {_NO_WHITE}")
    tags = getattr(picture, "tag_v2", {})  # only a TIFF has tags
    peak = 4095 if tags.get(258) == (12,) else 65535
    table = np.rint(np.arange(peak + 1) * 255 / peak).astype(np.uint8)
    if tags.get(262) == 0:  # white is zero, which Pillow undoes for 8 bits only
        table = table[::-1].copy()
    key = picture.info.get("transparency")
    if isinstance(key, int):
        table[key] = 255
    return np.repeat(table[values][..., np.newaxis], 3, axis=2)
