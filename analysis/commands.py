"""Commands that measure what a run file lacks: the options that its rows were measured with, completed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .conditions import BANDS, CLEAN
from .rate import MINIMUM_POINTS

Options = tuple[tuple[str, str], ...]
"""Options with their values, "" for a flag, in the order of the command line."""

HEATMAP = "heatmap"
"""The name of the plan of heatmaps, whose rows say nothing of how the other rows were measured."""

_FLAGS = ("--spectra",)
_NOT_OF_HEATMAPS = ("--corruption", "--severity", *_FLAGS, "--channels", "--window")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command that measured a run was asked for, as far as rows do not tell it.

    `sets` holds by the names in rows what stands for them on a command line, e.g. "folder:../photos" for
    "folder:photos"; `codecs` holds in the same way the labels of checkpoints, "ARCH@FILE". `first` is the number of
    images asked for, None for no number; `images` are those named. `codec_files` are by the name of their codec.
    `channels` and `window` are those of the spectra, "" without spectra.
    """

    plan: str = ""
    sets: Mapping[str, str] = field(default_factory=dict)
    codecs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    first: int | None = None
    images: Sequence[str] = ()
    data_dir: str = ""
    codec_files: Mapping[str, str] = field(default_factory=dict)
    channels: str = ""
    window: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Asked:
        """Return what a record of these fields holds; fields that it lacks are as they were not asked for."""
        return cls(**{name: value for name, value in record.items() if name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Measured:
    """How the rows of one set in a run file were measured, as options that a command repeats to add rows."""

    file: str
    options: Options
    codec_files: Mapping[str, str] = field(default_factory=dict)

    def run(self, *more: str) -> str:
        """Return the `codecshift run` command that measures more; an option given replaces those of the same name."""
        return self._command("codecshift run", self.options, *more)

    def heatmap(self, *more: str) -> str:
        """Return the `codecshift heatmap` command that measures waves on the images of the rows."""
        own = tuple((name, value) for name, value in self.options if name not in _NOT_OF_HEATMAPS)
        return self._command("codecshift heatmap", own, *more)

    def _command(self, command: str, own: Options, *more: str) -> str:
        given = _parsed(shlex.split(" ".join(more)))
        names = {name for name, _ in given}
        if {"--images", "--image"} & names:
            names |= {"--images", "--image"}
        if {value for name, value in given if name == "--corruption"} == {CLEAN}:
            names.add("--severity")
        kept = [(name, value) for name, value in own if name not in names]
        if "--match" in names:  # a codec named with a point would not be searched
            kept = [(name, _without_point(value) if name == "--codec" else value) for name, value in kept]
        codecs = [value for name, value in [*kept, *given] if name == "--codec"]
        files = [
            ("--codec-file", file) for name, file in self.codec_files.items() if name in map(_without_point, codecs)
        ]
        order = ("--set", "--images", "--image", "--corruption", "--severity", "--codec", "--codec-file")
        options = sorted(
            dict.fromkeys([*kept, *given, *files, *([] if "--out" in names else [("--out", self.file)])]),
            key=lambda option: order.index(option[0]) if option[0] in order else len(order) + (option[0] == "--out"),
        )
        return " ".join([command, *(shlex.join(filter(None, option)) for option in options)])


def measured(rows: pd.DataFrame, bands: Mapping[str, str], file: str, asked: Iterable[Asked] = ()) -> Measured:
    """Return how the rows of one set were measured, from the rows and from what their runs were asked for.

    A codec is named without a point if it has a ladder: MINIMUM_POINTS points or more under most of the conditions.
    Images are those of the rows, unless a run was asked for all of them.
    """
    if rows.empty:
        return Measured(file, (("--set", "SET"),))
    name = str(rows["set"].iloc[0])
    runs = [run for run in asked if name in run.sets and run.plan != HEATMAP]
    rows = rows[rows["corruption"].isin({CLEAN, *bands})]
    options = [("--set", next((run.sets[name] for run in reversed(runs)), name))]
    options += _images(rows, runs)
    options += [("--corruption", word) for word in _in_bands(dict.fromkeys(map(str, rows["corruption"])), bands)]
    severities = sorted(set(rows.loc[rows["corruption"] != CLEAN, "severity"].astype(int)))
    options += [("--severity", str(severity)) for severity in severities]
    for codec, part in rows.groupby("codec", sort=False):
        labels = dict.fromkeys(label for run in runs for label in run.codecs.get(str(codec), ()))
        options += [("--codec", label) for label in labels or _labels(str(codec), part)]
    for run in runs:
        options += [("--data-dir", run.data_dir)] if run.data_dir else []
        options += [("--spectra", "")] if run.channels else []
        options += [("--channels", run.channels)] if run.channels == "rgb" else []
        options += [("--window", run.window)] if run.window not in {"", "none"} else []
    files = {codec: path for run in runs for codec, path in run.codec_files.items()}
    return Measured(file, tuple(dict.fromkeys(options)), files)


def _images(rows: pd.DataFrame, runs: Sequence[Asked]) -> list[tuple[str, str]]:
    if any(run.first is None and not run.images for run in runs):
        return []
    if runs and all(run.first for run in runs):
        # A run goes on under the record of its first command, also with more images.
        return [("--images", str(max(rows["image"].nunique(), *(run.first or 0 for run in runs))))]
    return [("--image", str(image)) for image in dict.fromkeys(rows["image"])]


def _labels(codec: str, rows: pd.DataFrame) -> list[str]:
    conditions = rows.drop_duplicates(["point", "corruption", "severity"]).groupby("point", sort=False).size()
    points = list(conditions.index[conditions == conditions.max()])  # without those of a search, on clean images
    return [codec] if len(points) >= MINIMUM_POINTS or "@" in codec else [f"{codec}:{point}" for point in points]


def _in_bands(names: Iterable[str], bands: Mapping[str, str]) -> list[str]:
    """Return corruptions in the fewest words: a band in place of all its members, clean images first."""
    names = list(names)
    whole = [
        band for band in BANDS if (members := {each for each in bands if bands[each] == band}) and members <= set(names)
    ]
    single = [name for name in names if name != CLEAN and bands.get(name) not in whole]
    return [*([CLEAN] if CLEAN in names else []), *whole, *single]


def _without_point(label: str) -> str:
    return label if "@" in label else label.partition(":")[0]


def _parsed(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the options among words: each a name with its value, or a flag."""
    rest = iter(words)
    return [(name, "" if name in _FLAGS else next(rest)) for name in rest]
