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
"""The plan of heatmaps; its rows do not show how the other rows were measured."""

_FLAGS = ("--spectra",)
_OF_ONE_COMMAND = ("--set", "--images", "--image", "--out")
_NOT_OF_HEATMAPS = ("--corruption", "--severity", *_FLAGS, "--channels", "--window")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command that measured a run, as far as its rows do not show them.

    `sets` maps the name of a set in rows to its name on a command line, e.g. "folder:photos" to "folder:../photos".
    `codecs` maps a codec in rows to the labels of its checkpoints, "ARCH@FILE". `first` is the value of --images, None
    without it; `images` are the values of --image. `codec_files` maps a codec to its file. `channels` and `window` are
    those of the spectra, "" without spectra. `measures` are the values of --measure.
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
    measures: Sequence[str] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Asked:
        """Return the options in a record of these fields; missing fields keep their defaults."""
        return cls(**{name: value for name, value in record.items() if name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Measured:
    """How the rows of one set in a run file were measured, as options that a command repeats to add rows."""

    file: str
    options: Options
    codec_files: Mapping[str, str] = field(default_factory=dict)

    def run(self, *more: str) -> str:
        """Return the `codecshift run` command that measures more; options in `more` replace those of the same name."""
        return self._command("codecshift run", self.options, *more)

    def heatmap(self, *more: str) -> str:
        """Return the `codecshift heatmap` command that measures waves on the images of the rows."""
        own = tuple((name, value) for name, value in self.options if name not in _NOT_OF_HEATMAPS)
        return self._command("codecshift heatmap", own, *more)

    def _command(self, command: str, own: Options, *more: str) -> str:
        given = _parsed(shlex.split(" ".join(more)))
        names = {name for name, _ in given}
        if {"--set", "--images", "--image"} & names:  # images of one set are none of another
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
        return _joined(command, [*kept, *given, *files, *([] if "--out" in names else [("--out", self.file)])])


def merged(commands: Iterable[str]) -> list[str]:
    """Return as few commands as measure all that some commands do, and possibly more.

    Commands of the same program, file, sets and images become one with the options of all of them.
    """
    groups: dict[tuple[str, Options], list[tuple[str, str]]] = {}
    for command in commands:
        program, _, words = command.partition(" --")
        options = _parsed(shlex.split(f"--{words}"))
        same = tuple(option for option in options if option[0] in _OF_ONE_COMMAND)
        groups.setdefault((program, same), []).extend(options)
    return [_joined(program, options) for (program, _), options in groups.items()]


def measured(rows: pd.DataFrame, bands: Mapping[str, str], file: str, asked: Iterable[Asked] = ()) -> Measured:
    """Return how the rows of one set were measured, from the rows and the options of their runs.

    A codec is named without a point if it has a ladder: at least MINIMUM_POINTS points under the largest number of
    conditions. Images are those of the rows, unless a run measured all of them.
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
        options += [("--measure", name) for name in run.measures]
        options += [("--spectra", "")] if run.channels else []
        options += [("--channels", run.channels)] if run.channels == "rgb" else []
        options += [("--window", run.window)] if run.window not in {"", "none"} else []
    files = {codec: path for run in runs for codec, path in run.codec_files.items()}
    return Measured(file, tuple(dict.fromkeys(options)), files)


def _images(rows: pd.DataFrame, runs: Sequence[Asked]) -> list[tuple[str, str]]:
    if any(run.first is None and not run.images for run in runs):
        return []
    if runs and all(run.first for run in runs):
        # A continued run keeps the record of its first command, even if it is continued with more images.
        return [("--images", str(max(rows["image"].nunique(), *(run.first or 0 for run in runs))))]
    return [("--image", str(image)) for image in dict.fromkeys(rows["image"])]


def _labels(codec: str, rows: pd.DataFrame) -> list[str]:
    conditions = rows.drop_duplicates(["point", "corruption", "severity"]).groupby("point", sort=False).size()
    points = list(
        conditions.index[conditions == conditions.max()]
    )  # without the points of a search, which are measured on clean images only
    return [codec] if len(points) >= MINIMUM_POINTS or "@" in codec else [f"{codec}:{point}" for point in points]


def _in_bands(names: Iterable[str], bands: Mapping[str, str]) -> list[str]:
    """Return corruptions as few words: a band in place of all its members, clean images first."""
    names = list(names)
    whole = [
        band for band in BANDS if (members := {name for name in bands if bands[name] == band}) and members <= set(names)
    ]
    single = [name for name in names if name != CLEAN and bands.get(name) not in whole]
    return [*([CLEAN] if CLEAN in names else []), *whole, *single]


def _joined(program: str, options: Iterable[tuple[str, str]]) -> str:
    """Return a command line with its options in a fixed order, each of them once."""
    order = ("--set", "--images", "--image", "--corruption", "--severity", "--codec", "--codec-file")
    ordered = sorted(
        dict.fromkeys(options),
        key=lambda option: order.index(option[0]) if option[0] in order else len(order) + (option[0] == "--out"),
    )
    return " ".join([program, *(shlex.join(filter(None, option)) for option in ordered)])


def _without_point(label: str) -> str:
    return label if "@" in label else label.partition(":")[0]


def _parsed(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return the options of a command line as (name, value), with value "" for a flag."""
    rest = iter(words)
    return [(name, "" if name in _FLAGS else next(rest)) for name in rest]
