"""A linear codec, for theory: each 8x8 patch is projected on a few principal components of photographs."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .colour import RGB_TO_YCBCR, YCBCR_TO_RGB
from .header import pack, unpack
from .protocol import DecodeError, Image, Scale, Spec

Bases = NDArray[np.float64]

SIDE = 8
"""Pixels a side of a patch."""
SAMPLES = SIDE * SIDE

STEP = 1 / 8
"""The step of the coefficients in grey levels. It leaves a mean squared error of 0.005 in blue, where it weighs most;
rounding the pixels to 8 bits leaves 0.083."""

_MOST_EXPANSION = 1032  # no zlib stream expands further
_BASES = Path(__file__).parent / "bases" / "linear.npy"


def fit(photographs: Iterable[Image]) -> Bases:
    """Return the principal components of 8x8 patches of photographs in Y', Cb and Cr, shape (3, 64, 64).

    Component [p, i] is the i-th of plane p, a patch row by row, of unit norm; the components of a plane are orthogonal.
    The first is the constant patch, so that the projection on any number of them is linear and keeps every flat field
    wherever black lies; the others are the eigenvectors of the covariance of what is left, the largest variance first.
    All patches at every third pixel count, each photograph with the same total variance in each plane, and their
    covariance is averaged over mirror images and the transposed, which have no preference. A plane that is zero in all
    photographs raises ValueError.

    The bases in `bases/linear.npy` are those of the photographs astronaut, chelsea, coffee, camera, brick, grass and
    gravel of scikit-image (all of them CC0 or in the public domain), the last four grey and so of no say in Cb and Cr.
    """
    covariances = np.zeros((3, SAMPLES, SAMPLES))
    for photograph in photographs:
        for place, plane in enumerate(np.tensordot(RGB_TO_YCBCR, photograph, axes=(1, 2))):
            patches = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))[::3, ::3].reshape(-1, SAMPLES)
            patches = patches - patches.mean(axis=1, keepdims=True)
            covariance = patches.T @ patches
            variance = np.trace(covariance)
            if variance > 1e-9 * len(patches):  # grey pixels have a Cb of 1e-14
                covariances[place] += covariance / variance
    if not covariances.any(axis=(1, 2)).all():
        raise ValueError("expected at least one photograph that is neither grey nor of one colour")
    return np.stack([_components(_symmetric(covariance)) for covariance in covariances])


def _symmetric(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a covariance of patches averaged over their mirror images and transposition."""
    four = covariance.reshape(SIDE, SIDE, SIDE, SIDE)
    four = (four + four[::-1, :, ::-1, :]) / 2
    four = (four + four[:, ::-1, :, ::-1]) / 2
    return ((four + four.transpose(1, 0, 3, 2)) / 2).reshape(SAMPLES, SAMPLES)


