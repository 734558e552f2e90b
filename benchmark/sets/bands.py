"""Measured bands: where in the spectrum the difference c(x) - x of a corruption c lies on real images x."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...analysis.spectrum import Third, Thirds, mean_thirds, power_spectrum, third_of, thirds
from ...corruptions.corruption import MINIMUM_SIDE, SEVERITIES
from ...corruptions.sets import ImageSet, SetError
from ...corruptions.table import FIFTEEN, corrupt, find, prepare
from ..store.files import write_whole
from ..store.provenance import describe

STORED = Path(__file__).with_name("measured") / "bands-kodak.csv"
"""The measurement on the 24 Kodak images that comes with the package."""

VERSION = 1
"""Of the file: rises when a column or its meaning changes."""

BANDS: Mapping[str, Third | Literal[""]] = {"low": "low", "medium": "medium", "high": "high", "": ""}
NUMBERS = ("mse", "centroid", "share_dc", "share_low", "share_medium", "share_high")

RESTS_ON = ("codecshift", "git", "python", "libraries", "sets", "corruptions")
"""The parts of a run's provenance that a measurement depends on."""


class MeasurementError(ValueError):
    """A file that holds no readable measurement; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One corruption at one severity: the mean over images of its power spectrum, in a few numbers.

    `mse` is in squared grey levels per sample, `centroid` in cycles per pixel, the shares from 0 to 1; `share_dc`, that
    of frequency 0, is part of `share_low`. `band` is the third of the band that the centroid lies in. Where nothing is
    changed, shares and centroid are NaN, and the band is "".
    """

    corruption: str
    severity: int
    mse: float
    centroid: float
    share_dc: float
    share_low: float
    share_medium: float
    share_high: float
    band: Third | Literal[""]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Rows by corruption and severity, and what they depend on, as in the provenance of a run."""

    provenance: Mapping[str, Any]
    rows: tuple[Measured, ...]

    def at(self, severity: int) -> dict[str, Measured]:
        """Return the rows of one severity by corruption."""
        return {row.corruption: row for row in self.rows if row.severity == severity}


def measure(
    images: ImageSet,
    corruptions: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    progress: Callable[[str, int, int], None] | None = None,
) -> Measurement:
    """Return the measured band of each corruption at each severity: a mean over the images of a set.

    Each image is corrupted as in a run, from the seed of its shot's name; the power of the difference, at full
    precision, is averaged over channels and images.

    Raises SetError for an image too small to be corrupted, or that is no longer what it was, and UnreadableImage.
    """
    for source in images.sources:
        if 0 < min(source.height, source.width) < MINIMUM_SIDE:
            raise SetError(
                f"{images.name}: {source.id} is {source.width}x{source.height}, "
                f"corruptions need at least {MINIMUM_SIDE} pixels per side"
            )
    prepare(corruptions)
    described = describe([images], corruptions, [])
    provenance = {key: described[key] for key in RESTS_ON}
    conditions = [(find(name).name, severity) for name in corruptions for severity in severities]
    powers: dict[tuple[str, int], list[Thirds]] = {condition: [] for condition in conditions}
    total = len(images.sources) * len(conditions)
    done = 0
    for source in images.sources:
        clean = images.load(source.id)
        for condition in conditions:
            shown = corrupt(clean, images.name, source.id, *condition)
            powers[condition].append(thirds(power_spectrum(np.subtract(shown, clean, dtype=np.int16))))
            done += 1
            if progress is not None:
                progress(f"measuring {images.name}", done, total)
    rows = tuple(_row(*condition, mean_thirds(of_images)) for condition, of_images in powers.items())
    return Measurement(provenance, rows)


def _row(corruption: str, severity: int, power: Thirds) -> Measured:
    shares = (power.share("dc"), power.share("low"), power.share("medium"), power.share("high"))
    band = "" if math.isnan(power.centroid) else third_of(power.centroid)
    return Measured(corruption, severity, power.mse, power.centroid, *shares, band)


def out_of_order(centroids: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of the fifteen, by name, whose centroids are in the opposite order of the paper's bands.

    Only the order of the bands is tested, low below medium below high, not where they end.
    """
    order = ("low", "medium", "high")
    ranks = {name: order.index(find(name).band) for name in FIFTEEN if name in centroids}
    return tuple(
        (lower, upper)
        for lower in ranks
        for upper in ranks
        if ranks[lower] < ranks[upper] and centroids[lower] >= centroids[upper]
    )


def write(measurement: Measurement, path: Path) -> None:
    """Write a measurement: a line "# " and its provenance in JSON, then CSV with six significant digits."""
    text = io.StringIO()
    head = {"version": VERSION, **measurement.provenance}
    text.write(f"# {json.dumps(head, sort_keys=True)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["corruption", "severity", *NUMBERS, "band"])
    writer.writerows(
        [f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values()]
        for row in measurement.rows
    )
    write_whole(path, text.getvalue().encode())


def read(path: Path = STORED) -> Measurement:
    """Return the measurement in a file that `write` made.

    Raises MeasurementError for another file, or one of another version, and OSError.
    """
    try:
        head, _, table = path.read_text(encoding="utf-8").partition("\n")
        provenance = json.loads(head.removeprefix("# "))
        version = provenance.pop("version")
        if version == VERSION:
            return Measurement(provenance, tuple(_parsed(csv.DictReader(io.StringIO(table)))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MeasurementError(f"{path.name} is not a measurement of bands: {error}") from error
    raise MeasurementError(f"{path.name} is version {version} of its format, expected {VERSION}: measure again")


def _parsed(lines: Iterable[Mapping[str, str]]) -> Iterable[Measured]:
    for line in lines:
        figures = {name: float(line[name]) for name in NUMBERS}
        if line["band"] not in BANDS:
            raise ValueError(f"unknown band {line['band']!r}")
        yield Measured(line["corruption"], int(line["severity"]), **figures, band=BANDS[line["band"]])
