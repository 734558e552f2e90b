"""MS-SSIM against referees: pytorch-msssim in double precision, and the definition."""

import hashlib
import io
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.analysis.measures.ms_ssim import MS_SSIM_SMALLEST, Bare, Prepared, ms_ssim, ms_ssims
from codecshift.analysis.measures.table import find
from scipy.ndimage import correlate1d

GOLDEN = Path(__file__).with_name("golden_ms_ssim.json")
TOLERANCE = 1e-5  # the referee's window is of single precision


def noise(height: int, width: int, seed: int = 7) -> np.ndarray:
    # RandomState, since NumPy promises that its stream never changes.
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


# --- MS-SSIM against the referee

PICTURES: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": skimage.data.astronaut,
    "chelsea-300x451": skimage.data.chelsea,
    "coffee-333x301": lambda: skimage.data.coffee()[50:383, 100:401],
    "astronaut-161x161": lambda: skimage.data.astronaut()[50:211, 150:311],
    "coffee-161x402": lambda: skimage.data.coffee()[100:261, 60:462],
}
SMALL = ("coffee-333x301", "astronaut-161x161")


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(PIL.Image.open(buffer))


def noisy(image: np.ndarray) -> np.ndarray:
    return np.clip(image + noise(*image.shape[:2]) / 4 - 32, 0, 255).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    wide = np.pad(image.astype(np.int64), ((3, 3), (3, 3), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, (7, 7), axis=(0, 1))
    return (windows.sum(axis=(-1, -2)) // 49).astype(np.uint8)


SPOILT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jpeg-q5": lambda image: jpeg(image, 5),
    "jpeg-q50": lambda image: jpeg(image, 50),
    "jpeg-q95": lambda image: jpeg(image, 95),
    "noise": noisy,
    "blur": blurred,
    "dark": lambda image: image // 8,
    "overexposed": lambda image: np.minimum(image.astype(int) * 4, 255).astype(np.uint8),
    "negative": lambda image: 255 - image,
    "one-step": lambda image: image ^ 1,
}


def referee(first: np.ndarray, second: np.ndarray) -> float:
    """Return MS-SSIM by pytorch-msssim in double precision."""
    import pytorch_msssim
    import torch

    # Each channel as an image of its own, on one thread: the same mean, in half the time.
    tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1)[:, None].double() for image in (first, second)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return float(pytorch_msssim.ms_ssim(*tensors, data_range=255))
    finally:
        torch.set_num_threads(threads)


def measured(first: np.ndarray, second: np.ndarray) -> float:
    value = ms_ssim(Prepared(first), Prepared(second))
    assert value is not None
    return value


def pair(case: str) -> tuple[np.ndarray, np.ndarray]:
    picture, spoilt = case.split()
    image = PICTURES[picture]()
    return image, SPOILT[spoilt](image)


@cache
def referee_of(case: str) -> float:
    return referee(*pair(case))


# The referee takes seconds on a large picture, so those come with JPEG alone.
JPEG = ("jpeg-q5", "jpeg-q50", "jpeg-q95")
CASES = [f"{picture} {spoilt}" for picture in PICTURES for spoilt in (SPOILT if picture in SMALL else JPEG)]


@pytest.mark.needs("pytorch_msssim")
@pytest.mark.parametrize("case", CASES)
def test_ms_ssim_is_the_referees(case: str) -> None:
    assert measured(*pair(case)) == pytest.approx(referee_of(case), abs=TOLERANCE)


@pytest.mark.needs("pytorch_msssim")
@pytest.mark.parametrize("level", [0, 3, 128, 252, 255])
def test_ms_ssim_is_nearly_the_referees_on_flat_pictures(level: int) -> None:
    # The weights of the referee's window do not quite sum to 1, which tells most where all variance is an error.
    flat = np.full((161, 200, 3), level, np.uint8)
    seen = np.where(noise(161, 200) < 64, flat ^ 1, flat)
    assert measured(flat, seen) == pytest.approx(referee(flat, seen), abs=5 * TOLERANCE)


@pytest.mark.needs("kodak", "pytorch_msssim")
@pytest.mark.parametrize(("name", "quality"), [("kodim01", 50), ("kodim04", 5), ("kodim20", 95)])
def test_ms_ssim_is_the_referees_on_kodak(name: str, quality: int) -> None:
    image = np.array(PIL.Image.open(Path(os.environ["CODECSHIFT_DATA"], "kodak", f"{name}.png")))
    seen = jpeg(image, quality)
    assert measured(image, seen) == pytest.approx(referee(image, seen), abs=TOLERANCE)


