"""The linear codec is the projection it says it is, but for rounding and clipping, on components that `fit` gives."""

import os
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from codecshift.codecs import linear
from codecshift.codecs.header import pack
from codecshift.codecs.linear import RANK, SPECS, Linear, bases, fit
from codecshift.codecs.protocol import DecodeError, Image
from codecshift.corruptions.pixels import read_pixels

ROOT = Path(__file__).parents[2]
KODAK = Path(os.environ.get("CODECSHIFT_DATA", "nowhere")) / "kodak"
RANKS = [point.params["rank"] for point in SPECS[0].points]
LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
NOISE = np.random.default_rng(6).integers(60, 196, (24, 40, 3)).astype(np.uint8)


def grey(image: Image) -> Image:
    return image if image.ndim == 3 else image[..., np.newaxis].repeat(3, axis=2)


def projected(luminance: np.ndarray, rank: int) -> np.ndarray:
    """Return what a linear projector makes of a plane whose sides are multiples of 8, patch by patch, in floats."""
    seen = np.empty_like(luminance)
    components = bases()[0, :rank]
    for top in range(0, len(luminance), 8):
        for left in range(0, luminance.shape[1], 8):
            place = np.s_[top : top + 8, left : left + 8]
            patch = luminance[place].ravel()
            seen[place] = sum((component @ patch) * component for component in components).reshape(8, 8)
    return seen


# --- the projection


@pytest.mark.parametrize("rank", RANKS)
def test_luminance_is_projected_and_little_else_happens_to_it(rank: int) -> None:
    luminance = NOISE @ LUMINANCE
    seen = Linear(rank).decode(Linear(rank).encode(NOISE)) @ LUMINANCE
    departure = seen - projected(luminance, rank)
    # Rounding R, G and B to 8 bits and the coefficients to an eighth: 0.0373 + 64 / 64 (1/8)^2 / 12 at most.
    assert np.mean(departure**2) == pytest.approx(0.037, abs=0.008)
    assert np.abs(departure).max() < 0.5 + 0.3


def test_luminance_does_not_depend_on_chroma() -> None:
    pale = np.rint(NOISE @ LUMINANCE)[..., np.newaxis].repeat(3, axis=2).astype(np.uint8)
    coloured, uncoloured = (Linear(10).decode(Linear(10).encode(image)) @ LUMINANCE for image in (NOISE, pale))
    assert np.abs(coloured - uncoloured).max() < 1.5  # `pale` is rounded, and so are both results


def test_one_component_is_the_mean_of_each_patch() -> None:
    means = NOISE.astype(float).reshape(3, 8, 5, 8, 3).mean(axis=(1, 3)).repeat(8, axis=0).repeat(8, axis=1)
    assert np.abs(Linear(1).decode(Linear(1).encode(NOISE)) - means).max() < 0.6


def test_all_components_are_the_picture() -> None:
    np.testing.assert_array_equal(Linear(64).decode(Linear(64).encode(NOISE)), NOISE)


@pytest.mark.parametrize("rank", [1, 10, 48])
def test_a_projection_made_again_changes_nothing_much(rank: int) -> None:
    once = Linear(rank).decode(Linear(rank).encode(NOISE))
    twice = Linear(rank).decode(Linear(rank).encode(once))
    assert np.mean((once.astype(float) - twice) ** 2) < 0.1


def test_sides_that_are_no_multiple_of_8_are_continued() -> None:
    codec = Linear(6)
    whole = np.pad(NOISE[:17, :33], ((0, 7), (0, 7), (0, 0)), mode="edge")
    seen = codec.decode(codec.encode(NOISE[:17, :33]))
    np.testing.assert_array_equal(seen, codec.decode(codec.encode(whole))[:17, :33])


@pytest.mark.needs("kodak")
@pytest.mark.parametrize("name", ["kodim04", "kodim23"])
def test_on_photographs_the_departure_is_that_of_rounding_and_clipping(name: str) -> None:
    image = read_pixels(KODAK / f"{name}.png")
    seen = Linear(10).decode(Linear(10).encode(image))
    departure = seen @ LUMINANCE - projected(image @ LUMINANCE, 10)
    inside = ((seen > 0) & (seen < 255)).all(axis=2)
    assert np.mean(departure[inside] ** 2) == pytest.approx(0.037, abs=0.008)
    assert inside.mean() > 0.95
    assert np.mean(departure**2) < 0.25


