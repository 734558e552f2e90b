"""Header fields of image files that Pillow does not report: depth and EXIF of a PNG, signed samples of JPEG 2000."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_SIGNATURE = 8  # bytes before the first chunk
_CHECKSUM = 4  # bytes after every chunk
_LARGEST_CHUNK = 1 << 24  # bytes; a larger length means damage
_SOC_AND_SIZ = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream and of its first segment


class PngHeader(NamedTuple):
    """The bits per sample of a PNG, and its transparency and first EXIF block from the chunks before the pixels."""

    depth: int
    transparency: bytes
    exif: bytes


def png_header(path: Path) -> PngHeader:
    """Return the header fields in the chunks of a PNG before its pixels, b"" for a missing chunk; stop at damage.

    Pillow keeps the last of several EXIF blocks, and finds blocks after the pixels only while decoding the pixels.
    According to the standard (PNG, third edition, 11.3.3.5) there is one block, before the pixels. libpng also takes
    the first.
    """
    chunks: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(_SIGNATURE)
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name in {b"IDAT", b"IEND"}:
                break
            if name in {b"IHDR", b"tRNS", b"eXIf"} and length < _LARGEST_CHUNK:
                chunks.setdefault(name, file.read(length))
                length = 0
            file.seek(length + _CHECKSUM, 1)
    return PngHeader(chunks[b"IHDR"][8], chunks.get(b"tRNS", b""), chunks.get(b"eXIf", b""))


def is_signed_jpeg2000(path: Path) -> bool:
    """Return whether a component of a JPEG 2000 file has signed samples (Ssiz in ISO 15444-1, A.5.1).

    Pillow silently adds half of the range to such samples.
    """
    content = path.read_bytes()
    start = content.find(_SOC_AND_SIZ)
    if start < 0:
        return False
    (components,) = struct.unpack_from(">H", content, start + 40)
    return any(content[start + 42 + 3 * component] & 0x80 for component in range(components))