# --- MS-SSIM against its definition, in double precision throughout

EXACTNESS = 1e-6
WINDOW = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
WINDOW /= WINDOW.sum()


def defined(first: np.ndarray, second: np.ndarray) -> float:
    """Return MS-SSIM by its definition; the window of pytorch-msssim is of single precision, whatever it is given."""
    values = []
    for channel in range(3):
        x, y = (image[..., channel].astype(np.float64) for image in (first, second))
        value = 1.0
        for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            if scale:
                x, y = halved(x), halved(y)
            mean_x, mean_y = windowed(x), windowed(y)
            # A shift changes no variance, and leaves nothing to cancel in a flat picture.
            u, v = x - x.mean(), y - y.mean()
            mean_u, mean_v = windowed(u), windowed(v)
            variances = windowed(u * u) - mean_u**2 + windowed(v * v) - mean_v**2
            similarity = (2 * (windowed(u * v) - mean_u * mean_v) + 58.5225) / (variances + 58.5225)
            if scale == 4:
                similarity *= (2 * mean_x * mean_y + 6.5025) / (mean_x**2 + mean_y**2 + 6.5025)
            value *= max(float(similarity.mean()), 0.0) ** weight
        values.append(value)
    return float(np.mean(values))


def windowed(field: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(field, WINDOW, axis=0), WINDOW, axis=1)[5:-5, 5:-5]


def halved(field: np.ndarray) -> np.ndarray:
    field = np.pad(field, [(side % 2, 0) for side in field.shape])
    return (field[::2, ::2] + field[1::2, ::2] + field[::2, 1::2] + field[1::2, 1::2]) / 4


