"""Lossless codecs: one point each, so they have a rate and times and no rate curve."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .pillow import JpegXl, PillowCodec, libjxl
from .protocol import Point, Spec


@contextmanager
def png() -> Iterator[PillowCodec]:
    """Open PNG with deflate at its highest level; Pillow chooses the filter of each row."""
    yield PillowCodec("PNG", {"optimize": True, "compress_level": 9})


@contextmanager
def webp_lossless() -> Iterator[PillowCodec]:
    """Open libwebp's lossless coder at an effort of 1 s per megapixel; its highest takes 40 s for 0.6 % fewer bits."""
    yield PillowCodec("WEBP", {"lossless": True, "quality": 75, "method": 4, "exact": True})


@contextmanager
def jxl_lossless() -> Iterator[JpegXl]:
    """Open libjxl's lossless coder (Modular)."""
    yield JpegXl(libjxl(), {"lossless": True, "quality": 100, "effort": 7})


_HERE = "codecshift.codecs.lossless"
_PILLOW = "codecshift.codecs.pillow"


def _spec(name: str, identify: str, colour: str, effort: str, settings: str, hint: str = "") -> Spec:
    return Spec(
        name=name,
        load=f"{_HERE}:{name.replace('-', '_')}",
        identify=f"{_PILLOW}:identify_{identify}",
        points=(Point("lossless"),),
        chroma="4:4:4",
        colour=colour,
        effort=effort,
        settings=settings,
        lossless=True,
        hint=hint,
    )


SPECS = (
    _spec("png", "png", "RGB", "level 9", "deflate, adaptive filters"),
    _spec("webp-lossless", "webp", "RGB", "method 4, quality 75", "VP8L"),
    _spec("jxl-lossless", "jxl", "RGB or YCoCg", "effort 7", "Modular", "pip install pillow-jxl-plugin"),
)
