"""Reading of image files: every format becomes 8-bit RGB, by the following rules.

- EXIF orientation is applied once. A file whose EXIF block cannot be parsed is read without rotation. In a PNG with
  several EXIF blocks, the first counts; blocks after the pixels do not count. HEIF and JPEG XL have their own
  orientation, and EXIF orientation is ignored in them.
- Alpha (RGBA, LA, transparency of a palette or a colour key) is composited over white: round((a*c + (255-a)*255)/255).
  A colour key is compared at the full depth of the file, 1 to 16 bits.
- Gray and palette images become RGB; a 1-bit image becomes black and white.
- 16-bit gray v becomes round(v*255/65535), and 12-bit gray TIFF becomes round(v*255/4095). For 16-bit colour and gray
  with alpha, Pillow returns the high byte, floor(v/256), which differs by at most one level. Both rules restore 8-bit
  pixels that were widened to 16 bits (v*257) exactly.
- 32-bit integer, signed and floating-point images are refused, because nothing in the file says which value is white.
- CMYK goes through Pillow's plain conversion. ICC profiles are ignored everywhere: samples are read as sRGB.
- Only the first frame of an animation or a multi-page file is read.
- A file with more than `MAX_PIXELS` pixels is refused by its header, before it is decoded; only JPEG XL files are
  decoded first, because their reader decodes on opening.
- Truncated and damaged files are refused if the format can detect the damage; a JPEG without checksums often cannot.
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
"""The largest image that is read, in pixels. It is Pillow's limit for decompression bombs: 256 MiB of RGB."""

SUFFIXES = frozenset({".apng", ".bmp", ".dib", ".gif", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"}) | {
    *(".avif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg"),
    *(".jpx", ".jxl", ".mpo", ".qoi", ".tga", ".webp"),
}
"""The file name endings of image files, in lower case."""

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "AVIF", "JPEG2000", "GIF", "BMP", "DIB", "PPM", "QOI")
"""The formats that Pillow reads by itself and the rules above cover. A file's content decides, not its ending."""

_PLUGIN_FORMATS = ("HEIF", "JXL")
"""The formats that Pillow reads with plugins, whose import takes a tenth of a second."""

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
"""The operation that undoes each EXIF orientation; from 5 on, height and width are swapped."""

_NO_WHITE = "nothing says which value is white"
_UNSIGNED = {1, 4}  # of TIFF's SampleFormat: unsigned, and undefined, which is read as unsigned


class UnreadableImage(ValueError):
    """A file cannot be read as an image; the message names the file (without its folder) and the reason."""


def read_pixels(path: Path) -> Image:
    """Return the pixels of an image file, uint8 (H, W, 3), RGB, by the rules in this module's docstring.

    Raises UnreadableImage for a file that is missing, not an image, damaged, too large, or of a kind that is refused.
    """
    with _opened(path) as picture:
        turn = None if picture.format == "TIFF" else _TURNS.get(_orientation(picture))  # Pillow rotates a TIFF itself
        if _is_signed(picture, path):
            raise ValueError(f"signed samples are not supported: {_NO_WHITE}")
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
    """Return the (height, width) that `read_pixels` would return, from the header alone.

    Raises UnreadableImage for a file that is missing, has no image header, or is too large.
    """
    with _opened(path) as picture:
        width, height = picture.size
        sideways = _orientation(picture) >= 5
        if picture.format == "TIFF":  # the size already includes the TIFF tag, but no orientation from elsewhere
            sideways &= getattr(picture, "tag_v2", {}).get(_ORIENTATION, 1) < 5
        return (width, height) if sideways else (height, width)