def flat(*levels: int) -> np.ndarray:
    """Return a picture of equal stripes, each of one level; their borders lie on pixels of every scale."""
    return np.repeat(np.repeat(np.array(levels, np.uint8), 256 // len(levels))[np.newaxis, :, np.newaxis], 176, axis=0)[
        ..., [0, 0, 0]
    ]


FLAT = {
    "far": (flat(77), flat(178)),
    "white": (flat(255), flat(254)),
    "black": (flat(0), flat(3)),
    "dark to bright": (flat(10), flat(240)),
    "white sky over black ground": (flat(255, 0), flat(253, 2)),
    "odd size": (flat(77)[:163, :177], flat(178)[:163, :177]),
    "one colour to another": (
        np.full((176, 200, 3), (250, 3, 77), np.uint8),
        np.full((176, 200, 3), (9, 251, 80), np.uint8),
    ),
    "speckled white": (flat(255), np.where(noise(176, 256) < 64, flat(254), flat(255))),
}


@pytest.mark.parametrize("case", FLAT)
def test_ms_ssim_of_flat_pictures_is_its_definition(case: str) -> None:
    assert measured(*FLAT[case]) == pytest.approx(defined(*FLAT[case]), abs=EXACTNESS)


@pytest.mark.parametrize("case", CASES)
def test_ms_ssim_is_its_definition(case: str) -> None:
    assert measured(*pair(case)) == pytest.approx(defined(*pair(case)), abs=EXACTNESS)


@pytest.mark.needs("kodak")
@pytest.mark.parametrize("quality", [5, 50])
def test_ms_ssim_of_a_white_sky_is_its_definition(quality: int) -> None:
    image = np.array(PIL.Image.open(Path(os.environ["CODECSHIFT_DATA"], "kodak", "kodim20.png")))
    seen = jpeg(image, quality)
    assert measured(image, seen) == pytest.approx(defined(image, seen), abs=EXACTNESS)


# --- MS-SSIM against the referee's stored values: what machines without torch can still check

# Integer arithmetic only, so the pixels do not depend on any library's version: JPEG is left out.
EXACT = ("noise", "blur", "dark", "overexposed", "one-step")


GOLDEN_CASES = [f"{picture} {spoilt}" for picture in SMALL for spoilt in EXACT]


def digest(first: np.ndarray, second: np.ndarray) -> str:
    return hashlib.sha256(first.tobytes() + second.tobytes()).hexdigest()


def golden() -> dict[str, dict[str, Any]]:
    """Return, per case, the digest of its two images and `referee_of` it, made with pytorch-msssim 1.0.0."""
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_stored_values_are_of_these_pixels() -> None:
    assert {case: one["sha256"] for case, one in golden().items()} == {
        case: digest(*pair(case)) for case in GOLDEN_CASES
    }


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_ms_ssim_is_the_stored_value_of_the_referee(case: str) -> None:
    assert measured(*pair(case)) == pytest.approx(golden()[case]["ms_ssim"], abs=TOLERANCE)


@pytest.mark.needs("pytorch_msssim")
@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_the_stored_value_is_the_referees(case: str) -> None:
    assert golden()[case]["ms_ssim"] == pytest.approx(referee_of(case), abs=1e-9)


# --- laws of MS-SSIM


def test_ms_ssim_of_an_image_with_itself_is_one() -> None:
    image = skimage.data.coffee()
    assert measured(image, image) == pytest.approx(1, abs=1e-6)
    one = Prepared(image)
    assert ms_ssim(one, one) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("spoilt", SPOILT)
def test_ms_ssim_is_symmetric(spoilt: str) -> None:
    image = PICTURES["coffee-333x301"]()
    seen = SPOILT[spoilt](image)
    assert measured(image, seen) == pytest.approx(measured(seen, image), abs=1e-7)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_ms_ssim_is_at_most_one(level: int) -> None:
    flat = np.full((161, 200, 3), level, np.uint8)
    seen = flat.copy()
    seen[80, 100, 0] ^= 1
    value = measured(flat, seen)
    assert value == min(value, 1)
    assert find("ms_ssim").on_axis(value) > 40


def test_ms_ssim_falls_as_the_quality_does() -> None:
    image = skimage.data.chelsea()
    values = [measured(image, jpeg(image, quality)) for quality in (95, 70, 40, 20, 10, 5)]
    assert all(better > worse for better, worse in pairwise(values))


def test_a_structure_that_is_opposite_counts_as_none() -> None:
    image = noise(200, 200)
    assert measured(image, 255 - image) == 0


def test_comparing_leaves_the_prepared_images_as_they_were() -> None:
    image = skimage.data.chelsea()
    one, two = Prepared(image), Prepared(jpeg(image, 30))
    first = ms_ssim(one, two)
    assert [ms_ssim(one, two), ms_ssim(one, one), ms_ssim(one, two)] == [first, measured(image, image), first]


@pytest.mark.parametrize("count", range(5))
def test_several_references_at_once_give_the_values_of_each_alone(count: int) -> None:
    image = PICTURES["coffee-333x301"]()
    references = [Prepared(SPOILT[spoilt](image)) for spoilt in list(SPOILT)[:count]]
    together = ms_ssims(Prepared(image), references)
    assert together == [ms_ssim(Prepared(image), reference) for reference in references]
    assert len({*together}) == count


def test_threads_give_the_value_of_one_thread() -> None:
    image = PICTURES["astronaut-161x161"]()
    pairs = [(image, SPOILT[spoilt](image)) for spoilt in SPOILT] * 8
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(measured, *zip(*pairs, strict=True))) == [measured(*two) for two in pairs]


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda image: image[::-1], id="upside-down"),
        pytest.param(lambda image: image[3:, 5:-2], id="crop"),
        pytest.param(lambda image: image.transpose(1, 0, 2), id="turned"),
    ],
)
def test_ms_ssim_takes_views_and_leaves_the_image_as_it_was(view: Callable[[np.ndarray], np.ndarray]) -> None:
    image, seen = noise(200, 190, 1), noise(200, 190, 2)
    image.setflags(write=False)
    assert measured(view(image), view(seen)) == measured(view(image).copy(), view(seen).copy())


@pytest.mark.parametrize("size", [(160, 500), (500, 160), (1, 1), (64, 64)], ids="{0[0]}x{0[1]}".format)
def test_ms_ssim_of_images_too_small_for_five_scales_is_none(size: tuple[int, int]) -> None:
    image = noise(*size)
    assert ms_ssim(Prepared(image), Prepared(image)) is None


def test_the_smallest_image_is_161_pixels() -> None:
    assert MS_SSIM_SMALLEST == 161
    assert measured(noise(161, 161), noise(161, 161)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sizes", [((200, 201), (201, 200)), ((64, 64), (64, 65))], ids=["large", "small"])
def test_ms_ssim_refuses_images_of_two_shapes(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    first, second = (Prepared(noise(*size)) for size in sizes)
    with pytest.raises(ValueError, match="one shape"):
        ms_ssim(first, second)


def test_a_bare_image_has_no_ms_ssim_and_takes_no_part_in_any() -> None:
    image = noise(200, 200)
    bare = Bare(image)
    assert bare.image is image
    assert (bare.levels, ms_ssim(bare, bare), ms_ssim(bare, Prepared(image))) == ((), None, None)
