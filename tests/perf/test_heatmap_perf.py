"""What a heatmap costs beside its codecs: `pytest tests/perf/test_heatmap_perf.py --benchmark-enable`.

The wave is compared with the plain way of the same pixels, a shot's harness with the time inside encode and decode.
"""

import math
import os
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.shots.worker import Worker
from codecshift.benchmark.report import heatmap as maps
from codecshift.corruptions.corruption import generator
from codecshift.corruptions.fourier import RMS, basis, fourier, nearest


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    cv2.setNumThreads(1)
    path = Path(os.environ.get("CODECSHIFT_DATA", "")) / "kodak" / "kodim05.png"
    at_hand = "CODECSHIFT_DATA" in os.environ and path.is_file()
    return np.array(PIL.Image.open(path)) if at_hand else cv2.resize(skimage.data.coffee(), (768, 512))


def plain(image: np.ndarray, i: int, j: int, rms: float, rng: np.random.Generator) -> np.ndarray:
    """Return round(clip(image +- rms sqrt(H W) U)) as it is written."""
    height, width = image.shape[:2]
    wave = rms * math.sqrt(height * width) * basis(height, width, i, j)
    signs = np.where(rng.random(3) < 0.5, -1, 1)
    return np.rint(np.clip(image + wave[..., np.newaxis] * signs, 0, 255)).astype(np.uint8)


@pytest.mark.benchmark(group="a wave on one photograph", min_rounds=20, warmup=True)
@pytest.mark.parametrize("of", [32, None], ids=["full-band", "cycles-per-image"])
@pytest.mark.parametrize("way", ["ours", "plain"])
def test_a_wave(benchmark, image: np.ndarray, way: str, of: int | None) -> None:
    one = fourier(3, -5, of)
    i, j = (nearest(size, k, of) if of else k for size, k in zip(image.shape, (3, -5), strict=False))
    shown = one(image, 4, generator("x"))
    np.testing.assert_array_equal(shown, plain(image, i, j, RMS[3], generator("x")))
    if way == "ours":
        benchmark(lambda: one(image, 4, generator("x")))
    else:
        benchmark(lambda: plain(image, i, j, RMS[3], generator("x")))


@pytest.mark.benchmark(group="the shots of a heatmap")
@pytest.mark.parametrize("labels", [["jpeg:q50"], ["jpeg:q50", "jpeg2000:r0.5"]], ids=["jpeg", "jpeg, jpeg2000"])
def test_shots_take_little_longer_than_their_codecs(benchmark, labels: list[str]) -> None:
    data = Path(os.environ.get("CODECSHIFT_DATA", "."))
    of = "kodak" if (data / "kodak").is_dir() else "sample"
    steps = 8 if benchmark.enabled else 2
    job = prepare(maps.plan(maps.frequencies("full", steps), [4]).narrowed([of], codecs=labels, first=1), data)
    worker = Worker(job.context(time_limit=300, memory=math.inf))
    first, *rest = job.tasks({}, retry_failed=False)  # the first opens the codecs and loads the image
    worker.work(first)
    worked = benchmark.pedantic(lambda: [worker.work(task) for task in rest], rounds=3 if benchmark.enabled else 1)
    assert {row.status for one in worked for row in one.rows} == {"ok"}
    if benchmark.enabled:
        ratio = benchmark.stats.stats.data[-1] / sum(one.codec_s for one in worked)
        benchmark.extra_info["time of shots over time inside encode and decode"] = round(ratio, 3)
        assert ratio < (1.1 if len(labels) > 1 else 1.6)
