"""What figures need: for each need, a check whether it is missing and the command that measures it."""

from __future__ import annotations

import shlex

import numpy as np

from ...conditions import CLEAN
from ...matched import MATCHED_BPP
from ...rate import MINIMUM_POINTS
from .kind import Need
from .material import Material, matched_points


def _clean(material: Material) -> str:
    rows = material.rows
    if (lossy_rows(material) & (rows["corruption"] == CLEAN)).any():
        return ""
    ask = material.command("--corruption none", *([] if material.lossy() else ["--codec jpeg"]))
    return f"rows of a lossy codec on clean images are needed: {ask}"


def _shifted(material: Material) -> str:
    if (lossy_rows(material) & material.rows["corruption"].isin(list(material.bands))).any():
        return ""
    more = [] if material.lossy() else ["--codec jpeg"]
    ask = material.command("--corruption low --corruption medium --corruption high", *more)
    return f"rows of a lossy codec under corruptions are needed: {ask}"


def _rows(material: Material) -> str:
    return "" if not (_clean(material) and _shifted(material)) else _clean(material)


def _severities(material: Material) -> str:
    rows = material.rows[material.rows["corruption"].isin(list(material.bands))]
    if (rows.groupby("corruption")["severity"].nunique() > 1).any():
        return ""
    ask = material.command("--severity 1 --severity 3 --severity 5")
    return f"rows of one corruption at two or more severities are needed: {ask}"


def _matched(material: Material) -> str:
    if matched_points(material):
        return ""
    ask = material.command(f"--match bpp={MATCHED_BPP:g}")
    return f"a codec is needed that has a point within a factor of two of {MATCHED_BPP:g} bpp on clean images: {ask}"


def _comparison(material: Material) -> str:
    rows = material.rows[lossy_rows(material)]
    if (rows.groupby("codec")["point"].nunique() >= MINIMUM_POINTS).sum() > 1:
        return ""
    ask = material.command(*two_ladders(material))
    return f"an anchor and another codec are needed, each with at least {MINIMUM_POINTS} points: {ask}"


def two_ladders(material: Material) -> list[str]:
    """Return the options that name an anchor and another codec, taken from the rows if possible."""
    another = next((codec for codec in material.lossy() if codec != "jpeg2000"), "jpeg")
    return ["--codec jpeg2000", f"--codec {shlex.quote(another)}"]


def _neural(material: Material) -> str:
    variants = neural(material)
    if len(variants) > 1:
        return ""
    present = f"the file has only {variants[0]}" if variants else "the file has none"
    ask = material.command(*(f"--codec {name}" for name in ("hyperprior-cs", "hyperprior-lct-cs")))
    return f"rows of two neural codecs are needed, and {present}: {ask}"


def _images(material: Material) -> str:
    if material.pictures is None:
        return f"the images of the set are needed: codecshift figures {shlex.quote(material.file)} --data-dir DIR"
    return material.pictures.missing()


def spectra(*quantities: str) -> Need:
    """Return the need for spectra of some quantities, as `run --spectra` measures them."""

    def missing(material: Material) -> str:
        present = set(material.spectra["quantity"])
        lacking = [name for name in quantities if name not in present]
        if not lacking:
            return ""
        conditions = {"D": "--corruption none ", "image": "--corruption none "}
        where = "" if set(lacking) - set(conditions) else conditions[lacking[0]]
        return f"spectra are needed ({', '.join(lacking)}): {material.command(f'{where}--spectra')}"

    return Need(f"spectra {', '.join(quantities)}", missing)


def lossy_rows(material: Material) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows can be on a rate curve: measured, with a finite PSNR."""
    rows = material.rows
    return np.asarray((rows["status"] == "ok") & np.isfinite(rows["psnr"]), np.bool_)


def neural(material: Material) -> list[str]:
    """Return the neural codecs of the rows, without those of estimated rates."""
    names = [name for name in material.names() if material.codecs.get(name, {}).get("kind") == "neural"]
    return [name for name in names if not name.partition("@")[0].endswith("-est")]


ROWS = Need("rows", _rows)
CLEAN_ROWS = Need("rows on clean images", _clean)
SHIFTED_ROWS = Need("rows under corruptions", _shifted)
SEVERITIES = Need("two severities", _severities)
MATCHED_POINTS = Need(f"points near {MATCHED_BPP:g} bpp", _matched)
COMPARISON = Need("two codecs with rate curves", _comparison)
NEURAL = Need("two neural codecs", _neural)
IMAGES = Need("the images (--data-dir)", _images)
