"""How much of the making and measuring of images a lane hides behind its device."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import PLANS
from codecshift.benchmark.store.provenance import Device
from codecshift.codecs.protocol import Point, Spec
from codecshift.corruptions.corruption import CLEAN

A_WAY = 0.15  # seconds that the device takes for an image there, and again back
BATCH = 4

CODEC = f'''
"""Raw pixels, and a device that takes its time."""
import time
from contextlib import contextmanager

from codecshift.codecs.identity import Identity


class Slow(Identity):
    def encode_batch(self, images):
        time.sleep({A_WAY} * len(images))
        return [self.encode(image ^ 1) for image in images]

    def decode_batch(self, data):
        time.sleep({A_WAY} * len(data))
        return [self.decode(one) for one in data]


@contextmanager
def load():
    yield Slow()
'''


@pytest.fixture
def job(benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Return a codec that is slow on its device, at two points, under four corruptions; less when not measured."""
    (tmp_path / "codecshift_slow_codec.py").write_text(CODEC, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    spec = Spec("slow", "codecshift_slow_codec:load", (Point("a"), Point("b")), kind="neural")
    data = Path(os.environ.get("CODECSHIFT_DATA", "."))
    of = "kodak" if (data / "kodak").is_dir() else "sample"
    corruptions = ("fog", "gaussian_noise", "jpeg_compression", "snow") if benchmark.enabled else (CLEAN,)
    plan = replace(PLANS["quick"], codecs=()).narrowed([of], corruptions, [1, 2, 3, 4])
    whole = prepare(plan, data, extra=[spec])
    (images,) = whole.sets.values()
    sets = {images.name: replace(images, sources=images.sources[: 2 if benchmark.enabled else 1])}
    return replace(whole, sets=sets, device=Device("cpu", "cpu: which sleeps", BATCH))


def test_a_run_takes_little_longer_than_its_device(job: Job, tmp_path: Path, benchmark) -> None:
    tally = benchmark.pedantic(run, args=(job, tmp_path / "r.sqlite"), kwargs={"jobs": 2}, rounds=1)
    assert (tally.done, tally.failed) == (tally.total, 0)
    warming_up = len(job.points) * BATCH * 2 * A_WAY  # the images are of one shape
    ratio = tally.wall_s / (tally.codec_s + warming_up)
    benchmark.extra_info["wall over time on the device"] = round(ratio, 3)
    benchmark.extra_info["time measuring over time on the device"] = round(tally.measure_s / tally.codec_s, 3)
    assert ratio < 1.3 or not benchmark.enabled
