"""The logs of a training: two CSV files, which a resumed training continues without gaps, and their plot."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TRAINING_COLUMNS = ("step", "lambda", "loss", "bpp", "mse", "psnr", "ms_ssim", "aux", "lr", "sparsity", "seconds")
"""Columns of log.csv: means over the steps since the previous row; `lambda` is empty for a network for all rates."""

VALIDATION_COLUMNS = ("step", "lambda", "bpp_real", "psnr", "bpp_est", "loss")
"""Columns of valid.csv: means over the validation images, with real bytes and 8-bit pixels."""


def append(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, float | int | str]]) -> None:
    """Append rows to a CSV file, with a header if the file is new; NaN is written as an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if not path.exists() or not path.stat().st_size:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(row[column]) for column in columns])
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())


def drop_rows(path: Path, done: Mapping[str, int]) -> None:
    """Drop the rows after the `done` step of their lambda; keys of `done` are texts in the column, others have step 0.

    An incomplete last line, left by a killed process, is dropped too.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = lines[:1]
    for line in lines[1:]:
        fields = line.split(",")
        if line.endswith("\n") and len(fields) == len(lines[0].split(",")) and int(fields[0]) <= done.get(fields[1], 0):
            kept.append(line)
    if kept != lines:
        temporary = path.with_name(f".{path.name}")
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(path)


def read(path: Path) -> list[dict[str, float]]:
    """Return the rows of a CSV file as numbers; an empty field is NaN."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(value or "nan") for key, value in row.items()} for row in csv.DictReader(file)]


def draw(folder: Path, title: str) -> None:
    """Plot log.csv and valid.csv as loss.png: the loss over steps, and the real rate and PSNR of every save."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only saving draws
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)  # its methods are untyped in matplotlib
    loss, curve = figure.subplots(1, 2)
    for lam, rows in _by_lambda(read(folder / "log.csv")).items():
        loss.plot([row["step"] for row in rows], [row["loss"] for row in rows], lw=1, label=lam or "any lambda")
    loss.set(xlabel="step", ylabel="loss, lambda x distortion + bpp", yscale="log", title=title)
    for lam, rows in _by_lambda(read(folder / "valid.csv")).items():
        shade = [0.15 + 0.85 * (place + 1) / len(rows) for place in range(len(rows))]
        (line,) = curve.plot([row["bpp_real"] for row in rows], [row["psnr"] for row in rows], lw=0.6, label=lam)
        for row, alpha in zip(rows, shade, strict=True):
            curve.plot(row["bpp_real"], row["psnr"], "o", ms=4, color=line.get_color(), alpha=alpha)
    curve.set(xlabel="bpp, real bytes", ylabel="PSNR, dB", title="validation at every save (darker is later)")
    for axes in (loss, curve):
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend(title="lambda", fontsize="small")
    temporary = folder / ".loss.png"
    canvas.print_png(str(temporary))
    temporary.replace(folder / "loss.png")


def _by_lambda(rows: Sequence[Mapping[str, float]]) -> dict[str, list[Mapping[str, float]]]:
    grouped: dict[str, list[Mapping[str, float]]] = {}
    for row in rows:
        grouped.setdefault("" if math.isnan(row["lambda"]) else f"{row['lambda']:g}", []).append(row)
    return grouped


def _field(value: float | int | str) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)
