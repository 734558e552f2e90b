"""The images of a shot: the clean one, and the one that codecs are shown."""

from __future__ import annotations

from ....corruptions.corruption import CLEAN, Image
from ....corruptions.sets import ImageSet
from ....corruptions.table import corrupt
from ...plan.plans import Shot


def load_clean(images: ImageSet, image: str) -> Image:
    """Return the pixels of an image of a set, read-only."""
    return _sealed(images.load(image))


def corrupted(shot: Shot, clean: Image) -> Image:
    """Return a clean image under the corruption of a shot, uint8 (H, W, 3)."""
    return corrupt(clean, shot.set, shot.image, shot.corruption, shot.severity)


def show(images: ImageSet, shot: Shot, clean: Image) -> Image:
    """Return what codecs are shown of a clean image, read-only: the stored file of a generated set where there is."""
    if shot.corruption == CLEAN:
        return clean
    stored = images.load_corrupted((shot.image, shot.corruption, shot.severity))
    return _sealed(corrupted(shot, clean) if stored is None else stored)


def _sealed(image: Image) -> Image:
    """Return the image, read-only: a codec that writes to its input fails, and cannot spoil other rows."""
    image.flags.writeable = False
    return image
