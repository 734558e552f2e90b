"""Time per corruption, ours beside the referee's: `pytest tests/perf/test_corruptions_perf.py --benchmark-enable`.

One group per corruption; a round is all five severities of one picture, on one core. Without `--benchmark-enable` each
runs once on a small picture, to show that it still runs. Compare ratios within one run, not times between runs.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.corruptions.corruption import SEVERITIES, generator
from codecshift.corruptions.table import CORRUPTIONS


@cache
def load_referee():
    path = Path(__file__).parents[1] / "corruptions" / "referee.py"
    spec = importlib.util.spec_from_file_location("corruptions_referee", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_core():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture
def photograph(benchmark):
    if benchmark.disabled:
        return np.ascontiguousarray(skimage.data.chelsea()[:48, :64])
    folder = os.environ.get("CODECSHIFT_DATA")
    if folder:
        with PIL.Image.open(Path(folder) / "kodak" / "kodim01.png") as image:
            return np.array(image)
    return cv2.resize(skimage.data.coffee(), (768, 512))


@pytest.mark.parametrize("side", ["ours", "referee"])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_five_severities(benchmark, one_core, photograph, name, side):
    benchmark.group = name
    if side == "ours":

        def work():
            for severity in SEVERITIES:
                CORRUPTIONS[name](photograph, severity, generator(name))
    else:
        referee = load_referee()

        def work():
            for severity in SEVERITIES:
                referee.corrupt(name, photograph, severity, seed=0)

    # A glass_blur of the referee takes ten seconds.
    benchmark.pedantic(work, rounds=1 if side == "referee" else 5, warmup_rounds=0 if side == "referee" else 1)