# --- the components


def test_the_components_of_a_plane_are_orthonormal_and_the_first_is_constant() -> None:
    for plane in bases():
        np.testing.assert_allclose(plane @ plane.T, np.eye(64), atol=1e-12)
        np.testing.assert_array_equal(plane[0], np.full(64, 1 / 8))


def test_the_stored_components_are_those_of_the_photographs_named() -> None:
    names = ("astronaut", "chelsea", "coffee", "camera", "brick", "grass", "gravel")
    fitted = fit(grey(getattr(skimage.data, name)()) for name in names)
    # Components of nearly the same variance may turn among themselves; what is projected on is the same.
    for rank in RANKS:
        found, stored = (basis[:, :rank].transpose(0, 2, 1) @ basis[:, :rank] for basis in (fitted, bases()))
        np.testing.assert_allclose(found, stored, atol=1e-6)


def test_the_components_are_the_principal_ones() -> None:
    """All patches of a wave are sums of two: those, and their transposes, are the components after the first."""
    wave = 2 * np.pi * np.arange(96) / 8
    noise = np.random.default_rng(1).normal(0, 1, (48, 96, 3))
    image = np.clip(120 + 50 * np.cos(wave)[:, np.newaxis] + noise, 0, 255).astype(np.uint8)
    first = fit([image])[0, 1:5]
    expected = [np.outer(side, np.ones(8)) for side in (np.cos(wave[:8]), np.sin(wave[:8]))]
    for patch in (*expected, *(patch.T for patch in expected)):
        assert np.linalg.norm(first @ patch.ravel()) == pytest.approx(np.linalg.norm(patch), rel=1e-3)


def test_grey_photographs_alone_do_not_do() -> None:
    with pytest.raises(ValueError, match="neither grey nor of one colour"):
        fit([grey(skimage.data.camera())])


def test_the_components_are_package_data_and_small() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = pyproject["tool"]["setuptools"]["package-data"]["*"]
    (stored,) = [
        path for pattern in patterns for path in Path(linear.__file__).parent.glob(pattern) if "bases" in str(path)
    ]
    assert stored.stat().st_size < 200_000
    with pytest.raises(ValueError, match="read-only"):
        bases()[0, 0, 0] = 1


# --- streams


def stream(rank: int = 1, coefficients: bytes = bytes(6), height: int = 8, width: int = 8) -> bytes:
    return pack(height, width, bytes([rank]) + zlib.compress(coefficients))


def test_a_stream_can_be_written_by_hand() -> None:
    # The mean of luminance 8 grey levels over 128, in eighths and times 8; the low bytes of the planes, then the high.
    coefficients = bytes([0, 0, 0, 2, 0, 0])
    np.testing.assert_array_equal(Linear(5).decode(stream(1, coefficients)), np.full((8, 8, 3), 136))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        stream()[:-1],
        stream() + b"\0",
        stream(rank=0),
        stream(rank=65),
        stream(rank=2),
        stream(height=9),
        stream(height=2**20, width=2**20),
        stream(coefficients=bytes(5)),
        stream(coefficients=bytes(7)),
        pack(8, 8, b""),
        pack(8, 8, b"\1" + bytes(20)),
        pack(8, 8, b"\1" + zlib.compress(bytes(6)) + b"\0"),
        pack(8, 8, b"\1" + zlib.compress(bytes(6))[:-1]),
    ],
    ids=[
        *("empty", "one-short", "one-over", "rank-0", "rank-65", "another-rank", "another-size", "huge"),
        *("too-few", "too-many", "no-payload", "no-zlib", "more-after", "no-checksum"),
    ],
)
def test_any_other_stream_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Linear(1).decode(data)


def test_the_scale_is_the_rank() -> None:
    assert sorted(RANKS) == RANKS
    assert [RANK.parse("r1").params, RANK.parse("r64").params] == [{"rank": 1}, {"rank": 64}]
