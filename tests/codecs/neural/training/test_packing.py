"""Packing: half the bytes where rate and quality stay, recipe and logs beside, and what was written by hand kept."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("codecshift.codecs.neural.training.train", exc_type=ImportError)

from codecshift.benchmark.cli import main  # noqa: E402
from codecshift.codecs.neural import checkpoint, specs  # noqa: E402
from codecshift.codecs.neural.training import packing  # noqa: E402
from codecshift.codecs.neural.training.job import prepare  # noqa: E402
from codecshift.codecs.neural.training.recipe import Recipe, TrainingError, read  # noqa: E402
from codecshift.codecs.neural.training.train import train  # noqa: E402

TINY = Recipe("tiny", "bmshj2018-factorized", 4, 6, (0.02,), 4, crop=64, batch=2, learning_rate=1e-3)
NEIGHBOUR = replace(TINY, start="neighbour")
CONDITIONAL = replace(TINY, architecture="hyperprior-lct", lambdas=(0.002, 0.2))


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory, photographs: Callable[..., Path]) -> Path:
    return photographs(tmp_path_factory.mktemp("valid") / "valid", 2, 80, 2)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, photographs: Callable[..., Path], valid: Path
) -> Callable[[Recipe], Path]:
    place = tmp_path_factory.mktemp("trained")
    data = photographs(place / "data", 3, 80, 1)

    def one(recipe: Recipe) -> Path:
        out = place / recipe.digest()
        train(prepare(recipe, data, out, valid=valid, device="cpu"))
        return out

    return one


@pytest.mark.parametrize("recipe", [TINY, CONDITIONAL], ids=lambda recipe: recipe.architecture)
def test_what_is_packed_codes_as_what_was_trained(
    trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path, recipe: Recipe
) -> None:
    packed = packing.pack([trained(recipe)], tmp_path / "family-cs", valid)
    assert [one.after.lam for one in packed] == list(recipe.lambdas)
    for one in packed:
        assert one.after.bpp_real == pytest.approx(one.before.bpp_real, rel=1e-3)
        assert one.after.psnr == pytest.approx(one.before.psnr, abs=0.01)
    (file,) = {one.file for one in packed}
    assert file == ("family-cs.safetensors" if recipe.variable else "l0.02.safetensors")
    before = checkpoint.read(next((trained(recipe) / "best").iterdir()))
    after = checkpoint.read(tmp_path / "family-cs" / file)
    assert dict(after.about) == dict(before.about)
    kinds = {name: value.dtype for name, value in after.state.items()}
    halved = {kind for name, kind in kinds.items() if name.startswith("g_a") and name.endswith((".weight", ".beta"))}
    assert halved == {torch.float16}
    assert {kind for name, kind in kinds.items() if name.startswith("entropy_bottleneck.")} == {torch.float32}
    constants = {name: value for name, value in after.state.items() if name.endswith(("bound", ".pedestal"))}
    assert constants
    assert all(torch.equal(value, before.state[name]) for name, value in constants.items())
    names = {path.name for path in (tmp_path / "family-cs").iterdir()}
    assert names == {file, "recipe.toml", "log.csv", "valid.csv", "CARD.md"}


def test_trainings_of_one_lambda_each_become_a_family(
    trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path
) -> None:
    parts = [trained(TINY), trained(replace(TINY, lambdas=(0.004,)))]
    packed = packing.pack(parts, tmp_path / "two", valid)
    assert [(one.file, one.after.lam) for one in packed] == [("l0.02.safetensors", 0.02), ("l0.004.safetensors", 0.004)]
    assert read(tmp_path / "two" / "recipe.toml") == replace(TINY, name="recipe", lambdas=(0.02, 0.004))
    for name in ("log.csv", "valid.csv"):
        first, second = ((part / name).read_text(encoding="utf-8") for part in parts)
        assert (tmp_path / "two" / name).read_text(encoding="utf-8") == first + second.partition("\n")[2]
    assert "4 steps at each lambda, in 2 trainings" in (tmp_path / "two" / "CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("recipes", "sentence"),
    [
        ((TINY, TINY), "two of these trainings have the same lambda"),
        ((TINY, replace(TINY, lambdas=(0.004,), learning_rate=2e-3)), "differ in more than their lambdas"),
        ((CONDITIONAL, replace(CONDITIONAL, lambdas=(0.01, 0.02))), "hyperprior-lct serves all rates"),
        ((NEIGHBOUR, replace(NEIGHBOUR, lambdas=(0.004,))), 'with start = "neighbour" networks share weights'),
    ],
)
def test_trainings_that_make_no_family_are_not_packed(
    trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path, recipes: tuple[Recipe, ...], sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        packing.pack([trained(one) for one in recipes], tmp_path / "out", valid)
    assert not (tmp_path / "out").exists()


def test_trainings_on_different_photographs_make_no_family(
    trained: Callable[[Recipe], Path], photographs: Callable[..., Path], valid: Path, tmp_path: Path
) -> None:
    others = replace(TINY, lambdas=(0.004,))
    data = photographs(tmp_path / "others", 2, 80, 7)
    train(prepare(others, data, tmp_path / "training", valid=valid, device="cpu"))
    with pytest.raises(TrainingError, match="used different photographs"):
        packing.pack([trained(TINY), tmp_path / "training"], tmp_path / "out", valid)
    assert not (tmp_path / "out").exists()


def test_what_would_change_in_half_precision_stays_whole(
    trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "PSNR", -1.0)
    (one,) = packing.pack([trained(TINY)], tmp_path / "whole", valid)
    assert not one.half
    state = checkpoint.read(tmp_path / "whole" / one.file).state
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}


def test_a_card_keeps_what_was_written_by_hand(trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path) -> None:
    card = tmp_path / "family" / "CARD.md"
    packing.pack([trained(TINY)], card.parent, valid)
    first = card.read_text(encoding="utf-8")
    assert "bmshj2018-factorized" in first
    card.write_text(first.replace("factorized", "x") + "\nOn fog it fails.\n", encoding="utf-8")
    packing.pack([trained(TINY)], card.parent, valid)
    assert card.read_text(encoding="utf-8") == first + "\nOn fog it fails.\n"


def test_an_unfinished_training_is_not_packed(trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path) -> None:
    shutil.copytree(trained(TINY), tmp_path / "training")
    log = tmp_path / "training" / "valid.csv"
    log.write_text("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"is not finished: lambda 0\.02 was not validated at step 4"):
        packing.pack([tmp_path / "training"], tmp_path / "out", valid)
    assert not (tmp_path / "out").exists()


def test_a_damaged_checkpoint_is_not_packed(trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path) -> None:
    shutil.copytree(trained(TINY), tmp_path / "training")
    (tmp_path / "training" / "best" / "l0.02.safetensors").write_bytes(b"cut")
    with pytest.raises(TrainingError, match=r"l0\.02\.safetensors is not a safetensors file"):
        packing.pack([tmp_path / "training"], tmp_path / "out", valid)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("recipe", [TINY, CONDITIONAL], ids=lambda recipe: recipe.architecture)
def test_a_family_that_is_packed_is_a_codec(
    trained: Callable[[Recipe], Path], valid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    packing.pack([trained(recipe)], tmp_path / "family-cs", valid)
    monkeypatch.setattr(specs.families, "FOLDER", tmp_path)
    spec = specs._ours("family-cs")
    if recipe.variable:
        assert [point.name for point in spec.points] == ["l0.0018", "l0.005", "l0.013", "l0.035", "l0.09"]
        assert spec.scale
    else:
        assert [point.name for point in spec.points] == ["l0.02"]
        assert not spec.scale


def test_a_folder_that_holds_no_training_is_named(
    tmp_path: Path, valid: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match="holds no training"):
        packing.pack([tmp_path], tmp_path / "out", valid)
    monkeypatch.setattr("sys.argv", ["codecshift", "pack", str(tmp_path), "--out", "out", "--valid", str(valid)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "holds no training" in capsys.readouterr().err
