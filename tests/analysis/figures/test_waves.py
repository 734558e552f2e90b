"""Heatmaps of a run file are drawn strength by strength, and their rows counted."""

from collections.abc import Callable

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Evidence, NothingToDraw


@pytest.fixture
def waves(rows: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Rows of waves of two strengths at three frequencies, 1 dB below clean."""
    table = rows(("jpeg", "webp"), points=1)
    clean = table[table["corruption"] == "none"]
    names = [f"fourier_{i}_{j}_of_4" for i, j in ((0, 1), (1, 0), (1, 1))]
    return pd.concat(
        [
            table,
            *(clean.assign(corruption=name, severity=at, psnr=clean["psnr"] - 1) for name in names for at in (2, 4)),
        ]
    )


def test_each_strength_has_its_drawing(evidence: Callable[..., Evidence], waves: pd.DataFrame) -> None:
    drawings = FIGURES["fourier-heatmap"].draw(evidence(waves))
    assert [drawing.suffix for drawing in drawings] == ["rms2", "rms8"]
    for drawing in drawings:
        assert drawing.used.startswith(f"{2 * 2 * (1 + 3)} of {len(waves)} rows")  # codecs x images x (clean + waves)


def test_waves_without_clean_images_cannot_be_compared(evidence: Callable[..., Evidence], waves: pd.DataFrame) -> None:
    with pytest.raises(NothingToDraw, match="codecshift heatmap"):
        FIGURES["fourier-heatmap"].draw(evidence(waves[waves["corruption"] != "none"]))
