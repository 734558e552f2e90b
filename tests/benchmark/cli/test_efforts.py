"""The command `effort` measures curves, writes them as CSV and refuses what has none."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

Say = Callable[..., Any]


def test_the_curve_is_shown_and_written(say: Say, tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "effort.csv"
    folder.mkdir()
    for seed in (1, 2):
        ramp = np.add.outer(np.arange(64), np.arange(80))[..., None] + np.random.default_rng(seed).integers(0, 40, 3)
        PIL.Image.fromarray(np.uint8(ramp % 256)).save(folder / f"{seed}.png")
    shown = say("effort", "webp", "--set", f"folder:{folder}", "--images", "1", "--out", str(out)).out
    with out.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["effort"] for line in lines] == [f"method {method}" for method in range(7)]
    assert {line["images"] for line in lines} == {"1"}
    assert [line["effort"] for line in lines if line["chosen"] == "True"] == ["method 6"]
    assert sum(line["knee"] == "True" for line in lines) == 1
    assert all(line["effort"] in shown for line in lines)

    picture = tmp_path / "effort.png"
    again = say("effort", "--measured", out, "--figure", picture, "--format", "csv").out
    assert again == out.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("jpeg",), "jpeg has no effort setting: expected one of webp, avif, "),
        (("webq",), "unknown codec 'webq' (did you mean 'webp'?)"),
        (("webp", "--out", "nowhere/effort.csv"), "cannot be written: expected the path of a file"),
        (("webp", "--figure", "effort.gif"), "expected a figure called .png, .pdf or .svg, got effort.gif"),
        (("webp", "--measured", "effort.csv"), "leave out the codecs and --out"),
        (("--measured", "effort.csv"), "effort.csv is not a table of efforts: expected a file of codecshift effort"),
    ],
    ids=["no effort", "unknown", "no folder", "format", "both", "no table"],
)
def test_what_cannot_be_measured_is_refused(
    say: Say, one_sentence: Callable[[Any], str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in one_sentence(say("effort", *arguments))
