"""Pictures for figures are the pixels that rows were measured on, or there is a reason and no picture."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from codecshift.analysis.distortion import psnr, squared_error
from codecshift.analysis.figures import NothingToDraw
from codecshift.benchmark import store
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.remade import Remade
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import Plan
from codecshift.codecs.registry import find

SET = "folder:pair"


@pytest.fixture(scope="module")
def measured(pair: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run file of two photographs, clean and in fog, through two codec points."""
    path = tmp_path_factory.mktemp("measured") / "r.sqlite"
    plan = Plan("p", "", (f"folder:{pair}",), ("jpeg:q50", "webp:q50"), ("none", "fog"), (3,))
    run(prepare(plan, pair), path, jobs=1)
    return path


def remade(path: Path, data_dir: Path, **more: object) -> Remade:
    return Remade(path, SET, store.runs(path).values(), data_dir, **more)


@pytest.fixture
def changed(measured: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that changes a copy of the run file by a statement."""

    def change(statement: str) -> Path:
        copy = tmp_path / "changed.sqlite"
        shutil.copy(measured, copy)
        with sqlite3.connect(copy) as connection:
            connection.execute(statement)
        connection.close()
        return copy

    return change


def test_pixels_have_the_psnr_of_their_rows(measured: Path, pair: Path, photographs: dict[str, np.ndarray]) -> None:
    pictures = remade(measured, pair.parent)
    assert pictures.missing() == ""
    np.testing.assert_array_equal(pictures.clean("hair"), photographs["hair"])
    for row in store.read(measured).itertuples():
        decoded = pictures.decoded(row.image, row.corruption, row.severity, row.codec, row.point)
        given = (pictures.shown(row.image, row.corruption, row.severity), pictures.clean(row.image))
        pixels = row.height * row.width
        found = [float(psnr(squared_error(decoded, other), pixels)) for other in given]
        assert found == pytest.approx([row.psnr, row.psnr_clean])


def test_a_set_that_is_not_there_is_told_with_the_option(measured: Path, tmp_path: Path) -> None:
    reason = remade(measured, tmp_path).missing()
    assert f"but are not in {tmp_path}" in reason
    assert f"codecshift figures {measured} --data-dir DIR" in reason
    with pytest.raises(NothingToDraw, match="are needed"):
        remade(measured, tmp_path).clean("hair")


def test_other_images_under_the_same_name_are_refused(measured: Path, pair: Path, tmp_path: Path) -> None:
    other = tmp_path / "pair"
    shutil.copytree(pair, other)
    assert remade(measured, tmp_path).missing() == ""
    (other / "hair.png").write_bytes((pair / "suit.png").read_bytes())
    assert "not those that the rows were measured on" in remade(measured, tmp_path).missing()


@pytest.mark.parametrize("column", ["nbytes", "error", "error_clean"])
def test_a_picture_that_disagrees_with_its_row_is_not_shown(
    column: str, changed: Callable[[str], Path], pair: Path
) -> None:
    path = changed(f"UPDATE rows SET {column} = {column} + 1 WHERE codec = 'jpeg' AND corruption = 'fog'")  # noqa: S608
    pictures = remade(path, pair.parent)
    assert pictures.decoded("hair", "none", 0, "jpeg", "q50").shape == pictures.clean("hair").shape
    with pytest.raises(NothingToDraw, match=r"hair/fog@3 jpeg:q50 cannot be reproduced here .* codecshift run"):
        pictures.decoded("hair", "fog", 3, "jpeg", "q50")


def test_a_row_that_failed_has_no_picture(changed: Callable[[str], Path], pair: Path) -> None:
    path = changed("UPDATE rows SET status = 'failed' WHERE codec = 'webp'")
    with pytest.raises(NothingToDraw, match="has no measured row"):
        remade(path, pair.parent).decoded("hair", "none", 0, "webp", "q50")
    with pytest.raises(NothingToDraw, match="has no measured row"):
        remade(path, pair.parent).decoded("hair", "none", 0, "webp", "q51")


def test_a_codec_that_is_not_here_is_told(changed: Callable[[str], Path], pair: Path) -> None:
    path = changed("UPDATE rows SET codec = 'elsewhere' WHERE codec = 'jpeg'")
    with pytest.raises(NothingToDraw, match=r"elsewhere cannot be used here.*: codecshift doctor"):
        remade(path, pair.parent).decoded("hair", "none", 0, "elsewhere", "q50")
    path = changed("UPDATE rows SET codec = 'bmshj2018-hyperprior@mine' WHERE codec = 'jpeg'")
    with pytest.raises(NothingToDraw, match=r"codecshift figures .* --checkpoint bmshj2018-hyperprior@FILE"):
        remade(path, pair.parent).decoded("hair", "none", 0, "bmshj2018-hyperprior@mine", "q50")


def test_a_codec_that_is_given_is_used(changed: Callable[[str], Path], pair: Path) -> None:
    from dataclasses import replace

    path = changed("UPDATE rows SET codec = 'mine' WHERE codec = 'jpeg'")
    mine = replace(find("jpeg")[0], name="mine")
    pictures = remade(path, pair.parent, extra=[mine])
    assert pictures.decoded("hair", "none", 0, "mine", "q50").dtype == np.uint8
