"""Effort curves are BD-rates of what the codec really codes, and an encoder is measured once."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.benchmark.measure.effort import curve, with_curves
from codecshift.codecs.protocol import Image, Point, Spec, at_effort
from codecshift.codecs.registry import BUILT_IN, find, open_codec
from codecshift.corruptions.sets import ImageSet, open_set

bjontegaard = pytest.importorskip("bjontegaard")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("two")
    for name, photograph in (("astronaut", skimage.data.astronaut()), ("chelsea", skimage.data.chelsea())):
        PIL.Image.fromarray(photograph[64:192, 128:288]).save(folder / f"{name}.png")
    return open_set(f"folder:{folder}", Path())


def rates_and_qualities(spec: Spec, points: list[Point], image: Image) -> tuple[list[float], list[float]]:
    rates, qualities = [], []
    for point in points:
        with open_codec(spec, point) as codec:
            data = codec.encode(image)
            error = np.mean(np.square(codec.decode(data).astype(float) - image))
        rates.append(len(data))
        qualities.append(10 * math.log10(255**2 / error))
    return rates, qualities


def test_bits_are_the_mean_bd_rate_against_the_effort_in_use(two: ImageSet) -> None:
    spec, ladder = find("webp")
    trials: list[tuple[int, int]] = []
    efforts = curve(spec, two, lambda done, total: trials.append((done, total)))
    assert trials == [(done, 56) for done in range(1, 57)]  # 2 images x 4 points x 7 efforts
    assert [effort.effort for effort in efforts] == [f"method {method}" for method in range(7)]
    assert [effort.effort for effort in efforts if effort.chosen] == [spec.effort]
    points = [ladder[place] for place in (1, 4, 7, 10)]
    ratios = []
    for source in two.sources:
        image = two.load(source.id)
        slow = rates_and_qualities(spec, points, image)
        fast = rates_and_qualities(at_effort(spec, "0"), points, image)
        percent = bjontegaard.bd_rate(*slow, *fast, method="pchip", require_matching_points=False, min_overlap=0)
        ratios.append(1 + percent / 100)
    expected = 100 * (math.sqrt(math.prod(ratios)) - 1)
    assert efforts[0].bits_percent == pytest.approx(expected, abs=0.1)
    assert efforts[-1].bits_percent == pytest.approx(0, abs=1e-9)
    assert all(effort.encode_s_per_mp > 0 and effort.images == 2 for effort in efforts)


def test_codecs_that_differ_in_effort_only_have_one_curve() -> None:
    names = [spec.name for spec in with_curves(BUILT_IN)]
    assert {"avif", "avif-420", "vvc", "webp"} <= {*names}
    assert not {"avif-fast", "vvc-fast", "jpeg"} & {*names}
    spec = find("webp")[0]
    assert with_curves([spec, replace(at_effort(spec, "0"), name="quick")]) == [spec]


@pytest.mark.parametrize("spec", with_curves(BUILT_IN), ids=lambda spec: spec.name)
def test_every_effort_of_a_codec_opens(spec: Spec) -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    try:
        with open_codec(spec, spec.points[0]):
            pass
    except Exception as reason:  # noqa: BLE001 - a library may be missing
        pytest.skip(str(reason))
    for effort in (spec.efforts[0], spec.effort.rpartition(" ")[2]):
        with open_codec(at_effort(spec, effort), spec.points[0]) as codec:
            assert codec.decode(codec.encode(image)).shape == image.shape
