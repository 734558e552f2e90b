"""MS-SSIM as an instrument of the table of measures."""

from __future__ import annotations

from .ms_ssim import Image, Prepared, ms_ssim


class MultiScale:
    """Multi-scale structural similarity of images with sides of at least 161 pixels."""

    def prepare(self, image: Image, /) -> Prepared:
        """Return the scales of an image with their local means and variances."""
        return Prepared(image)

    def compare(self, reference: Prepared, seen: Prepared, /) -> float:
        """Return the MS-SSIM of two images of one shape; raise ValueError if they are too small."""
        value = ms_ssim(seen, reference)
        if value is None:
            raise ValueError("expected images with sides of at least 161 pixels")
        return value


def load() -> MultiScale:
    """Return the instrument."""
    return MultiScale()