def pixel_digest(image: Image) -> str:
    """Return the sha256, in hex, of an image's pixels: of the line "HxWx3" followed by the bytes row by row.

    Raises ValueError for an array that is not uint8 (H, W, 3).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}")
    height, width, channels = image.shape
    return hashlib.sha256(f"{height}x{width}x{channels}\n".encode() + image.tobytes()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[PIL.Image.Image]:
    """Open an image file for a `with` block, and turn every error in the block into an UnreadableImage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, which does not matter to the caller; damaged pixels raise
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
            raise UnreadableImage(f"{path.name}: larger than the limit of {MAX_PIXELS} pixels") from error
        except MemoryError as error:
            raise UnreadableImage(f"{path.name}: does not fit into memory") from error
        except Exception as error:  # Pillow's readers may raise anything on a damaged file
            # The system's messages contain the whole path, which must not be stored in rows: keep only the reason.
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnreadableImage(f"{path.name}: {reason}") from error


def _open(path: Path) -> PIL.Image.Image:
    """Open an image file in one of the formats that the rules cover."""
    # TGA has no signature, so many other files could be mistaken for it.
    formats = (*_FORMATS, "TGA") if path.suffix.lower() == ".tga" else _FORMATS
    try:
        return PIL.Image.open(path, formats=formats)
    except PIL.UnidentifiedImageError:
        import pillow_heif  # noqa: PLC0415 - few files need it, and it takes a tenth of a second
        import pillow_jxl.JpegXLImagePlugin  # noqa: PLC0415 - the import registers JPEG XL with Pillow

        pillow_jxl.JpegXLImagePlugin.DECODE_THREADS = 0
        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()
        return PIL.Image.open(path, formats=_PLUGIN_FORMATS)


def _orientation(picture: PIL.Image.Image) -> int:
    """Return the orientation that is still to be applied, 1 (upright) if there is none or it cannot be read."""
    # Both readers rotate the image themselves, except for a JPEG XL file that they restore to its original JPEG.
    if picture.format == "HEIF" or (picture.format == "JXL" and not getattr(picture, "jpeg", False)):
        return 1
    try:
        # The PNG class's own getexif would decode the whole file in search of a block after the pixels.
        orientation = PIL.Image.Image.getexif(picture).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow may raise anything on a damaged EXIF block, but the pixels are fine
        return 1
    return orientation if orientation in _TURNS else 1


def _is_signed(picture: PIL.Image.Image, path: Path) -> bool:
    """Return whether the samples are signed or floating-point numbers that Pillow would read as unsigned ones."""
    if picture.format == "JPEG2000":
        return is_signed_jpeg2000(path)
    formats = getattr(picture, "tag_v2", {}).get(339, ())  # only a TIFF has tags
    return not _UNSIGNED.issuperset(formats)


def _with_key_as_alpha(picture: PIL.Image.Image, path: Path) -> PIL.Image.Image:
    """Return a decoded picture; for a PNG with a colour key, the key or an alpha channel fits its 8-bit samples.

    For 16-bit colours Pillow keeps only the high bytes. A pixel matches the key only if its low bytes match too.
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
        low.tile = [part._replace(args="RGB;16L") for part in low.tile]  # reads the second byte of each sample
        high_bytes, low_bytes = np.asarray(picture), np.asarray(low)
    matches = (np.equal(high_bytes, key >> 8) & np.equal(low_bytes, key & 255)).all(axis=-1)
    return PIL.Image.fromarray(np.dstack([high_bytes, np.where(matches, np.uint8(0), np.uint8(255))]))


def _from_deep_gray(picture: PIL.Image.Image, values: NDArray[Any]) -> Image:
    """Return gray `values` of more than 8 bits as RGB; raise ValueError if `picture` does not state their scale."""
    if picture.mode == "F":
        raise ValueError(f"floating-point images are not supported: {_NO_WHITE}")
    if picture.mode == "I" and picture.format not in {"PNG", "PPM"}:
        raise ValueError(f"32-bit images are not supported: {_NO_WHITE}")
    tags = getattr(picture, "tag_v2", {})  # only a TIFF has tags
    peak = 4095 if tags.get(258) == (12,) else 65535
    table = np.rint(np.arange(peak + 1) * 255 / peak).astype(np.uint8)
    if tags.get(262) == 0:  # white is zero, which Pillow inverts only for 8 bits
        table = table[::-1].copy()
    key = picture.info.get("transparency")
    if isinstance(key, int):
        table[key] = 255
    return np.repeat(table[values][..., np.newaxis], 3, axis=2)
