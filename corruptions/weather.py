"""Weather: snow, frost, fog, light, and water or mud on the lens.

Formulas and levels: Hendrycks & Dietterich 2019. The pixels equal those of imagecorruptions 1.1.2 for the same random
state, with exceptions that the functions' docstrings state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .blur import dragged, gaussian, line, trail
from .corruption import Image
from .grey import UNIT, UNIT32, Floats, in_three, looked_up, on_unit_scale, strips, truncated
from .hsv import adjusted
from .textures import read


@dataclass(frozen=True, slots=True)
class Snow:
    """The amount of snow, the size and the motion of its flakes, and the share `keep` of the clear image."""

    mean: float
    deviation: float
    flake: float
    threshold: float
    radius: int
    sigma: float
    keep: float


@dataclass(frozen=True, slots=True)
class Spatter:
    """The amount of liquid on the lens, the size of its drops, how strongly it covers, and whether it is mud."""

    mean: float
    deviation: float
    sigma: float
    threshold: float
    strength: float
    mud: bool


SNOW = (
    Snow(mean=0.1, deviation=0.3, flake=3, threshold=0.5, radius=10, sigma=4, keep=0.8),
    Snow(mean=0.2, deviation=0.3, flake=2, threshold=0.5, radius=12, sigma=4, keep=0.7),
    Snow(mean=0.55, deviation=0.3, flake=4, threshold=0.9, radius=12, sigma=8, keep=0.7),
    Snow(mean=0.55, deviation=0.3, flake=4.5, threshold=0.85, radius=12, sigma=8, keep=0.65),
    Snow(mean=0.55, deviation=0.3, flake=2.5, threshold=0.85, radius=12, sigma=12, keep=0.55),
)

FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
"""Weights of the image and of the frost."""

FOG = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
"""Thickness of the fog, and how fast its finer structures fade (a smaller value gives a rougher cloud)."""

BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Offset of V in HSV."""

SPATTER = (
    Spatter(mean=0.65, deviation=0.3, sigma=4, threshold=0.69, strength=0.6, mud=False),
    Spatter(mean=0.65, deviation=0.3, sigma=3, threshold=0.68, strength=0.6, mud=False),
    Spatter(mean=0.65, deviation=0.3, sigma=2, threshold=0.68, strength=0.5, mud=False),
    Spatter(mean=0.65, deviation=0.3, sigma=1, threshold=0.65, strength=1.5, mud=True),
    Spatter(mean=0.67, deviation=0.4, sigma=1, threshold=0.65, strength=1.5, mud=True),
)

