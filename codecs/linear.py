"""A linear codec for theory: it projects each 8x8 patch onto a few principal components of photographs."""

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
"""The side of a patch in pixels."""
SAMPLES = SIDE * SIDE

STEP = 1 / 8
"""The quantisation step of the coefficients in grey levels. It causes a mean squared error of at most 0.005 (in blue);
rounding the pixels to 8 bits causes 0.083."""

_MOST_EXPANSION = 1032  # no zlib stream expands further
_BASES = Path(__file__).parent / "bases" / "linear.npy"


def fit(photographs: Iterable[Image]) -> Bases:
    """Return the principal components of 8x8 patches of photographs in Y', Cb and Cr, shape (3, 64, 64).

    Component [p, i] is the i-th component of plane p: a patch in raster order, of unit norm. The components of a plane
    are orthogonal. The first is the constant patch, so that a projection onto any number of components preserves flat
    areas and does not depend on the black level. The others are the eigenvectors of the covariance of the remainder,
    in order of falling variance.

    Patches start at every third pixel. Each photograph is scaled to the same total variance in each plane. The
    covariance is averaged over mirror images and transposition. Raises ValueError if a plane is zero in all
    photographs.

    The bases in `bases/linear.npy` are computed from the photographs astronaut, chelsea, coffee, camera, brick, grass
    and gravel of scikit-image (all CC0 or in the public domain). The last four are grey and do not affect Cb and Cr.
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
    # A component and its transpose have the same variance. A tiny preference for one keeps them from being mixed.
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
    """Return the bases that the codec projects onto, shape (3, 64, 64) as `fit` returns them; read-only."""
    loaded: Bases = np.load(_BASES)
    loaded.flags.writeable = False
    return loaded


class Linear:
    """The projection of every patch of Y', Cb and Cr onto the first `rank` components of its plane.

    Images are padded to multiples of 8 by repeating the last pixels. Coefficients are rounded to multiples of STEP and
    deflated; decoded pixels are rounded and clipped to 8 bits. The codec differs from a linear projection only by the
    two roundings (a mean squared error of 0.04 in luminance) and by the clipping at black and white.
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
        # High bytes and low bytes are stored separately, because the low bytes are nearly noise.
        payload = np.frombuffer(coefficients.tobytes(), np.uint8).reshape(-1, 2).T.tobytes()
        return pack(height, width, bytes([self.rank]) + zlib.compress(payload, 6))

    def decode(self, data: bytes) -> Image:
        """Return the uint8 (H, W, 3) image of a stream of any rank; raise DecodeError if `data` is not a stream."""
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
    """Return the bytes inflated from `data`; raise DecodeError unless they are complete and of this length."""
    if length > _MOST_EXPANSION * len(data):
        raise DecodeError(f"expected {length} bytes of coefficients, more than {len(data)} deflated bytes can contain")
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, length + 1)
    except zlib.error as error:
        raise DecodeError(str(error)) from error
    if len(inflated) != length or not stream.eof or stream.unused_data:
        raise DecodeError(f"expected exactly {length} bytes of coefficients, got {len(inflated)} or data after them")
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
        # Ranks that include all components of about the same frequency.
        points=RANK.ladder(1, 3, 6, 10, 15, 21, 36, 48),
        scale=RANK,
        chroma="4:4:4",
        colour="BT.601 full",
        effort="none to set",
        settings="for theory: r of the 64 principal components of each plane's 8x8 patches, deflated",
    ),
)
