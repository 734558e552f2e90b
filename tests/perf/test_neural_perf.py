"""What the adapter adds to a model: an image encoded and decoded by the codec, and by the bare model, in one thread."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import skimage.data

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from codecshift.codecs.neural import models  # noqa: E402 - torch may be missing
from codecshift.codecs.neural.codec import NeuralCodec  # noqa: E402

pytestmark = pytest.mark.benchmark(group="hyperprior, N=128, M=192", min_rounds=5, warmup=True)

ARCHITECTURE, SIZE = "bmshj2018-hyperprior", {"N": 128, "M": 192}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    path = Path(os.environ.get("CODECSHIFT_DATA", "")) / "kodak" / "kodim05.png"
    at_hand = "CODECSHIFT_DATA" in os.environ and path.is_file()
    return np.array(PIL.Image.open(path)) if at_hand else skimage.data.astronaut()


@pytest.fixture(scope="module")
def weights(image: np.ndarray) -> Any:
    """Random weights whose latents have a standard deviation of 2, and a prior that is not far from that."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model: Any = models.construct(ARCHITECTURE, SIZE).eval()
    with torch.no_grad():
        model.g_a[-1].weight *= 2 / float(model.g_a(tensor(image)).std())
        model.h_s[-2].bias += 1
    return model.state_dict()


def tensor(image: np.ndarray) -> Any:
    height, width = image.shape[0] // 64 * 64, image.shape[1] // 64 * 64
    return torch.from_numpy(image[:height, :width]).permute(2, 0, 1)[None] / 255


def test_the_codec(benchmark: Any, image: np.ndarray, weights: Any) -> None:
    codec = NeuralCodec(models.loaded(ARCHITECTURE, SIZE, weights), 64)
    assert benchmark(lambda: codec.decode(codec.encode(image))).shape == image.shape


def test_the_bare_model(benchmark: Any, image: np.ndarray, weights: Any) -> None:
    model: Any = models.loaded(ARCHITECTURE, SIZE, weights)
    pixels = tensor(image)

    def both() -> Any:
        with torch.inference_mode():
            out = model.compress(pixels)
            return model.decompress(out["strings"], out["shape"])["x_hat"]

    assert benchmark(both).shape == pixels.shape
