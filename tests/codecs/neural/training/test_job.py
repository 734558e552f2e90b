"""Preparation: a folder belongs to one training, and an input that does not fit is refused with nothing written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.training.train")

from codecshift.codecs.neural import checkpoint
from codecshift.codecs.neural.metadata import Facts
from codecshift.codecs.neural.models import construct
from codecshift.codecs.neural.training.job import choose_device, prepare
from codecshift.codecs.neural.training.recipe import Recipe, TrainingError
from codecshift.codecs.neural.training.train import train

TINY = Recipe("tiny", "bmshj2018-factorized", 4, 6, (0.02,), 2, crop=64, batch=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, photographs: Callable[..., Path]) -> Path:
    return photographs(tmp_path_factory.mktemp("data") / "train", 4, 80, 1)


def test_a_checkpoint_of_another_size_is_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "start" / "l0.02.safetensors"
    state = construct(TINY.architecture, TINY.config).state_dict()
    checkpoint.save(path, Facts(TINY.architecture, TINY.config, 0.02, "mse", {}), state)
    with pytest.raises(TrainingError, match=r"l0\.02\.safetensors holds .*'N': 4.*expected .*'N': 8"):
        prepare(replace(TINY, N=8, start="checkpoint"), data, tmp_path / "other", start=path.parent)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": 2}, r"seed = 1 there, 2 here"),
        ({"name": "other"}, r"of recipe 'tiny'"),
        ({"steps": 13}, r"steps = 2 there, 13 here"),
    ],
)
def test_another_recipe_does_not_touch_a_training(
    data: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    out = tmp_path / "out"
    train(prepare(TINY, data, out, device="cpu"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match=sentence):
        prepare(replace(TINY, **change), data, out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_other_images_do_not_touch_a_training(data: Path, photographs: Callable[..., Path], tmp_path: Path) -> None:
    prepare(TINY, data, tmp_path / "out")
    with pytest.raises(TrainingError, match="of other images"):
        prepare(TINY, photographs(tmp_path / "more", 2, 64, 5), tmp_path / "out")


def test_the_same_images_under_other_names_are_other_crops(photographs: Callable[..., Path], tmp_path: Path) -> None:
    folder = photographs(tmp_path / "renamed", 3, 80, 5)
    prepare(TINY, folder, tmp_path / "out")
    (folder / "0.png").rename(folder / "9.png")
    with pytest.raises(TrainingError, match="of these images under other names"):
        prepare(TINY, folder, tmp_path / "out")


def test_validation_images_that_are_learnt_from_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"4 images of .* are also in"):
        prepare(TINY, data, tmp_path / "out", valid=data)


@pytest.mark.parametrize("device", ["cpu:", "cuda:", "cuda:x", "gpu", "cpu:0", ""])
def test_a_device_that_is_none_is_named(device: str) -> None:
    with pytest.raises(TrainingError, match="expected --device cpu, cuda or auto"):
        choose_device(device)
