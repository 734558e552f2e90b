"""A picture of the corruptions: one image under each corruption at each severity, grouped by band."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ...corruptions.corruption import Image
from ...corruptions.table import corrupt, find
from ..store.files import write_whole
from .order import Order

THUMBNAIL = 240
"""Pixels of the longer side of a thumbnail."""

PART = 2 / 3  # the part of each side that is shown, around the centre: zoom blur is visible only away from the centre
DETAIL, ZOOM = 40, 2  # side in pixels of the detail in the corner of each thumbnail, and its magnification
GAP = 6
LABELS = 170  # pixels, the column of names
HEADER = 58
BAND = 30
INK, FAINT, PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)


def preview(
    order: Order, path: Path, image: str = "", report: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Write a PNG of one image, by default the first of the set, under every condition of an order.

    The same order gives the same picture. Raises SetError for an image that is not in the set.
    """
    cv2.setNumThreads(1)
    images = order.images
    image = image or images.sources[0].id
    clean = images.load(image)
    names = list(dict.fromkeys(corruption for corruption, _ in order.conditions))
    severities = sorted({severity for _, severity in order.conditions})
    bands = list(dict.fromkeys(find(name).band for name in names))
    corner = busiest(clean)
    small = thumbnail(clean, corner)
    height, width = small.shape[:2]
    columns = 1 + len(severities)
    sheet_width = LABELS + columns * (width + GAP) + GAP
    sheet_height = HEADER + len(bands) * BAND + len(names) * (height + GAP) + GAP
    sheet = PIL.Image.new("RGB", (sheet_width, sheet_height), PAPER)
    draw = PIL.ImageDraw.Draw(sheet)
    large, plain = PIL.ImageFont.load_default(20), PIL.ImageFont.load_default(16)
    draw.text((GAP, GAP), f"{images.name}/{image}", INK, large)
    about = f"centre of the image, reduced; corner: {DETAIL}x{DETAIL} of its pixels, enlarged {ZOOM} times"
    draw.text((sheet.width - GAP, GAP), about, FAINT, plain, anchor="ra")
    lefts = [LABELS + place * (width + GAP) for place in range(columns)]
    for left, heading in zip(lefts, ["clean", *(f"severity {severity}" for severity in severities)], strict=True):
        draw.text((left + width / 2, HEADER - 4), heading, INK, plain, anchor="mb")
    top, done = HEADER, 0
    for band in bands:
        draw.text((GAP, top + BAND / 2), "extra" if band == "extra" else f"{band} band", INK, large, anchor="lm")
        draw.line((GAP, top + BAND - 3, sheet.width - GAP, top + BAND - 3), FAINT)
        top += BAND
        for name in (name for name in names if find(name).band == band):
            draw.text((LABELS - GAP, top + height / 2), name, INK, plain, anchor="rm")
            sheet.paste(PIL.Image.fromarray(small), (lefts[0], top))
            for left, severity in zip(lefts[1:], severities, strict=True):
                shown = corrupt(clean, images.name, image, name, severity)
                sheet.paste(PIL.Image.fromarray(thumbnail(shown, corner)), (left, top))
                done += 1
                report(done, len(names) * len(severities))
            top += height + GAP
    content = io.BytesIO()
    sheet.save(content, "PNG")
    write_whole(path, content.getvalue())


def thumbnail(image: Image, corner: tuple[int, int]) -> Image:
    """Return the centre of an image (H, W, 3), its longer side reduced to THUMBNAIL pixels by averaging over areas.

    The lower right corner shows the DETAIL x DETAIL pixels at `corner` (top, left), enlarged, because blocks and light
    noise are smaller than a pixel of the thumbnail.
    """
    height, width = (round(side * PART) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    middle = PIL.Image.fromarray(image[top : top + height, left : left + width])
    scale = THUMBNAIL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = middle.resize(size, PIL.Image.Resampling.BOX)
    detail = image[corner[0] : corner[0] + DETAIL, corner[1] : corner[1] + DETAIL]
    large = PIL.Image.fromarray(detail.repeat(ZOOM, 0).repeat(ZOOM, 1))
    place = (small.width - large.width, small.height - large.height)
    small.paste(PAPER, (place[0] - 2, place[1] - 2, small.width, small.height))
    small.paste(large, place)
    return np.asarray(small)


def busiest(image: Image) -> tuple[int, int]:
    """Return (top, left) of the DETAIL x DETAIL part of an image with the most contrast."""
    height, width = image.shape[:2]
    corners = [
        (top, left)
        for top in range(0, max(1, height - DETAIL + 1), DETAIL // 2)
        for left in range(0, max(1, width - DETAIL + 1), DETAIL // 2)
    ]

    def contrast(corner: tuple[int, int]) -> float:
        top, left = corner
        return float(image[top : top + DETAIL, left : left + DETAIL].std())

    return max(corners, key=contrast)
