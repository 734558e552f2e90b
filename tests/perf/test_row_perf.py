"""What one row costs: ours against the plain way of the same numbers, on the same image in the same run.

On one core of an EPYC (Zen 4), a Kodak image took 11.5 ms and the plain way 187 ms, 16 times as long. JPEG itself took
3.3 ms of it.
"""

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.analysis.distortion import psnr, squared_error
from codecshift.analysis.measures.ms_ssim import Prepared, ms_ssims
from codecshift.codecs.registry import find, open_codec

pytestmark = pytest.mark.benchmark(group="jpeg row", min_rounds=5, warmup=True)

QUALITY = 55
Row = tuple[float, ...]
"""bpp, PSNR against shown and clean, MS-SSIM against shown and clean."""


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """A clean image and the same image spoilt by noise."""
    path = Path(os.environ.get("CODECSHIFT_DATA", "")) / "kodak" / "kodim05.png"
    at_hand = "CODECSHIFT_DATA" in os.environ and path.is_file()
    clean = np.array(PIL.Image.open(path)) if at_hand else skimage.data.astronaut()
    noise = np.random.default_rng(5).normal(0, 15, clean.shape)
    return clean, np.clip(clean + noise, 0, 255).astype(np.uint8)


def plain_row(clean: np.ndarray, shown: np.ndarray) -> Row:
    """Return the row as a script would make it: Pillow, floats, and pytorch-msssim on each pair."""
    torch = pytest.importorskip("torch", exc_type=ImportError)
    pytorch_msssim = pytest.importorskip("pytorch_msssim", exc_type=ImportError)
    torch.set_num_threads(1)
    buffer = io.BytesIO()
    PIL.Image.fromarray(shown).save(buffer, "JPEG", quality=QUALITY)
    seen = np.array(PIL.Image.open(buffer))

    def decibels(reference: np.ndarray) -> float:
        return float(10 * np.log10(255**2 / np.mean(np.square(seen.astype(np.float64) - reference))))

    def tensor(image: np.ndarray) -> Any:
        return torch.from_numpy(image).permute(2, 0, 1)[None].float()

    def similarity(reference: np.ndarray) -> float:
        return float(pytorch_msssim.ms_ssim(tensor(seen), tensor(reference), data_range=255))

    bpp = 8 * buffer.tell() / (seen.shape[0] * seen.shape[1])
    return bpp, decibels(shown), decibels(clean), similarity(shown), similarity(clean)


def test_ours(benchmark: Any, images: tuple[np.ndarray, np.ndarray]) -> None:
    """As workers do: the codec is open and both references are prepared, once for all points."""
    cv2.setNumThreads(1)
    clean, shown = map(Prepared, images)
    pixels = shown.image.shape[0] * shown.image.shape[1]
    spec, (point,) = find(f"jpeg-fixed:q{QUALITY}")
    with open_codec(spec, point) as codec:

        def row() -> Row:
            data = codec.encode(shown.image)
            seen = codec.decode(data)
            prepared = Prepared(seen)
            errors = squared_error(seen, shown.image), squared_error(seen, clean.image)
            similarities = ms_ssims(prepared, (shown, clean))
            return 8 * len(data) / pixels, *psnr(errors, pixels).tolist(), *similarities

        assert benchmark(row) == pytest.approx(plain_row(*images), abs=1e-4)


def test_the_plain_way(benchmark: Any, images: tuple[np.ndarray, np.ndarray]) -> None:
    assert len(benchmark(plain_row, *images)) == 5
