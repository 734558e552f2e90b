"""Aggregation rules by name: rows of single images into one line per cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .distortion import PEAK, psnr

CELL = ["set", "corruption", "severity", "codec", "point"]
RULES = {
    "n": "images measured",
    "n_failed": "images that failed or were skipped",
    "n_lossless": "images that came back unchanged; their PSNR is infinite and in no mean of decibels",
    "bpp_mean": "mean over images of bits per pixel",
    "bpp_corpus": "bits of all images over pixels of all images",
    "psnr_mean": "mean over images of PSNR in dB, without the infinite ones",
    "psnr_of_mse": "PSNR in dB of the mean over images of the mean squared error",
    "ms_ssim_mean": "mean over images of MS-SSIM, without those too small to have one",
    "encode_s": "median over images of the seconds to encode",
    "decode_s": "median over images of the seconds to decode",
}
"""What each column of `summarise` holds; `_clean` columns compare with the clean image, the others with the shown."""


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line per cell of a table of rows (columns as `benchmark.store.read` gives them).

    Columns: set, corruption, severity, codec, point, then those of RULES, with `_clean` variants, then `run`, the runs
    joined by a space. A mean over nothing is NaN.
    """
    ok = rows["status"] == "ok"
    bits, pixels = 8 * rows["nbytes"].astype("float64"), (rows["height"] * rows["width"]).astype("float64")
    flat = rows[[*CELL, "bpp", "encode_s", "decode_s"]].assign(
        ok=ok,
        failed=~ok,
        lossless=np.isposinf(rows["psnr"]),
        bits=bits.where(ok),
        pixels=pixels.where(ok),
        ms_ssim=rows["ms_ssim"],
        ms_ssim_clean=rows["ms_ssim_clean"],
        **{f"{name}_mse": PEAK**2 * 10 ** (-rows[name] / 10) for name in ("psnr", "psnr_clean")},
        **{name: rows[name].where(np.isfinite(rows[name])) for name in ("psnr", "psnr_clean")},
    )
    groups = flat.groupby(CELL, sort=False, observed=True)
    table = groups.agg(
        n=("ok", "sum"),
        n_failed=("failed", "sum"),
        n_lossless=("lossless", "sum"),
        bpp_mean=("bpp", "mean"),
        bits=("bits", "sum"),
        pixels=("pixels", "sum"),
        psnr_mean=("psnr", "mean"),
        psnr_of_mse=("psnr_mse", "mean"),
        ms_ssim_mean=("ms_ssim", "mean"),
        psnr_clean_mean=("psnr_clean", "mean"),
        psnr_clean_of_mse=("psnr_clean_mse", "mean"),
        ms_ssim_clean_mean=("ms_ssim_clean", "mean"),
        encode_s=("encode_s", "median"),
        decode_s=("decode_s", "median"),
    )
    for name in ("psnr_of_mse", "psnr_clean_of_mse"):
        table[name] = psnr(table[name] * 3, 1)  # a mean squared error is a summed one over three samples of one pixel
    table.insert(4, "bpp_corpus", table.pop("bits") / table.pop("pixels").where(table["n"] > 0))
    runs = rows.groupby(CELL, sort=False, observed=True)["run"].agg(lambda ids: " ".join(sorted(set(ids))))
    return table.join(runs).reset_index()
