"""Recipes: every one that ships reads, a changed one is checked, and nothing of torch is needed for either."""

import tomllib
from pathlib import Path

import pytest
from codecshift.codecs.neural.training import recipe as recipes
from codecshift.codecs.neural.training.recipe import Recipe, TrainingError

TINY = Recipe("tiny", "bmshj2018-factorized", 4, 6, (0.01,), 100, crop=64)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_that_ships_reads(name: str) -> None:
    recipe = recipes.find(name)
    assert recipe.name == name
    assert recipe.about
    assert (recipe.aux_learning_rate, recipe.clip) == (1e-3, 1.0)
    if name.endswith(("-cs", "-cs-small")):  # these have few steps to take
        small = name.endswith("-small")
        assert (recipe.optimizer, recipe.rates, recipe.schedule) == ("soap" if small else "adam", "relative", "cosine")
        assert recipe.batch * recipe.crop**2 >= 8 * 128**2
        assert recipe.initial == "principal" or recipe.start == "checkpoint"
    else:  # the paper's
        assert (recipe.optimizer, recipe.rates, recipe.learning_rate, recipe.batch) == ("adam", "absolute", 1e-4, 8)


def test_a_rate_may_follow_a_cosine() -> None:
    recipe = recipes.changed(TINY, {"schedule": "cosine", "learning_rate": "0.01", "warm_up": "10"})
    rates = [recipe.rate_at(step) for step in range(101)]
    assert rates[50] == pytest.approx(0.005)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[0] == pytest.approx(0.001)
    assert rates[100] == pytest.approx(0)


def test_a_neighbour_is_the_nearest_lambda_before() -> None:
    recipe = recipes.changed(TINY, {"lambdas": "[0.013, 0.035, 0.005, 0.09, 0.0018]"})
    assert [recipe.neighbour(place) for place in range(5)] == [None, 0, 0, 1, 2]


def test_a_neighbour_may_learn_at_another_rate_for_fewer_steps() -> None:
    told = {"start": "neighbour", "neighbour_steps": "50", "neighbour_rate": "0.0025", "drops": "[0.8]"}
    recipe = recipes.changed(TINY, {"lambdas": "[0.01, 0.04]", "learning_rate": "0.01", **told})
    assert [recipe.rate_at(step, 0) for step in (0, 79, 80)] == pytest.approx([0.01, 0.01, 0.001])
    assert [recipe.rate_at(step, 1) for step in (0, 39, 40)] == pytest.approx([0.00125, 0.00125, 0.000125])


def test_the_recipes_the_paper_needs_are_there() -> None:
    found = [recipes.find(name) for name in recipes.names()]
    assert {one.architecture for one in found} == {
        "bmshj2018-factorized",
        "bmshj2018-hyperprior",
        "mbt2018-mean",
        "elic2022-chandelier",
        "hyperprior-lct",
        "bmshj2018-hyperprior-vbr",
    }
    assert {one.loss for one in found} == {"mse", "ms-ssim"}
    assert {one.pruning.sparsity for one in found if one.pruning} == {0.8, 0.95}


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_written_reads_as_itself(name: str, tmp_path: Path) -> None:
    recipe = recipes.find(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(recipes.as_toml(recipe), encoding="utf-8")
    assert recipes.read(path) == recipe
    assert recipes.changed(recipe, {}) == recipe


def test_keys_are_changed_by_name() -> None:
    told = {"lambdas": "[0.1, 0.2]", "pruning.sparsity": "0.8", "crop": "128", "start": "neighbour", "clip": "2"}
    recipe = recipes.changed(TINY, told)
    assert (recipe.lambdas, recipe.crop, recipe.start, recipe.clip) == ((0.1, 0.2), 128, "neighbour", 2.0)
    assert recipe.pruning
    assert recipe.pruning.sparsity == 0.8


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("stpes", "3", "unknown key 'stpes': .* (did you mean 'steps'?)"),
        ("pruning.sparsty", "0.5", "did you mean 'sparsity'"),
        ("loss.mse", "1", "unknown key 'loss.mse'"),
        ("name", "x", "named after its file"),
        ("steps", "many", "steps = 'many': expected a whole number"),
        ("steps", "0", "steps = 0: expected more than 0"),
        ("steps", "true", "steps = True: expected a whole number"),
        ("lambdas", "0.1", "expected a list of numbers"),
        ("lambdas", "[]", "expected one or more numbers"),
        ("lambdas", "[0.1, nan]", "expected one or more numbers above 0"),
        ("lambdas", "[0.1, 0.1]", "expected distinct numbers"),
        ("loss", "ssim", "expected one of mse, ms-ssim"),
        ("crop", "100", "crop = 100: expected a multiple of 16, at least 64"),
        ("drops", "[0.9, 0.5]", "expected rising fractions"),
        ("architecture", "resnet", "expected one of bmshj2018-factorized"),
        ("pruning", "0.5", "expected a table"),
        ("pruning", "{sparsity = 0.5, by = 'size'}", "by = 'size': expected one of magnitude, lamp".replace("'", '"')),
        ("pruning.sparsity", "1.5", "sparsity = 1.5: expected more than 0 and less than 1"),
    ],
)
def test_a_wrong_change_is_one_sentence(key: str, value: str, sentence: str) -> None:
    with pytest.raises(TrainingError) as caught:
        recipes.changed(TINY, {key: value})
    assert all(part in str(caught.value) for part in sentence.split(" .* "))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss": "ms-ssim"}, "at least 176"),
        ({"architecture": "hyperprior-lct", "loss": "ms-ssim", "crop": "256"}, "expected mse"),
        ({"architecture": "hyperprior-lct", "lambdas": "[0.01, 0.5]"}, r"expected numbers from 0\.0012 to 0\.26"),
        ({"pruning": "0.5", "pruning.sparsity": "0.8"}, r"pruning = 0\.5: expected a table"),
        ({"architecture": "bmshj2018-hyperprior-vbr"}, "expected 8 numbers"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        recipes.changed(TINY, settings)


def test_a_list_may_be_set_to_nothing() -> None:
    assert recipes.changed(recipes.changed(TINY, {"drops": "[]"}), {"steps": "50"}).drops == ()


def test_an_unknown_recipe_is_told_the_nearest() -> None:
    with pytest.raises(TrainingError, match=r"unknown recipe 'hyperprio'.*did you mean 'hyperprior'"):
        recipes.find("hyperprio")


@pytest.mark.parametrize("text", ["steps = ", "name = 'x'", "colour = 1", "architecture = 'mbt2018'"])
def test_a_file_that_is_no_recipe_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=r"mine\.toml"):
        recipes.find(str(tmp_path / "mine.toml"))


def test_the_rate_falls_tenfold_at_each_drop() -> None:
    recipe = recipes.changed(TINY, {"drops": "[0.5, 0.9]", "learning_rate": "0.01"})
    rates = [recipe.rate_at(step) for step in (0, 49, 50, 89, 90, 99)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])


def test_the_digest_is_of_what_decides_what_is_learnt() -> None:
    assert recipes.changed(TINY, {"save_every": "7", "about": "other words"}).digest() == TINY.digest()
    for key, value in {"seed": "2", "crop": "128", "lambdas": "[0.02]", "pruning.sparsity": "0.5"}.items():
        assert recipes.changed(TINY, {key: value}).digest() != TINY.digest(), key


def test_recipes_are_toml_in_the_package() -> None:
    for path in recipes.FOLDER.iterdir():
        assert path.suffix == ".toml"
        tomllib.loads(path.read_text(encoding="utf-8"))
