"""Run files for reports: three codecs of known curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.store import Row

Rows = Callable[..., Row]
Write = Callable[..., Path]
Curves = Callable[..., list[Row]]


@pytest.fixture
def curves(row: Rows) -> Curves:
    """Return a function that makes rows of three codecs.

    At equal quality "big" takes twice the bytes of "anchor"; "short" has one point, and no curve. Of images after the
    second, "big" takes a few bytes more or less.
    """

    def make(image_set: str = "kodak", *, images: Sequence[str] = ("a", "b"), **more: Any) -> list[Row]:
        rows = []
        for corruption, severity, factor in (("none", 0, 1.0), ("fog", 3, 1.5), ("gaussian_noise", 3, 2.0)):
            for place, image in enumerate(images):
                for codec, size, points in (("anchor", 1, 5), ("big", 2, 5), ("short", 1, 1)):
                    for point in range(points):
                        error = round(10**6 * 4.0**-point * factor)
                        spread = 1 + 0.03 * (-1) ** place * (place // 2) * (codec == "big")
                        fields = {
                            "nbytes": round(1000 * 2**point * size * factor * spread),
                            "error": error,
                            "error_clean": 2 * error,
                        }
                        fields |= {"ms_ssim": 1 - 0.2 / 2**point, "ms_ssim_clean": 1 - 0.3 / 2**point}
                        fields |= {"image": image, "point": f"p{point}", "corruption": corruption, "severity": severity}
                        rows.append(row(set=image_set, codec=codec, height=200, width=100, **fields | more))
        return rows

    return make


@pytest.fixture
def path(tmp_path: Path, curves: Curves, write: Write) -> Path:
    """A run file of two images, too few for intervals."""
    return write(tmp_path / "r.sqlite", curves())


@pytest.fixture
def sure(tmp_path: Path, curves: Curves, write: Write) -> Path:
    """A run file of enough images for intervals."""
    return write(tmp_path / "s.sqlite", curves(images="abcdefgh"))
