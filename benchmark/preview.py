"""One picture of what the corruptions do: an image under each of them at each severity, grouped by band."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..corruptions.corruption import Image
from ..corruptions.table import CORRUPTIONS
from .generate import Order, corrupted

THUMBNAIL = 240
"""Pixels of the longer side of a thumbnail."""

PART = 2 / 3  # of each side is shown, from the centre: noise and blur survive the shrinking, and zoom blur its centre
GAP = 6
LABELS = 170  # pixels, the column of names
HEADER = 58
BAND = 30
INK, FAINT, PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


def preview(
    order: Order, path: Path, image: str = "", report: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Write a PNG of one image of an order, the set's first unless `image` names one, under all that is ordered.

    The same order gives the same picture. Raises SetError for an image that is not in the set.
    """
    cv2.setNumThreads(1)
    images = order.images
    image = image or images.sources[0].id
    clean = images.load(image)
    names = list(dict.fromkeys(corruption for corruption, _ in order.conditions))
    severities = sorted({severity for _, severity in order.conditions})
    bands = list(dict.fromkeys(CORRUPTIONS[name].band for name in names))
    small = thumbnail(clean)
    height, width = small.shape[:2]
    columns = 1 + len(severities)
    sheet = PIL.Image.new(
        "RGB",
        (
            LABELS + columns * (width + GAP) + GAP,
            HEADER + len(bands) * BAND + len(names) * (height + GAP) + GAP,
        ),
        PAPER,
    )
    draw = PIL.ImageDraw.Draw(sheet)
    large, plain = PIL.ImageFont.load_default(20), PIL.ImageFont.load_default(16)
    draw.text((GAP, GAP), f"{images.name}/{image}", INK, large)
    lefts = [LABELS + place * (width + GAP) for place in range(columns)]
    for left, heading in zip(lefts, ["clean", *(f"severity {severity}" for severity in severities)], strict=True):
        draw.text((left + width / 2, HEADER - 4), heading, INK, plain, anchor="mb")
    top, done = HEADER, 0
    for band in bands:
        draw.text((GAP, top + BAND / 2), "extra" if band == "extra" else f"{band} band", INK, large, anchor="lm")
        draw.line((GAP, top + BAND - 3, sheet.width - GAP, top + BAND - 3), FAINT)
        top += BAND
        for name in (name for name in names if CORRUPTIONS[name].band == band):
            draw.text((LABELS - GAP, top + height / 2), name, INK, plain, anchor="rm")
            sheet.paste(PIL.Image.fromarray(small), (lefts[0], top))
            for left, severity in zip(lefts[1:], severities, strict=True):
                shown = corrupted(images.name, clean, (image, name, severity))
                sheet.paste(PIL.Image.fromarray(thumbnail(shown)), (left, top))
                done += 1
                report(done, len(names) * len(severities))
            top += height + GAP
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        sheet.save(partial, "PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def thumbnail(image: Image) -> Image:
    """Return the centre of an image (H, W, 3), shrunk by the mean over areas to THUMBNAIL pixels on its longer side."""
    height, width = (round(side * PART) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    middle = PIL.Image.fromarray(image[top : top + height, left : left + width])
    scale = THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(middle.resize(size, PIL.Image.Resampling.BOX))
