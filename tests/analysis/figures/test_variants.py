"""Neural codecs are drawn by themselves, with their spectra where there are any."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material, NothingToDraw

NEURAL = {name: {"kind": "neural"} for name in ("jpeg", "webp")}


@pytest.fixture
def one(
    material: Callable[..., Material],
    rows: Callable[..., pd.DataFrame],
    spectra: Callable[[pd.DataFrame], pd.DataFrame],
) -> Material:
    return material(rows(), spectra=spectra(rows()), codecs=NEURAL)


def test_only_neural_codecs_are_in_it(one: Material) -> None:
    rate, radial = FIGURES["neural-variants"].draw(one)
    assert [line.get_label() for line in rate.figure.axes[0].lines] == ["jpeg", "webp"]
    assert len(radial.figure.axes[0].lines) == 2


def test_without_spectra_there_are_the_curves_and_the_reason(one: Material) -> None:
    (rate,) = FIGURES["neural-variants"].draw(replace(one, spectra=one.spectra.iloc[:0]))
    assert "--spectra" in rate.note


def test_one_neural_codec_is_too_few(one: Material) -> None:
    with pytest.raises(NothingToDraw, match="the file has only jpeg"):
        FIGURES["neural-variants"].draw(replace(one, codecs={"jpeg": {"kind": "neural"}}))


def test_an_estimate_of_a_codec_is_no_other_codec(one: Material) -> None:
    table = one.rows.replace({"codec": {"webp": "jpeg-est"}})
    with pytest.raises(NothingToDraw, match="the file has only jpeg"):
        FIGURES["neural-variants"].draw(
            replace(one, rows=table, codecs={"jpeg": {"kind": "neural"}, "jpeg-est": {"kind": "neural"}})
        )
