"""Pictures: an image under corruptions, and decoded by codecs, side by side with the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import CLEAN, CLEAN_CONDITION, Condition
from ..distortion import psnr, squared_error
from ..matched import Near
from .parts.kind import Drawing, Kind, used
from .parts.material import (
    AT_MATCHED_POINT,
    Image,
    Material,
    NothingToDraw,
    Pictures,
    labels_of,
    matched_points,
    rates_of,
    rows_at,
)
from .parts.needs import IMAGES, MATCHED_POINTS, SHIFTED_ROWS
from .parts.representatives import typical_corruptions, typical_image
from .parts.style import ERROR, ONE_COLUMN, SMALL, TINY, close_sheet, columns_of, pages, readable, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CROP = 96  # pixels a side of a crop
DETAIL = 48  # pixels a side of the detail in a corner of a whole picture
SHRUNK = 360  # pixels of the longer side of a whole picture
HIGHEST = 9.0  # inches of a page
CONDITIONS_A_PAGE = 3
FACTORS = (64, 32, 16, 8, 4, 2, 1)
"""The factors by which errors may be amplified; the first that keeps 99 % of them in range is used."""

Pixel = TypeVar("Pixel", bound=np.generic)
Corner = tuple[int, int]
"""(top, left) of a crop, in pixels."""


def dataset_examples(material: Material) -> tuple[Drawing, ...]:
    """Return one image under each corruption at one severity, with a detail at twice its size or more."""
    pictures = _pictures(material)
    severity = material.severity()
    rows = material.tabled()
    rows = rows[(rows["corruption"] == CLEAN) | (rows["severity"] == severity)]
    names = [name for name in material.corruptions() if (rows["corruption"] == name).any()]
    (image,), rule = astuple(typical_image(material, _images_of_all(rows)))
    clean = pictures.clean(image)
    corner = busiest(clean, DETAIL)
    panels = 1 + len(names)
    page = material.chosen.width
    columns = columns_of(panels, page)
    lines = -(-panels // columns)
    width = (page - 0.1) / columns
    height, across = clean.shape[:2]
    figure = close_sheet(page, 0.1 + lines * (0.96 * width * height / across + 0.2))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, name in zip(axes, [CLEAN, *names], strict=False):
        shown = clean if name == CLEAN else pictures.shown(image, name, severity)
        _show(axis, _shrunk(shown))
        _inset(axis, _crop(shown, corner, DETAIL), across / height)
        band = "" if name == CLEAN else f" ({material.bands[name]})"
        axis.set_title(f"{readable(name)}{band}", fontsize=SMALL, pad=2)
    for axis in axes[panels:]:
        axis.remove()
    note = f"{rule} The inset of each panel enlarges {DETAIL}x{DETAIL} of its pixels."
    part = rows[rows["image"] == image]
    about = f"An image under each corruption at severity {severity}, with the band of each corruption"
    return (Drawing(figure, used(len(part), material, f"image {image}, severity {severity}"), note, "", about),)


def reconstructions(material: Material) -> tuple[Drawing, ...]:
    """Return crops of an image under one corruption of each band as each codec decodes it, with maps of the errors."""
    pictures = _pictures(material)
    points = matched_points(material)
    severity = material.severity()
    rows = material.tabled()
    under = set(rows.loc[(rows["severity"] == severity) & (rows["status"] == "ok"), "corruption"])
    able = [name for name in material.corruptions() if name in under]
    names, corruption_rule = astuple(typical_corruptions(material, severity, able))
    image, image_rule, cells = _image_of_all(material, points, [(name, severity) for name in names])
    clean = pictures.clean(image)
    corner = busiest(clean, CROP)
    drawings = []
    for suffix, codecs, conditions in _picture_pages(material, points, [(name, severity) for name in names]):
        columns = 2 + len(codecs)
        width = _side(material, columns, len(conditions))
        figure = close_sheet(width * columns, _height(width, len(conditions)))
        axes = figure.subplots(2 * len(conditions), columns, squeeze=False)
        for axis, title in zip(
            axes[0],
            ["clean", "given", *(wrapped(material.label(codec), width, SMALL) for codec in codecs)],
            strict=True,
        ):
            axis.set_title(title, fontsize=SMALL, pad=3)
        for (name, at), above, below in zip(conditions, axes[::2], axes[1::2], strict=True):
            shown = pictures.shown(image, name, at)
            decoded = [pictures.decoded(image, name, at, codec, points[codec].point) for codec in codecs]
            for axis, picture in zip(above, [clean, shown, *decoded], strict=True):
                _show(axis, _crop(picture, corner, CROP))
            above[0].set_ylabel(f"{readable(name)}\n({material.bands[name]})", fontsize=SMALL)
            errors = [_errors(_crop(seen, corner, CROP), _crop(shown, corner, CROP)) for seen in decoded]
            factor = _factor(errors)
            _show(below[0], _shrunk(clean))
            _outline(below[0], corner, CROP, SHRUNK / max(clean.shape[:2]))
            shift = _errors(_crop(shown, corner, CROP), _crop(clean, corner, CROP))
            factors = [_factor([shift]), *(factor for _ in errors)]
            for axis, error, times in zip(below[1:], [shift, *errors], factors, strict=True):
                axis.imshow(error, cmap=ERROR, vmin=0, vmax=255 / times, interpolation="nearest")
                _bare(axis)
            below[0].set_ylabel(f"error x {factor}\n0 to {255 / factor:.0f} levels", fontsize=SMALL)
            decibels = float(psnr(squared_error(shown, clean), clean.shape[0] * clean.shape[1]))
            label = f"|given - clean| x {factors[0]}\n{decibels:.1f} dB"
            below[1].set_xlabel(label, fontsize=TINY, labelpad=2)
            for axis, codec in zip(below[2:], codecs, strict=True):
                row = cells[name, at, codec]
                label = f"{row['bpp']:.2f} bpp, {row['psnr']:.1f} dB\nagainst clean {row['psnr_clean']:.1f} dB"
                axis.set_xlabel(label, fontsize=TINY, labelpad=2)
        drawings.append(
            Drawing(
                figure,
                used(len(cells), material, f"image {image}, severity {severity}, {labels_of(points)}"),
                f"{corruption_rule} {image_rule} {rates_of(points)} "
                f"A crop of {CROP}x{CROP} pixels. The error maps show |decoded - given|, and below "
                "'given' |given - clean|: the mean over R, G and B in grey levels, times the factor beside each map. "
                "bpp and PSNR are of the whole image; PSNR is against the image given unless labelled otherwise.",
                suffix,
            )
        )
    return tuple(drawings)


def matched_example(material: Material) -> tuple[Drawing, ...]:
    """Return two crops of a clean image as each codec decodes it at its matched point."""
    pictures = _pictures(material)
    points = matched_points(material)
    image, rule, cells = _image_of_all(material, points, [CLEAN_CONDITION])
    clean = pictures.clean(image)
    first = busiest(clean, CROP)
    corners = [first, _next_busiest(clean, CROP, first)]
    drawings = []
    for suffix, codecs in pages(list(points), _codecs_a_page(material)):
        columns = 2 + len(codecs)
        width = _side(material, columns, 1)
        figure = close_sheet(width * columns, 2 * width + 0.45)
        axes = figure.subplots(2, columns, squeeze=False)
        decoded = [pictures.decoded(image, *CLEAN_CONDITION, codec, points[codec].point) for codec in codecs]
        titles = ["the image", "the original"]
        for codec in codecs:
            row = cells[*CLEAN_CONDITION, codec]
            point = f"{material.label(codec)} {points[codec].point}"
            titles.append(f"{wrapped(point, width, TINY)}\n{row['bpp']:.2f} bpp, {row['psnr']:.1f} dB")
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title, fontsize=SMALL if "\n" not in title else TINY, pad=3)
        for row, corner in zip(axes, corners, strict=True):
            _show(row[0], _shrunk(clean))
            _outline(row[0], corner, CROP, SHRUNK / max(clean.shape[:2]))
            for axis, picture in zip(row[1:], [clean, *decoded], strict=True):
                _show(axis, _crop(picture, corner, CROP))
        chosen = used(len(cells), material, f"clean image {image}, {labels_of(points)}")
        note = f"{rule} {rates_of(points)} Two crops of {CROP}x{CROP} pixels. bpp and PSNR are of the whole image."
        drawings.append(Drawing(figure, chosen, note, suffix))
    return tuple(drawings)


# --- what is shown


def _pictures(material: Material) -> Pictures:
    assert material.pictures is not None  # noqa: S101 - the need IMAGES ensures it
    return material.pictures


def _codecs_a_page(material: Material) -> int:
    """Return how many codecs stand side by side, in columns about an inch wide."""
    return max(1, int(material.chosen.width / 1.02) - 2)


def _side(material: Material, columns: int, conditions: int) -> float:
    """Return the side of a crop in inches, such that a page is no wider than asked for and no higher than HIGHEST."""
    highest = ((HIGHEST - 0.35) / conditions - 0.17) / 2
    return min(material.chosen.width / max(columns, 5 if material.chosen.width > ONE_COLUMN else 3), highest)


def _height(side: float, conditions: int) -> float:
    return conditions * (2 * side + 0.17) + 0.35


def _picture_pages(
    material: Material, points: Mapping[str, Near], conditions: Sequence[Condition]
) -> list[tuple[str, list[str], Sequence[Condition]]]:
    """Return the pages of a figure as (suffix, codecs, conditions), with few enough of both for a page."""
    batches = [conditions[start : start + CONDITIONS_A_PAGE] for start in range(0, len(conditions), CONDITIONS_A_PAGE)]
    split = [(codecs, batch) for batch in batches for _, codecs in pages(list(points), _codecs_a_page(material))]
    return [(str(number) if len(split) > 1 else "", *page) for number, page in enumerate(split, start=1)]


def _images_of_all(rows: pd.DataFrame) -> set[str]:
    """Return the images that are in the rows of every corruption, or all images if none is."""
    counts = rows.groupby("image")["corruption"].nunique()
    return set(counts.index[counts == rows["corruption"].nunique()]) or set(counts.index)


def _image_of_all(
    material: Material, points: Mapping[str, Near], conditions: Sequence[Condition]
) -> tuple[str, str, dict[tuple[str, int, str], pd.Series[Any]]]:
    """Return the typical image of those with a row of every codec's point under every condition, and those rows.

    Between the two is the sentence that says why it is this image.
    """
    rows = material.tabled()
    rows = rows[rows["status"] == "ok"]
    rows = rows_at(rows, points)
    rows = rows[[pair in conditions for pair in zip(rows["corruption"], rows["severity"], strict=True)]]
    counts = rows.groupby("image").size()
    whole = {str(image) for image in counts.index[counts == len(points) * len(conditions)]}
    if whole:
        (image,), rule = astuple(typical_image(material, whole))
        part = rows[rows["image"] == image]
        cells = {(str(row["corruption"]), int(row["severity"]), str(row["codec"])): row for _, row in part.iterrows()}
        return image, rule, cells
    raise NothingToDraw(
        f"an image is needed with rows of {labels_of(points)} under "
        f"{', '.join(f'{name}@{severity}' for name, severity in conditions)}: {material.command()}"
    )


def busiest(image: Image, side: int) -> Corner:
    """Return the corner of the most detailed square of an image, at most `side` pixels wide."""
    return _by_detail(image, side)[0]


def _next_busiest(image: Image, side: int, first: Corner) -> Corner:
    """Return the corner of the most detailed square that does not overlap the first, or the first if all do."""
    corners = _by_detail(image, side)
    return next((corner for corner in corners if np.abs(np.subtract(corner, first)).max() >= side), first)


def _by_detail(image: Image, side: int) -> list[Corner]:
    height, width = image.shape[:2]
    step = side // 2
    # The borders of scans look detailed, but are not part of the photograph.
    margin = step if min(height, width) >= 3 * side else 0
    corners = [
        (top, left)
        for top in range(margin, max(margin, height - side - margin) + 1, step)
        for left in range(margin, max(margin, width - side - margin) + 1, step)
    ]
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float64)
    detail = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    return sorted(corners, key=lambda corner: -float(_crop(detail, corner, side).mean()))


def _crop(image: NDArray[Pixel], corner: Corner, side: int) -> NDArray[Pixel]:
    top, left = corner
    return image[top : top + side, left : left + side]


def _shrunk(image: Image) -> Image:
    scale = SHRUNK / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _errors(first: Image, second: Image) -> NDArray[np.float64]:
    """Return the mean over channels of the absolute difference, in grey levels."""
    return np.asarray(np.abs(first.astype(np.float64) - second).mean(axis=2), np.float64)


def _factor(errors: Sequence[NDArray[np.float64]]) -> int:
    highest = float(np.percentile(np.stack(errors), 99))
    return next((factor for factor in FACTORS if highest * factor <= 255), 1)


# --- how it is drawn


def _show(axis: Axes, image: Image) -> None:
    axis.imshow(image, interpolation="nearest")
    _bare(axis)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_linewidth(0.4)


def _inset(axis: Axes, detail: Image, aspect: float) -> None:
    side = 0.36
    inset = axis.inset_axes((1 - side / max(1.0, aspect), 0, side / max(1.0, aspect), side * min(1.0, aspect)))
    _show(inset, detail)
    for spine in inset.spines.values():
        spine.set_edgecolor("white")
        spine.set_linewidth(1.0)


def _outline(axis: Axes, corner: Corner, side: int, scale: float) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - heavy

    scale = min(1.0, scale)
    place = (corner[1] * scale, corner[0] * scale)
    for colour, width in (("black", 1.8), ("white", 0.8)):
        axis.add_patch(Rectangle(place, side * scale, side * scale, fill=False, ec=colour, lw=width))


_REMADE = "Pixels are recomputed from the names in the run file and agree with its byte counts and squared errors."

KINDS = (
    Kind(
        name="dataset-examples",
        about="An image under each corruption",
        rule=_REMADE,
        needs=(SHIFTED_ROWS, IMAGES),
        plot=dataset_examples,
    ),
    Kind(
        name="reconstructions",
        about="An image under one corruption of each band as each codec decodes it, with maps of the errors",
        rule=f"{AT_MATCHED_POINT}{_REMADE}",
        needs=(SHIFTED_ROWS, MATCHED_POINTS, IMAGES),
        plot=reconstructions,
    ),
    Kind(
        name="matched-example",
        about="A clean image as each codec decodes it at a matched rate",
        rule=f"{AT_MATCHED_POINT}{_REMADE}",
        needs=(MATCHED_POINTS, IMAGES),
        plot=matched_example,
    ),
)
