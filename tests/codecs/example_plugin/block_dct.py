"""The textbook transform codec: YCbCr, an 8x8 DCT, one quantiser step for all frequencies, DEFLATE."""

import struct
import zlib
from contextlib import contextmanager

import numpy as np
import scipy
from codecshift.codecs.protocol import DecodeError, Scale, Spec
from scipy.fft import dctn, idctn

HEADER = struct.Struct("<HHHI")  # height, width, step in sixteenths, CRC of what follows: the stream is self-contained
BLOCK = 8

# BT.601, full range, as JPEG has it: rows give Y, Cb and Cr of a pixel's R, G and B.
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
TO_RGB = np.linalg.inv(TO_YCC)


class BlockDct:
    """One operating point: the quantiser's step, in grey levels."""

    def __init__(self, step: float, halved: bool) -> None:
        self.step = round(16 * step)
        self.halved = halved  # chroma in half the size each way: 4:2:0

    def encode(self, image):
        """Return the stream of a uint8 (H, W, 3) image."""
        height, width = image.shape[:2]
        planes = np.moveaxis(image @ TO_YCC.T, -1, 0) - np.array([128, 0, 0])[:, None, None]
        body = b"".join(self._pack(plane) for plane in self._sampled(planes))
        packed = zlib.compress(body, 9)
        return HEADER.pack(height, width, self.step, zlib.crc32(packed)) + packed

    def decode(self, data):
        """Return the image of a stream, from nothing but `data`."""
        try:
            height, width, step, check = HEADER.unpack_from(data)
            if zlib.crc32(data[HEADER.size :]) != check:
                raise DecodeError("the checksum is wrong")
            body = zlib.decompress(data[HEADER.size :])
            planes = []
            for shape in self._shapes(height, width):
                size = 2 * np.prod([-(-side // BLOCK) * BLOCK for side in shape])
                planes.append(_unpack(body[:size], shape, step / 16))
                body = body[size:]
        except (struct.error, zlib.error, ValueError) as error:
            raise DecodeError(f"not a block-dct stream: {error}") from error
        planes = [plane if plane.shape == (height, width) else _doubled(plane, height, width) for plane in planes]
        pixels = (np.stack(planes, axis=-1) + np.array([128, 0, 0])) @ TO_RGB.T
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

    def _shapes(self, height, width):
        chroma = (-(-height // 2), -(-width // 2)) if self.halved else (height, width)
        return (height, width), chroma, chroma

    def _sampled(self, planes):
        for plane, (height, width) in zip(planes, self._shapes(*planes[0].shape), strict=True):
            if plane.shape == (height, width):
                yield plane
            else:  # the mean of two by two pixels
                padded = np.pad(plane, [(0, 2 * height - len(plane)), (0, 2 * width - plane.shape[1])], "edge")
                yield padded.reshape(height, 2, width, 2).mean(axis=(1, 3))

    def _pack(self, plane):
        """Return the quantised coefficients as bytes, all of one frequency together: runs of zeros compress well."""
        padded = np.pad(plane, [(0, -side % BLOCK) for side in plane.shape], "edge")
        rows, columns = (side // BLOCK for side in padded.shape)
        blocks = padded.reshape(rows, BLOCK, columns, BLOCK)
        levels = np.rint(dctn(blocks, axes=(1, 3), norm="ortho") * 16 / self.step).astype("<i2")
        levels = levels.transpose(1, 3, 0, 2).reshape(BLOCK * BLOCK, -1)
        # Low bytes apart from high ones, which are nearly all 0 or 255.
        return levels.view(np.uint8).reshape(-1, 2).T.tobytes()


def _unpack(data, shape, step):
    rows, columns = (-(-side // BLOCK) for side in shape)
    levels = np.frombuffer(data, np.uint8).reshape(2, -1).T.copy().view("<i2")
    levels = levels.reshape(BLOCK, BLOCK, rows, columns).transpose(2, 0, 3, 1)
    plane = idctn(levels * step, axes=(1, 3), norm="ortho").reshape(rows * BLOCK, columns * BLOCK)
    return plane[: shape[0], : shape[1]]


def _doubled(plane, height, width):
    return plane.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


@contextmanager
def load(step):
    """Open the codec with chroma as fine as luma: a context manager, so that it could close what it opened."""
    yield BlockDct(step, halved=False)


@contextmanager
def load_420(step):
    """Open the codec with chroma in half the size each way."""
    yield BlockDct(step, halved=True)


def identify():
    """Return the libraries behind the bytes: their versions are published with the results."""
    return f"SciPy {scipy.__version__}, zlib {zlib.ZLIB_RUNTIME_VERSION}"


# A coarser step costs fewer bits, so the ladder, which must rise in rate, falls in steps.
STEP = Scale("s", "step", 0.5, 255, integer=False, rising=False)
STEPS = STEP.ladder(96, 64, 40, 25, 16, 8, 4)
COMMON = {"points": STEPS, "scale": STEP, "identify": "block_dct:identify", "colour": "BT.601 full"}
COMMON |= {"effort": "level 9", "settings": "8x8 DCT, uniform quantiser, DEFLATE"}
SPECS = (
    Spec(name="block-dct", load="block_dct:load", chroma="4:4:4", **COMMON),
    Spec(name="block-dct-420", load="block_dct:load_420", chroma="4:2:0", **COMMON),
)