FROST_FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""The textures to draw from; the package contains a sixth, which imagecorruptions never uses."""

WATER = (175 / 255.0, 238 / 255.0, 238 / 255.0)
MUD = (63 / 255.0, 42 / 255.0, 20 / 255.0)


def snow(image: Image, level: Snow, rng: np.random.Generator) -> Image:
    """Add snow: whiten the image, and add a layer of motion-blurred flakes and the layer's mirror image.

    The pixels equal those of imagecorruptions 1.1.2 for the same random state. The flakes are enlarged with sums in
    another order, which could only affect a flake within 1e-16 of the threshold or of half a level.
    """
    height, width = image.shape[:2]
    flakes = _enlarged(rng.normal(size=(height, width), loc=level.mean, scale=level.deviation), level.flake)
    flakes[flakes < level.threshold] = 0
    np.clip(flakes, 0, 1, out=flakes)
    # The enlarged layer can be a little larger than the image, so it is blurred first and cropped afterwards.
    path = trail(level.radius, level.sigma, rng.uniform(-135, -45), *flakes.shape)
    blurred = dragged(flakes, path)[:height, :width]
    layer = np.round(blurred * 255).astype(np.uint8)
    mirrored = np.ascontiguousarray(layer[::-1, ::-1])
    out = np.empty_like(image)
    for rows in strips(height, width * 3):
        clear = looked_up(image[rows], UNIT32)
        white = cv2.cvtColor(clear, cv2.COLOR_RGB2GRAY) * 1.5 + 0.5
        day = in_three(white)
        np.maximum(clear, day, out=day)
        day *= 1 - level.keep
        clear *= level.keep
        clear += day
        snowy = in_three(on_unit_scale(layer[rows]))
        snowy += clear
        snowy += in_three(on_unit_scale(mirrored[rows]))
        out[rows] = truncated(snowy)
    return out


def _enlarged(field: Floats, factor: float) -> Floats:
    """Return the middle of `field`, shape (H, W), enlarged by linear interpolation as in scipy.ndimage.zoom."""
    down, right = (line(size, factor) for size in field.shape)
    first = down.index[0]
    part = field[first : down.index[-1] + 2]
    wide = part.take(right.index, axis=1)
    wide += (part.take(right.index + 1, axis=1) - wide) * right.weight
    wide[:, right.outside] = 0
    out: Floats = wide.take(down.index - first, axis=0)
    step = wide.take(down.index - first + 1, axis=0)
    step -= out
    step *= down.weight[:, None]
    out += step
    out[down.outside] = 0
    return out


def frost(image: Image, level: tuple[float, float], rng: np.random.Generator) -> Image:
    """Add a random part of one of five photographs of frost; `level` holds the weights of image and frost.

    The pixels equal those of imagecorruptions 1.1.2 for the same random state. Raises TexturesMissing if the
    photographs are not on this machine.
    """
    height, width = image.shape[:2]
    texture = _fitted(int(rng.integers(5)), height, width)
    top = rng.integers(0, texture.shape[0] - height)
    left = rng.integers(0, texture.shape[1] - width)
    crop = texture[top : top + height, left : left + width]
    keep, cover = level
    # A pair of 8-bit levels has 65536 possible sums.
    mixture = np.clip(keep * np.arange(256)[:, None] + cover * np.arange(256), 0, 255).astype(np.uint8).reshape(-1)
    out = np.empty_like(image)
    for rows in strips(height, width * 3):
        pair = image[rows].astype(np.uint16)
        pair *= 256
        pair += crop[rows]
        out[rows] = mixture[pair]
    return out


@lru_cache(maxsize=10)
def _fitted(index: int, height: int, width: int) -> Image:
    """Return frost texture `index`, enlarged if needed to be 10 % larger than an image of `height` x `width`."""
    texture = _texture(index)
    rows, columns = texture.shape[:2]
    scale = max(1.0, height / rows, width / columns) * 1.1
    size = (math.ceil(columns * scale), math.ceil(rows * scale))
    fitted = cv2.cvtColor(cv2.resize(texture, dsize=size, interpolation=cv2.INTER_CUBIC), cv2.COLOR_BGR2RGB)
    fitted.flags.writeable = False
    return np.asarray(fitted, dtype=np.uint8)


@lru_cache(maxsize=len(FROST_FILES))
def _texture(index: int) -> NDArray[np.uint8]:
    """Return frost photograph `index` as it is stored, in BGR."""
    stored = np.frombuffer(read(f"imagecorruptions/frost/{FROST_FILES[index]}"), dtype=np.uint8)
    texture = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    return np.asarray(texture, dtype=np.uint8)


def fog(image: Image, level: tuple[float, float], rng: np.random.Generator) -> Image:
    """Blend with a fractal cloud; `level` holds its thickness and how fast its finer structures fade."""
    thickness, fade = level
    height, width = image.shape[:2]
    size = 1 << (max(height, width, 3) - 1).bit_length()
    cloud = _plasma(size, fade, rng)[:height, :width]
    brightest = float(UNIT[image.max()])
    out = np.empty_like(image)
    for rows in strips(height, width * 3):
        thick = thickness * cloud[rows]
        foggy = on_unit_scale(image[rows])
        foggy += in_three(thick)
        foggy *= brightest
        foggy /= brightest + thickness
        out[rows] = truncated(foggy)
    return out


def _plasma(size: int, fade: float, rng: np.random.Generator) -> Floats:
    """Return a fractal height map, (size, size) in 0..1, by the diamond-square algorithm on a torus.

    Every round doubles the sides. It sets first the middles of the squares, then the middles of the edges, each to the
    mean of four neighbours plus a uniform deviation of up to `wobble`**2. Each round divides `wobble` by `fade`.
    """
    wobble = 100.0
    heights = np.zeros((1, 1))
    while len(heights) < size:
        finer = np.empty((2 * len(heights), 2 * len(heights)))
        middles = finer[1::2, 1::2]
        finer[::2, ::2] = heights
        middles[...] = _deviated(_paired(_paired(heights, -1, 0), -1, 1), wobble, rng)
        edges = _paired(middles, 1, 0)
        edges += _paired(heights, -1, 1)
        finer[::2, 1::2] = _deviated(edges, wobble, rng)
        edges = _paired(middles, 1, 1)
        edges += _paired(heights, -1, 0)
        finer[1::2, ::2] = _deviated(edges, wobble, rng)
        heights = finer
        wobble /= fade
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _paired(heights: Floats, shift: int, axis: int) -> Floats:
    """Return heights + np.roll(heights, shift, axis) for a shift of 1 or -1, without the copy that np.roll makes."""
    lines = heights if axis == 0 else heights.T
    pairs = np.empty_like(lines)
    first, last = (0, -1) if shift > 0 else (-1, 0)
    inner = pairs[1:] if shift > 0 else pairs[:-1]
    np.add(lines[1:], lines[:-1], out=inner)
    np.add(lines[first], lines[last], out=pairs[first])
    return pairs if axis == 0 else pairs.T


def _deviated(sums: Floats, wobble: float, rng: np.random.Generator) -> Floats:
    """Return `sums` / 4 plus `wobble` times a uniform draw from -`wobble` to `wobble`; writes to `sums`."""
    sums /= 4
    deviation = rng.uniform(-wobble, wobble, sums.shape)
    deviation *= wobble
    sums += deviation
    return sums


def brightness(image: Image, level: float, _rng: np.random.Generator) -> Image:
    """Add `level` to the V of HSV."""
    return adjusted(image, lambda saturation: saturation, lambda value: np.clip(value + level, 0, 1))


def spatter(image: Image, level: Spatter, rng: np.random.Generator) -> Image:
    """Put drops of water or mud on the lens.

    The pixels equal those of imagecorruptions 1.1.2 for the same random state. If no drop falls, which happens on small
    images, the image is unchanged, while imagecorruptions divides zero by zero.
    """
    noise = rng.normal(size=image.shape[:2], loc=level.mean, scale=level.deviation)
    liquid = gaussian(noise, level.sigma)
    liquid[liquid < level.threshold] = 0
    return _muddy(image, liquid, level) if level.mud else _wet(image, liquid, level)


def _wet(image: Image, liquid: Floats, level: Spatter) -> Image:
    """Return `image` behind drops of water, whose rims shine in pale turquoise."""
    drops = (liquid * 255).astype(np.uint8)
    rim = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
    _, rim = cv2.threshold(rim, 20, 20, cv2.THRESH_TRUNC)
    shine = cv2.equalizeHist(cv2.blur(rim, (3, 3)).astype(np.uint8))
    shine = cv2.filter2D(shine, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    cover = np.multiply(drops, cv2.blur(shine, (3, 3)), dtype=np.float32)
    peak = cover.max()
    if peak > 0:
        cover /= peak
    cover *= level.strength
    unit = looked_up(image, UNIT32)
    unit += np.asarray(cv2.merge([cover * np.float32(shade) for shade in WATER]), dtype=np.float32)
    return truncated(unit)


def _muddy(image: Image, liquid: Floats, level: Spatter) -> Image:
    """Return `image` behind splashes of mud."""
    cover: NDArray[np.float32] = gaussian((liquid > level.threshold).astype(np.float32), level.strength)
    cover[cover < 0.8] = 0
    unit = looked_up(image, UNIT32)
    unit *= in_three(1 - cover)
    brown = np.asarray(cv2.merge([shade * cover.astype(np.float64) for shade in MUD]), dtype=np.float64)
    brown += unit
    return truncated(brown)