def _components(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    constant = np.full(SAMPLES, 1 / SIDE)
    # A component and its transpose have the same variance: the hint of a preference keeps them from being mixed.
    upside_down = np.flip(np.eye(SAMPLES).reshape(SIDE, SIDE, SAMPLES), axis=0).reshape(SAMPLES, SAMPLES)
    covariance = covariance / np.trace(covariance) + 1e-9 * upside_down
    inside = np.eye(SAMPLES) - np.outer(constant, constant)
    vectors = np.linalg.eigh(inside @ covariance @ inside + 2 * np.outer(constant, constant))[1].T[::-1]
    largest = np.abs(vectors).argmax(axis=1)
    vectors *= np.sign(vectors[np.arange(SAMPLES), largest])[:, np.newaxis]
    vectors[0] = constant
    return vectors


@cache
def bases() -> Bases:
    """Return the bases that the codec projects on, shape (3, 64, 64), as `fit` gives them; not to be written to."""
    loaded: Bases = np.load(_BASES)
    loaded.flags.writeable = False
    return loaded


class Linear:
    """The projection of every patch of Y', Cb and Cr on the first `rank` components of its plane.

    Sides that are no multiple of 8 are continued by their last pixels. Coefficients are rounded to multiples of STEP
    and deflated; what is decoded is rounded and clipped to 8 bits. Both roundings and the clipping are all that parts
    the codec from a linear projector: in luminance, 0.04 of mean squared error and what lies beyond black and white.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def encode(self, image: Image) -> bytes:
        """Return height, width and length, the rank in a byte, and the coefficients, deflated."""
        height, width = image.shape[:2]
        down, across = _patches(height, width)
        padding = ((0, down * SIDE - height), (0, across * SIDE - width), (0, 0))
        centred = np.pad(image, padding, mode="edge").astype(np.float64) - 128
        planes = np.tensordot(RGB_TO_YCBCR, centred, axes=(1, 2))
        patches = planes.reshape(3, down, SIDE, across, SIDE).transpose(0, 2, 4, 1, 3).reshape(3, SAMPLES, -1)
        coefficients = np.rint(bases()[:, : self.rank] @ patches / STEP).astype("<i2")
        # The high bytes apart from the low ones, which are nearly noise.
        payload = np.frombuffer(coefficients.tobytes(), np.uint8).reshape(-1, 2).T.tobytes()
        return pack(height, width, bytes([self.rank]) + zlib.compress(payload, 6))

    def decode(self, data: bytes) -> Image:
        """Return the uint8 (H, W, 3) image of a stream of any rank; raise DecodeError if it is none."""
        height, width, payload = unpack(data)
        rank = payload[0] if payload else 0
        if not 1 <= rank <= SAMPLES:
            raise DecodeError(f"expected a rank from 1 to {SAMPLES}, got {rank}")
        down, across = _patches(height, width)
        coefficients = _inflated(payload[1:], 2 * 3 * rank * down * across)
        values = np.frombuffer(coefficients, np.uint8).reshape(2, -1).T.copy().view("<i2").reshape(3, rank, -1)
        patches = bases()[:, :rank].transpose(0, 2, 1) @ (values * STEP)
        planes = patches.reshape(3, SIDE, SIDE, down, across).transpose(0, 3, 1, 4, 2)
        planes = planes.reshape(3, down * SIDE, across * SIDE)[:, :height, :width]
        image = np.tensordot(planes, YCBCR_TO_RGB, axes=(0, 1)) + 128
        return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def _patches(height: int, width: int) -> tuple[int, int]:
    return -(-height // SIDE), -(-width // SIDE)


def _inflated(data: bytes, length: int) -> bytes:
    """Return what deflated to `data`; raise DecodeError unless it is whole and of this length."""
    if length > _MOST_EXPANSION * len(data):
        raise DecodeError(f"expected {length} bytes of coefficients, more than {len(data)} bytes can hold")
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, length + 1)
    except zlib.error as error:
        raise DecodeError(str(error)) from error
    if len(inflated) != length or not stream.eof or stream.unused_data:
        raise DecodeError(f"expected {length} bytes of coefficients, got {len(inflated)} or more around them")
    return inflated


@contextmanager
def load(rank: int) -> Iterator[Linear]:
    """Open the codec at a rank from 1 to 64."""
    bases()
    yield Linear(rank)


def identify() -> str:
    """Return the version of zlib."""
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"


RANK = Scale("r", "rank", 1, SAMPLES)

SPECS = (
    Spec(
        name="linear",
        load="codecshift.codecs.linear:load",
        identify="codecshift.codecs.linear:identify",
        # Ranks at which all components of about one frequency are in.
        points=RANK.ladder(1, 3, 6, 10, 15, 21, 36, 48),
        scale=RANK,
        chroma="4:4:4",
        colour="BT.601 full",
        effort="none to set",
        settings="for theory: r of the 64 principal components of each plane's 8x8 patches, deflated",
    ),
)
