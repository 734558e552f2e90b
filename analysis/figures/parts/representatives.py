"""What a figure shows where it cannot show all: the typical image, and the typical corruption of each band."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from ...conditions import BANDS, CLEAN
from ...matched import MATCHED_BPP, Near, nearest_to
from .material import Material

DEFAULT_ANCHORS = ("jpeg2000", "jpeg")


@dataclass(frozen=True, slots=True)
class Representatives:
    """The names of what is shown, and the sentence for the caption that says by which rule it was chosen."""

    names: tuple[str, ...]
    rule: str


def typical_image(material: Material, able: Collection[str]) -> Representatives:
    """Return the chosen image, or else the image with the median PSNR of the anchor on clean images.

    Only the images in `able` are considered. Without clean rows it is the middle one by name.
    """
    if material.chosen.image in able:
        return Representatives((material.chosen.image,), f"Image {material.chosen.image} was chosen.")
    near = _anchor(material)
    values = _by_mean(material, near, CLEAN, "image", "psnr")
    ordered = [name for name in values if name in able]
    if near is None or not ordered:
        image = _middle(sorted(able))
        return Representatives((image,), f"Image {image} is the middle one by name.")
    image = _middle(ordered)
    setting = f"{near.codec}:{near.point}"
    return Representatives((image,), f"Image {image} has the median PSNR of {setting} on clean images.")


def typical_corruptions(material: Material, severity: int, able: Sequence[str]) -> Representatives:
    """Return the chosen corruptions, or else one of each band: that under which the anchor has the median PSNR.

    The PSNR is against the clean images. Only the corruptions in `able` are considered.
    """
    if chosen := tuple(name for name in able if name in material.chosen.corruptions):
        return Representatives(chosen, f"Corruptions were chosen: {', '.join(chosen)}.")
    near = _anchor(material)
    values = _by_mean(material, near, severity, "corruption", "psnr_clean")
    names = []
    for band in BANDS:
        members = [name for name in able if material.bands[name] == band]
        if members:
            names.append(_middle([name for name in values if name in members] or members))
    if near is None:
        return Representatives(tuple(names), "Each band is represented by the middle one of its corruptions.")
    setting = f"{near.codec}:{near.point}"
    rule = f"Each band is represented by the corruption under which {setting} has the median PSNR against clean images."
    return Representatives(tuple(names), rule)


def _anchor(material: Material) -> Near | None:
    """Return the anchor's point nearest the matched rate; of a default anchor or of the first codec if it has none."""
    points = nearest_to(MATCHED_BPP, material.tabled(), within=math.inf)
    wanted = [material.anchor, *DEFAULT_ANCHORS, *points]
    return next((points[name] for name in wanted if name in points), None)


def _by_mean(material: Material, near: Near | None, at: str | int, by: str, measure: str) -> list[str]:
    """Return images or corruptions by the anchor's mean of a measure, ascending, under one corruption or severity."""
    if near is None:
        return []
    rows = material.tabled()
    rows = rows[(rows["codec"] == near.codec) & (rows["point"] == near.point) & (rows["status"] == "ok")]
    rows = rows[rows["corruption" if isinstance(at, str) else "severity"] == at]
    means: pd.Series[float] = rows.groupby(by)[measure].mean()
    return [str(name) for name in means.sort_index().sort_values(kind="stable").index]


def _middle(ordered: Sequence[str]) -> str:
    return ordered[(len(ordered) - 1) // 2]
