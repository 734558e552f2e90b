"""MS-SSIM, the multi-scale structural similarity of two images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.uint16]
Floats = NDArray[np.float32]

MS_SSIM_SMALLEST = 161
"""Pixels a side: the 11-tap window must still fit at a sixteenth of the size."""

# Wang, Simoncelli & Bovik, "Multi-scale structural similarity for image quality assessment", 2003.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_CACHE_LINE = 64  # bytes


@dataclass(frozen=True, slots=True)
class _Level:
    """One scale of a reference: its pixels, and the mean and the variance plus C2 / 2 under each window.

    Both are laid out in strips, see the kernel.
    """

    strips: Field
    moments: Floats


class Prepared:
    """An image with what MS-SSIM needs, computed once and used for every comparison.

    `fields` are the five scales, none if the image is too small for them (a side under 161 pixels). Their pixels are
    sums, not means, of those of the image: whole numbers, and so exact. The constants of MS-SSIM grow with them.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.fields = tuple(_fields(image)) if min(image.shape[:2]) >= MS_SSIM_SMALLEST else ()
        # Variances are differences of large numbers. Subtracting the mean colour first loses the fewest bits of single
        # precision, and none for a flat picture.
        self._color = np.array([round(mean) for mean in cv2.mean(image)[:3]], np.float32)
        self._levels: tuple[_Level, ...] | None = None

    @property
    def levels(self) -> tuple[_Level, ...]:
        """The scales as a reference has them, computed when the first image is compared with this one."""
        if self._levels is None:
            self._levels = tuple(_level(field, self.color(scale), scale) for scale, field in enumerate(self.fields))
        return self._levels

    def color(self, scale: int) -> Floats:
        """Return the mean colour, in whole numbers, as a row of a strip of a scale."""
        from . import ms_ssim_kernel as kernel  # noqa: PLC0415 - importing is free

        return np.resize(self._color * 4**scale, kernel.COVERED)


class Bare(Prepared):
    """An image without `fields` and `levels`, which takes no time to prepare and has no MS-SSIM."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.fields = ()
        self._levels = ()


def ms_ssim(first: Prepared, second: Prepared) -> float | None:
    """Return the multi-scale structural similarity of two images of one shape, at most 1.

    Five scales, 11x11 Gaussian window of sigma 1.5, valid positions only, K1 = 0.01, K2 = 0.03, peak 255; per channel,
    then the mean over channels, negative factors set to zero: the definition of pytorch-msssim. None where a side is
    under 161 pixels, or an image is Bare. Raises ValueError when the shapes differ.
    """
    return ms_ssims(first, [second])[0]


def ms_ssims(image: Prepared, references: Sequence[Prepared]) -> list[float | None]:
    """Return the `ms_ssim` of an image with each reference. Two take less time together than one after the other."""
    if len(references) > 2:
        return ms_ssims(image, references[:2]) + ms_ssims(image, references[2:])
    for reference in references:
        if image.image.shape != reference.image.shape:
            shapes = f"{image.image.shape} and {reference.image.shape}"
            raise ValueError(f"expected two images of one shape, got {shapes}")
    if not references or not all(prepared.fields for prepared in (image, *references)):
        return [None] * len(references)
    from . import ms_ssim_kernel as kernel  # noqa: PLC0415 - importing is free

    memory = _aligned((7, kernel.SPACE), np.float32)
    pixels = _aligned((kernel.LINES, kernel.COVERED), np.float32)
    own = _aligned((1, kernel.BLOCK, 2, kernel.WIDTH), np.float32)
    first, last = references[0], references[-1]
    products = np.ones((2, 3))
    for scale, (field, weight) in enumerate(zip(image.fields, MS_SSIM_WEIGHTS, strict=True)):
        stable, bright = _constants(scale)
        colors = np.stack([prepared.color(scale) for prepared in (image, first, last)])
        levels = [(level.strips, level.moments) for level in (first.levels[scale], last.levels[scale])]
        sums = kernel.compare(
            field, stable, bright, colors, len(references), *levels[0], *levels[1], memory, pixels, own
        )
        windows = (field.shape[0] - 10) * (field.shape[1] // 3 - 10)
        products *= np.maximum(1 - sums / windows, 0) ** weight
    # Rounding may lift a value above 1 by a millionth.
    return [min(float(product.mean()), 1.0) for product in products[: len(references)]]


class MultiScale:
    """MS-SSIM as an instrument, for images with sides of at least 161 pixels."""

    def prepare(self, image: Image, /) -> Prepared:
        """Return the scales of an image."""
        return Prepared(image)

    def compare(self, reference: Prepared, seen: Prepared, /) -> float:
        """Return the MS-SSIM of two images of one shape; raise ValueError if they are too small."""
        return self.compare_with([reference], seen)[0]

    def compare_with(self, references: Sequence[Prepared], seen: Prepared, /) -> list[float]:
        """Return the MS-SSIM of an image with each reference; raise ValueError if they are too small."""
        values = [value for value in ms_ssims(seen, references) if value is not None]
        if len(values) < len(references):
            raise ValueError(f"expected images with sides of at least {MS_SSIM_SMALLEST} pixels")
        return values


def load() -> MultiScale:
    """Return the instrument."""
    return MultiScale()


def _constants(scale: int) -> tuple[np.float32, np.float32]:
    """Return C2 / 2 and C1 for sums of 4^scale pixels; the luminance, and so C1, is only used at the last scale."""
    is_last = scale == len(MS_SSIM_WEIGHTS) - 1
    return np.float32(_C2 / 2 * 16**scale), np.float32(_C1 * 16**scale if is_last else 0)


def _fields(image: Image) -> Iterator[Field]:
    from . import ms_ssim_kernel as kernel  # noqa: PLC0415 - importing is free

    field = image.astype(np.uint16, order="C").reshape(len(image), -1)
    yield field
    for _ in MS_SSIM_WEIGHTS[1:]:
        height, width = field.shape[0], field.shape[1] // 3
        half = np.empty(((height + 1) // 2, (width + 1) // 2 * 3), np.uint16)
        kernel.halve(field, half)
        yield half
        field = half


def _level(field: Field, color: Floats, scale: int) -> _Level:
    from . import ms_ssim_kernel as kernel  # noqa: PLC0415 - importing is free

    height, width = field.shape
    count = -(-(width - 30) // kernel.WIDTH)
    strips = _aligned((count, height, kernel.COVERED), np.uint16)
    moments = _aligned((count, height - 10, 2, kernel.WIDTH), np.float32)
    stable, _ = _constants(scale)
    kernel.prepare(field, color, stable, strips, moments, _aligned((5, kernel.SPACE), np.float32))
    return _Level(strips, moments)


def _aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array that begins with a cache line: a vector across two lines takes twice as long."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)
