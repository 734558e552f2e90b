"""SSIMULACRA 2 against scores of the C++ program, against plain double precision, and by its laws."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.analysis.measures.ssimulacra2 import SMALLEST, WEIGHTS, Ssimulacra2, load, score
from codecshift.analysis.measures.ssimulacra2_kernel import smooth_along, smooth_down
from codecshift.analysis.measures.ssimulacra2_scales import LEAST_SIDE, norms, scales
from scipy.ndimage import correlate1d

REFEREE = Path(os.environ.get("CODECSHIFT_DATA") or "/nowhere", "referees", "ssimulacra2")
ROUNDED = 1e-7  # the program's scores are recorded with eight decimals

# What the program says of a grey of 128 and of that grey with something added, by pixels a side.
ADDED = (1, 5, 10, 20, 50)
OF_GREY = {
    32: (97.74921430, 98.80827382, 96.53114090, 93.79823220, 85.01409588),
    64: (97.98672126, 91.52357693, 80.24289393, 56.05855584, -8.75942256),
    128: (96.78920738, 88.54070876, 77.84296299, 54.27883917, -9.82383315),
    256: (96.15027098, 89.73209436, 80.29149136, 59.77892918, -0.39085784),
}


@pytest.fixture(scope="module")
def instrument() -> Ssimulacra2:
    return load()


def compared(reference: np.ndarray, seen: np.ndarray) -> float:
    instrument = load()
    return instrument.compare(instrument.prepare(reference), instrument.prepare(seen))


# --- against the program


@pytest.mark.parametrize("side", OF_GREY)
def test_flat_images_have_the_scores_of_the_program(side: int) -> None:
    grey = np.full((side, side, 3), 128, np.uint8)
    scores = [compared(grey, grey + np.uint8(added)) for added in ADDED]
    assert scores == pytest.approx(OF_GREY[side], abs=ROUNDED)


@pytest.mark.needs("referees")
def test_the_recorded_pairs_have_the_scores_of_the_program() -> None:
    with (REFEREE / "expected.csv").open(encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    expected = {pair["case"]: float(pair["score"]) for pair in pairs}
    actual = {
        pair["case"]: compared(
            *(np.array(PIL.Image.open(REFEREE / pair[side]).convert("RGB")) for side in ("source", "distorted"))
        )
        for pair in pairs
    }
    assert len(actual) == 26
    assert actual == pytest.approx(expected, abs=ROUNDED)


# --- against plain double precision


def response() -> np.ndarray:
    """Return what the recursive Gaussian makes of a single point."""
    point = np.zeros((21, 1), np.float32)
    point[10] = 1
    smooth = np.empty_like(point)
    smooth_down(point, smooth)
    return np.asarray(smooth[6:15, 0], np.float64)


def plain_norms(reference: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the norms of all scales by their formulas, with nothing but NumPy and SciPy."""
    taps, found = response(), []

    def linear(image: np.ndarray) -> np.ndarray:
        value = image / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    def colours(light: np.ndarray) -> np.ndarray:
        blue_cone = (0.24342268924547819, 0.20476744424496821, 0.5518098665095536)
        cones = light @ np.array([(0.3, 0.622, 0.078), (0.23, 0.692, 0.078), blue_cone]).T
        bias = 0.0037930732552754493
        long, middle, short = np.moveaxis(np.cbrt(cones + bias) - np.cbrt(bias), 2, 0)
        luminance = (long + middle) / 2
        return np.array([7 * (long - middle) + 0.42, luminance + 0.01, short - luminance + 0.55])

    def mean(planes: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(planes, taps, 1, mode="constant"), taps, 2, mode="constant")

    def half(light: np.ndarray) -> np.ndarray:
        height, width = light.shape[:2]
        light = np.pad(light, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return light.reshape(len(light) // 2, 2, light.shape[1] // 2, 2, 3).mean((1, 3))

    first, second = linear(reference), linear(seen)
    for _ in range(6):
        x, y = colours(first), colours(second)
        x_mean, y_mean = mean(x), mean(y)
        covariance = mean(x * y) - x_mean * y_mean
        variances = mean(x * x) - x_mean**2 + mean(y * y) - y_mean**2
        structure = (1 - (x_mean - y_mean) ** 2) * (2 * covariance + 0.0009) / (variances + 0.0009)
        edges = (1 + np.abs(y - y_mean)) / (1 + np.abs(x - x_mean)) - 1
        maps = np.maximum([1 - structure, edges, -edges], 0)
        found.append([maps.mean((2, 3)), (maps**4).mean((2, 3)) ** 0.25])
        first, second = half(first), half(second)
    return np.moveaxis(np.array(found), 3, 0).ravel()  # colour, scale, norm, map


def test_spoiled_images_have_the_scores_of_double_precision(
    image: np.ndarray, noisy: list[np.ndarray], blurred: list[np.ndarray]
) -> None:
    spoiled = [*noisy[1:], *blurred[1:]]
    expected = [score(plain_norms(image, seen)) for seen in spoiled]
    assert [compared(image, seen) for seen in spoiled] == pytest.approx(expected, abs=0.02)


def test_the_recursive_gaussian_has_the_sum_and_the_variance_of_the_gaussian() -> None:
    taps, places = response(), np.arange(-4, 5)
    assert taps.sum() == pytest.approx(1, abs=1e-6)
    assert taps @ places**2 == pytest.approx(1.5**2, abs=1e-5)
    gaussian = np.exp(-(places**2) / (2 * 1.5**2))
    np.testing.assert_allclose(taps, gaussian / gaussian.sum(), atol=0.003)


@pytest.mark.parametrize("length", [4, 7, 12, 13, 16, 31, 64])
@pytest.mark.parametrize("lines", [1, 256, 300])
def test_both_passes_of_the_gaussian_are_a_convolution(length: int, lines: int) -> None:
    values = np.random.RandomState(length).uniform(size=(length, lines)).astype(np.float32)
    expected = correlate1d(values.astype(np.float64), response(), 0, mode="constant")
    for smooth_pass in (smooth_along, smooth_down):
        actual = np.empty_like(values)
        smooth_pass(values, actual)
        np.testing.assert_allclose(actual, expected, atol=2e-6)


# --- laws


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (31, 17), (SMALLEST, SMALLEST), (257, 129)], ids=str)
def test_an_image_against_itself_is_100(instrument: Ssimulacra2, size: tuple[int, int]) -> None:
    random = np.random.RandomState(3).randint(0, 256, (*size, 3)).astype(np.uint8)
    assert compared(random, random.copy()) == 100


