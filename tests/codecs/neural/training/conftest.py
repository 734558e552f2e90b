"""Pictures to train on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow


@pytest.fixture(scope="session")
def photographs() -> Callable[..., Path]:
    """A function that writes smooth pictures, which networks learn faster than noise, to a new folder."""

    def write(folder: Path, count: int, side: int, seed: int) -> Path:
        rng = np.random.default_rng(seed)
        folder.mkdir()
        for index in range(count):
            small = Pillow.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
            small.resize((side, side), Pillow.Resampling.BICUBIC).save(folder / f"{index}.png")
        return folder

    return write
