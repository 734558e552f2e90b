"""Measured bands: which frequencies the difference c(x) - x of a corruption c has on real images x."""

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
"""The format version of the file; it rises when a column or its meaning changes."""

BANDS: Mapping[str, Third | Literal[""]] = {"low": "low", "medium": "medium", "high": "high", "": ""}
NUMBERS = ("mse", "centroid", "share_dc", "share_low", "share_medium", "share_high")

RESTS_ON = ("codecshift", "git", "python", "libraries", "sets", "corruptions")
"""The parts of a run's provenance that a measurement depends on."""


class MeasurementError(ValueError):
    """A file without a readable measurement; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One corruption at one severity: a summary of its mean power spectrum over images.

    `mse` is in squared grey levels per sample, `centroid` in cycles per pixel, and the shares are from 0 to 1.
    `share_dc`, the share of frequency 0, is included in `share_low`. `band` is the third of the spectrum that contains
    the centroid. If the corruption changes nothing, shares and centroid are NaN and the band is "".
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
    """One row per corruption and severity, and the provenance of the measurement, as for a run."""

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

    Each image is corrupted as in a run, with the seed of its shot. The power of the unclipped difference is averaged
    over channels and images.

    Raises SetError for an image that is too small to be corrupted or that has changed, and UnreadableImage.
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
    rows = tuple(_row(*condition, mean_thirds(image_powers)) for condition, image_powers in powers.items())
    return Measurement(provenance, rows)


def _row(corruption: str, severity: int, power: Thirds) -> Measured:
    shares = (power.share("dc"), power.share("low"), power.share("medium"), power.share("high"))
    band = "" if math.isnan(power.centroid) else third_of(power.centroid)
    return Measured(corruption, severity, power.mse, power.centroid, *shares, band)


def out_of_order(centroids: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of the paper's corruptions whose centroids contradict the order of their bands.

    Only the order is tested (low below medium below high), not the limits of the bands.
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
    """Write a measurement: a line with "# " and its provenance in JSON, then CSV with six significant digits."""
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

    Raises MeasurementError for any other file and for another format version, and OSError.
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