@pytest.mark.parametrize("kind", ["noisy", "blurred"])
def test_the_score_falls_as_noise_and_blur_grow(image: np.ndarray, kind: str, request: pytest.FixtureRequest) -> None:
    reference = load().prepare(image)
    scores = [100.0, *(load().compare(reference, load().prepare(seen)) for seen in request.getfixturevalue(kind))]
    assert all(better > worse for better, worse in pairwise(scores))


def test_blur_is_lost_detail_and_its_reversal_is_artefacts(image: np.ndarray, blurred: list[np.ndarray]) -> None:
    for seen in blurred:
        forth, back = (norms(scales(a), scales(b)).reshape(3, 6, 2, 3) for a, b in ((image, seen), (seen, image)))
        np.testing.assert_array_equal(forth[..., 0], back[..., 0])  # structure is symmetric
        assert (forth[:, 0, :, 2] > forth[:, 0, :, 1]).all()
        assert (back[:, 0, :, 1] > back[:, 0, :, 2]).all()


@pytest.mark.parametrize("turn", [lambda image: image[::-1], lambda image: image[:, ::2]], ids=["flipped", "skipping"])
def test_views_that_cannot_be_written_score_as_their_copies(
    image: np.ndarray, noisy: list[np.ndarray], turn: Callable[[np.ndarray], np.ndarray]
) -> None:
    first, second = turn(image).view(), turn(noisy[3]).view()
    first.flags.writeable = second.flags.writeable = False
    assert compared(first, second) == compared(first.copy(), second.copy())


def test_threads_share_a_reference(instrument: Ssimulacra2, image: np.ndarray, noisy: list[np.ndarray]) -> None:
    reference, seen = instrument.prepare(image), [instrument.prepare(spoiled) for spoiled in noisy]
    expected = [instrument.compare(reference, prepared) for prepared in seen]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(instrument.compare, [reference] * 24, seen * 4)) == expected * 4


def test_numba_is_imported_with_the_first_image() -> None:
    script = (
        "import sys; from codecshift.analysis.measures import ssimulacra2 as s; s.load(); print('numba' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(("side", "count"), [(8, 2), (32, 4), (SMALLEST - 1, 5), (SMALLEST, 6), (500, 6)])
def test_an_image_of_the_smallest_size_has_all_scales(side: int, count: int) -> None:
    for size in ((side, 600), (600, side)):
        found = scales(np.zeros((*size, 3), np.uint8)).scales
        assert len(found) == count
        halved = [-(-side // 2**scale) for scale in range(count)]
        assert [min(scale.colours.shape[1:]) for scale in found] == halved
    assert len(WEIGHTS) == 3 * 6 * 2 * 3


def test_a_smaller_image_is_refused(instrument: Ssimulacra2) -> None:
    with pytest.raises(ValueError, match=f"at least {LEAST_SIDE} pixels a side, got 100x7"):
        instrument.prepare(np.zeros((7, 100, 3), np.uint8))


def test_images_of_two_shapes_are_refused(instrument: Ssimulacra2) -> None:
    wide, tall = (instrument.prepare(np.zeros(shape, np.uint8)) for shape in ((20, 30, 3), (30, 20, 3)))
    with pytest.raises(ValueError, match="of one shape"):
        instrument.compare(wide, tall)
