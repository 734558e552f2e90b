"""What kinds of figures need, each said once: how to see that it lacks, and the command that would make it."""

from __future__ import annotations

import numpy as np

from ..matched import nearest_to
from ..ranking.point_tables import CLEAN
from ..rate import MINIMUM_POINTS
from .material import Evidence, Need, NothingToDraw

TARGET_BPP = 0.5
"""The rate on clean images that codecs are matched at, where a figure shows one point of each."""


def command(evidence: Evidence, *more: str) -> str:
    """Return the command that adds what lacks to the run file."""
    of = next(iter(evidence.rows["set"]), "SET")
    return " ".join(["codecshift run", f"--set {of}", *more, f"--out {evidence.file}"])


def require(evidence: Evidence, *needs: Need) -> None:
    """Raise NothingToDraw where something is needed that lacks."""
    for need in needs:
        if lacking := need.missing(evidence):
            raise NothingToDraw(lacking)


def _clean(evidence: Evidence) -> str:
    rows = evidence.rows
    if (lossy(evidence) & (rows["corruption"] == CLEAN[0])).any():
        return ""
    ask = command(evidence, "--corruption none --codec LABEL")
    return f"rows on clean images of a codec that is not lossless are needed: {ask}"


def _shifted(evidence: Evidence) -> str:
    if (lossy(evidence) & evidence.rows["corruption"].isin(list(evidence.bands))).any():
        return ""
    ask = command(evidence, "--corruption low --corruption medium --corruption high")
    return f"rows under corruptions of a codec that is not lossless are needed: {ask}"


def _rows(evidence: Evidence) -> str:
    return "" if not (_clean(evidence) and _shifted(evidence)) else _clean(evidence)


def _severities(evidence: Evidence) -> str:
    rows = evidence.rows[evidence.rows["corruption"].isin(list(evidence.bands))]
    if (rows.groupby("corruption")["severity"].nunique() > 1).any():
        return ""
    ask = command(evidence, "--severity 1 --severity 3 --severity 5")
    return f"a corruption at two severities or more is needed: {ask}"


def _matched(evidence: Evidence) -> str:
    if nearest_to(TARGET_BPP, evidence.tabled()):
        return ""
    ask = command(evidence, f"--match bpp={TARGET_BPP:g}")
    return f"a codec is needed that has a point within a factor of two of {TARGET_BPP:g} bpp on clean images: {ask}"


def _comparison(evidence: Evidence) -> str:
    rows = evidence.rows[lossy(evidence)]
    if (rows.groupby("codec")["point"].nunique() >= MINIMUM_POINTS).sum() > 1:
        return ""
    ask = command(evidence, "--codec jpeg2000 --codec LABEL")
    return f"an anchor and another codec with {MINIMUM_POINTS} points or more are needed: {ask}"


def _neural(evidence: Evidence) -> str:
    variants = neural(evidence)
    if len(variants) > 1:
        return ""
    there = f"only {variants[0]} is here" if variants else "none is here"
    ask = command(evidence, "--codec ARCH@FIXED --codec hyperprior-lct@FILE.safetensors --codec ARCH@PRUNED")
    return f"rows of two neural codecs are needed, {there}: {ask}"


def _images(evidence: Evidence) -> str:
    if evidence.pictures is None:
        return f"the images of the set are needed: codecshift figures {evidence.file} --data-dir DIR"
    return evidence.pictures.missing()


def spectra(*quantities: str) -> Need:
    """Return the need of spectra of some quantities, as `run --spectra` measures them."""

    def missing(evidence: Evidence) -> str:
        there = set(evidence.spectra["quantity"])
        lacking = [name for name in quantities if name not in there]
        if not lacking:
            return ""
        conditions = {"D": "--corruption none ", "image": "--corruption none "}
        where = "" if set(lacking) - set(conditions) else conditions[lacking[0]]
        return f"spectra are needed ({', '.join(lacking)}): {command(evidence, f'{where}--spectra')}"

    return Need(f"spectra {', '.join(quantities)}", missing)


def lossy(evidence: Evidence) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows have a place on a rate curve: measured, and of a finite PSNR."""
    rows = evidence.rows
    return np.asarray((rows["status"] == "ok") & np.isfinite(rows["psnr"]), np.bool_)


def neural(evidence: Evidence) -> list[str]:
    """Return the neural codecs of the rows, those of estimated rates apart."""
    names = [name for name in evidence.names() if evidence.codecs.get(name, {}).get("kind") == "neural"]
    return [name for name in names if not name.partition("@")[0].endswith("-est")]


ROWS = Need("rows", _rows)
CLEAN_ROWS = Need("rows on clean images", _clean)
SHIFTED_ROWS = Need("rows under corruptions", _shifted)
SEVERITIES = Need("two severities", _severities)
MATCHED_POINTS = Need(f"points near {TARGET_BPP:g} bpp", _matched)
COMPARISON = Need("two codecs with rate curves", _comparison)
NEURAL = Need("two neural codecs", _neural)
IMAGES = Need("the images (--data-dir)", _images)
