"""Training: the same seed learns the same, a kill changes nothing, and what comes out is a codec."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.training.train")

from codecshift.codecs.neural import checkpoint  # noqa: E402
from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.neural.training import learner, logs, saving  # noqa: E402
from codecshift.codecs.neural.training import train as loop  # noqa: E402
from codecshift.codecs.neural.training.job import prepare  # noqa: E402
from codecshift.codecs.neural.training.pruning import sparsity  # noqa: E402
from codecshift.codecs.neural.training.recipe import Diverged, Pruning, Recipe, TrainingError  # noqa: E402
from codecshift.codecs.neural.training.train import train  # noqa: E402
from codecshift.codecs.protocol import CodecError  # noqa: E402
from PIL import Image as Pillow  # noqa: E402

TINY = Recipe(
    "tiny",
    "bmshj2018-factorized",
    4,
    6,
    (0.02,),
    12,
    crop=64,
    batch=2,
    log_every=2,
    save_every=6,
    keep_seconds=0,
    learning_rate=1e-3,
    validation_images=1,
)
DRAW = logs.draw


class Killed(Exception):
    """Stands for a kill: whatever the process held is lost."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, photographs: Callable[..., Path]) -> Path:
    return photographs(tmp_path_factory.mktemp("data") / "train", 4, 80, 1)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory, photographs: Callable[..., Path]) -> Path:
    return photographs(tmp_path_factory.mktemp("data") / "valid", 1, 64, 2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Small networks are quicker in one thread, and pictures of their logs take longer than they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(logs, "draw", lambda _folder, _title: None)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that trains in a folder of the given name, killed after so many steps if that is asked."""

    def trained(recipe: Recipe, name: str = "out", killed_at: int = 0, **options: Any) -> Path:
        def report(done: int, _total: int, _note: str) -> None:
            if done == killed_at:
                raise Killed

        job = prepare(recipe, data, tmp_path / name, device="cpu", **options)
        if killed_at:
            with pytest.raises(Killed):
                train(job, report)
        else:
            train(job, report)
        return tmp_path / name

    return trained


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a log, but for the seconds."""
    with path.open(encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoint.read(path).state)


def same(first: Path, second: Path) -> bool:
    """Say whether two trainings left the same logs and the same weights everywhere."""
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*.safetensors"))
    assert names == sorted(str(path.relative_to(second)) for path in second.rglob("*.safetensors"))
    ours, theirs = ([weights(folder / name) for name in names] for folder in (first, second))
    tables = all(table(first / name) == table(second / name) for name in ("log.csv", "valid.csv"))
    return tables and all(
        all(torch.equal(one[key], other[key]) for key in one) for one, other in zip(ours, theirs, strict=True)
    )


# --- what comes out


def test_the_loss_falls_and_what_comes_out_is_a_codec(run: Callable[..., Path], valid: Path) -> None:
    out = run(replace(TINY, steps=60, save_every=30), valid=valid)
    rows = table(out / "log.csv")
    assert [int(row["step"]) for row in rows] == list(range(2, 61, 2))
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    found = checkpoint.read(out / "l0.02.safetensors")
    assert (found.architecture, dict(found.config), found.lam, found.metric) == (
        "bmshj2018-factorized",
        {"N": 4, "M": 6},
        0.02,
        "mse",
    )
    told = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert found.about["steps"] == "60"
    assert found.about["data_sha256"] == told["data_sha256"]
    assert found.about["recipe_sha256"] == told["recipe_sha256"] == replace(TINY, steps=60).digest()
    assert {"version_torch", "version_compressai", "version_codecshift", "device", "images"} <= set(found.about)
    saves = table(out / "valid.csv")
    assert [row["step"] for row in saves] == ["30", "60"]
    assert float(saves[1]["loss"]) < float(saves[0]["loss"])
    assert float(saves[1]["bpp_real"]) >= 0.99 * float(saves[1]["bpp_est"])
    best = weights(out / "best" / "l0.02.safetensors")
    assert all(torch.equal(best[key], value) for key, value in weights(out / "l0.02.safetensors").items())
    DRAW(out, "tiny")
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_log_is_the_objective_and_its_schedule(run: Callable[..., Path]) -> None:
    out = run(replace(TINY, drops=(0.5, 0.75), steps=8, log_every=1))
    rows = [{key: float(value or "nan") for key, value in row.items()} for row in table(out / "log.csv")]
    assert [row["lr"] for row in rows] == pytest.approx([1e-3] * 4 + [1e-4] * 2 + [1e-5] * 2)
    for row in rows:
        assert row["loss"] == pytest.approx(0.02 * row["mse"] + row["bpp"], rel=1e-4)
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / row["mse"]), rel=1e-4)
        assert row["lambda"] == 0.02


ARCHITECTURES = {
    "bmshj2018-factorized": {},
    "bmshj2018-hyperprior": {},
    "mbt2018-mean": {},
    "elic2022-chandelier": {"M": 8},
    "hyperprior-lct": {"lambdas": (0.002, 0.2)},
    "bmshj2018-hyperprior-vbr": {"lambdas": tuple(0.001 * 2**k for k in range(8)), "stage_one": 0.5},
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_of_each_architecture_learns_and_codes(run: Callable[..., Path], valid: Path, name: str) -> None:
    recipe = replace(TINY, architecture=name, steps=2, log_every=1, save_every=2, **ARCHITECTURES[name])
    out = run(recipe, valid=valid)
    file = "tiny.safetensors" if recipe.variable else "l0.02.safetensors"
    assert checkpoint.read(out / file).lam == (None if recipe.variable else 0.02)
    assert checkpoint.build(checkpoint.read(out / file))
    lambdas = [row["lambda"] for row in table(out / "valid.csv")]
    assert lambdas == [f"{lam:g}" for lam in recipe.lambdas]
    assert [row["lambda"] for row in table(out / "log.csv")] == ["" if recipe.variable else "0.02"] * 2


def test_ms_ssim_is_a_loss(photographs: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("pytorch_msssim")
    large = photographs(tmp_path / "large", 2, 180, 3)
    recipe = replace(TINY, loss="ms-ssim", lambdas=(8.0,), crop=176, steps=2, log_every=1)
    train(prepare(recipe, large, tmp_path / "out", device="cpu"))
    for row in table(tmp_path / "out" / "log.csv"):
        assert float(row["loss"]) == pytest.approx(8 * (1 - float(row["ms_ssim"])) + float(row["bpp"]), rel=1e-4)
    assert checkpoint.read(tmp_path / "out" / "l8.safetensors").metric == "ms-ssim"


# --- the same again


def test_one_seed_learns_the_same_twice_and_another_something_else(run: Callable[..., Path], valid: Path) -> None:
    first, again = run(TINY, "first", valid=valid), run(TINY, "again", valid=valid)
    other = run(replace(TINY, seed=2), "other", valid=valid)
    assert same(first, again)
    assert not same(first, other)


NEIGHBOURS = replace(TINY, lambdas=(0.05, 0.01), start="neighbour", neighbour_steps=6)
PRUNED = replace(TINY, pruning=Pruning(0.8, end=0.8, every=3))
RESUMED = {
    "fixed": TINY,
    "neighbours": NEIGHBOURS,
    "overlapping neighbours": replace(NEIGHBOURS, head_start=0.5),
    "pruned": PRUNED,
    "from principal components": replace(TINY, initial="principal", warm_up=4),
    "with SOAP": replace(TINY, optimizer="soap", rates="relative", schedule="cosine", steps=24, keep_seconds=1e9),
    "in bfloat16": replace(TINY, architecture="bmshj2018-hyperprior", precision="bfloat16"),
    "conditional": replace(TINY, architecture="hyperprior-lct", lambdas=(0.002, 0.2)),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_killed_training_goes_on_as_if_it_had_not_been(run: Callable[..., Path], valid: Path, name: str) -> None:
    recipe = RESUMED[name]
    straight = run(recipe, "straight", valid=valid)
    # What the log holds of the steps after the last that was kept is forgotten, and learnt again.
    rare = replace(recipe, keep_seconds=1e9)
    for at in (5, 8, 11):
        run(replace(recipe, save_every=1000) if at == 5 else rare, "killed", killed_at=at, valid=valid)
    assert len(table(straight / "log.csv")) >= len(table(straight.parent / "killed" / "log.csv"))
    assert same(straight, run(recipe, "killed", valid=valid))


@pytest.mark.parametrize(
    ("module", "name", "calls"),
    [(saving, "validate", (1, 2)), (checkpoint, "save", (1, 2, 3)), (logs, "append", (1, 4, 7, 8))],
    ids=["validation", "checkpoint", "log"],
)
def test_a_training_killed_in_a_save_saves_again(
    data: Path,
    valid: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    calls: tuple[int, ...],
) -> None:
    real = getattr(module, name)

    def trained(folder: str) -> Path:
        train(prepare(TINY, data, tmp_path / folder, valid=valid, device="cpu"))
        return tmp_path / folder

    straight = trained("straight")
    for deadly in calls:
        ending = (Killed, KeyboardInterrupt)[deadly % 2]
        countdown = iter(range(deadly - 1, -1, -1))

        def dying(*told: Any, countdown: Any = countdown, ending: Any = ending) -> Any:
            done = real(*told)
            if not next(countdown):
                raise ending
            return done

        with monkeypatch.context() as patched:
            patched.setattr(module, name, dying)
            with pytest.raises(ending):
                trained(f"killed{deadly}")
        assert same(straight, trained(f"killed{deadly}"))


def test_the_best_of_other_images_is_no_measure(data: Path, valid: Path, tmp_path: Path) -> None:
    def stop(done: int, _total: int, _note: str) -> None:
        if done == 7:
            raise Killed

    # Of a flat field every loss is smaller than of what the training is judged by in the end.
    flat = tmp_path / "flat"
    flat.mkdir()
    Pillow.new("RGB", (64, 64), (90, 90, 90)).save(flat / "a.png")
    best = tmp_path / "out" / "best" / "l0.02.safetensors"
    with pytest.raises(Killed):
        train(prepare(TINY, data, tmp_path / "out", valid=flat, device="cpu"), stop)
    assert checkpoint.read(best).about["steps"] == "6"
    train(prepare(TINY, data, tmp_path / "out", valid=valid, device="cpu"))
    assert checkpoint.read(best).about["steps"] == "12"
    (flat_loss, loss) = (float(row["loss"]) for row in table(tmp_path / "out" / "valid.csv"))
    assert flat_loss < loss


def test_a_finished_training_has_nothing_to_do(data: Path, tmp_path: Path) -> None:
    first = train(prepare(TINY, data, tmp_path / "out"))
    log = (tmp_path / "out" / "log.csv").read_bytes()
    again = train(prepare(TINY, data, tmp_path / "out"))
    assert (first.before, first.steps, again.before, again.steps) == (0, 12, 12, 12)
    assert (tmp_path / "out" / "log.csv").read_bytes() == log


def test_two_processes_do_not_train_in_one_folder(data: Path, tmp_path: Path) -> None:
    def report(_done: int, _total: int, _note: str) -> None:
        before = (tmp_path / "out" / "log.csv").read_bytes() if (tmp_path / "out" / "log.csv").exists() else b""
        with pytest.raises(TrainingError, match=r"another process is training in .*out: wait for it"):
            train(prepare(TINY, data, tmp_path / "out"))
        if before:
            assert (tmp_path / "out" / "log.csv").read_bytes() == before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(prepare(TINY, data, tmp_path / "out"), report)
    assert train(prepare(TINY, data, tmp_path / "out")).steps == 12


def test_an_interrupted_training_keeps_what_it_learnt(data: Path, tmp_path: Path) -> None:
    def report(done: int, _total: int, _note: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    recipe = replace(TINY, keep_seconds=1e9)
    with pytest.raises(KeyboardInterrupt):
        train(prepare(recipe, data, tmp_path / "out"), report)
    assert train(prepare(recipe, data, tmp_path / "out")).before == 5


def test_training_leaves_the_random_numbers_of_others_alone(run: Callable[..., Path]) -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    run(TINY)
    assert torch.equal(torch.rand(3), expected)


# --- many lambdas


def test_a_neighbour_begins_with_the_weights_before_it(run: Callable[..., Path]) -> None:
    out = run(replace(NEIGHBOURS, log_every=1))
    rows = [(row["lambda"], int(row["step"])) for row in table(out / "log.csv")]
    assert rows == [("0.05", step) for step in range(1, 13)] + [("0.01", step) for step in range(1, 7)]
    alone = run(replace(TINY, lambdas=(0.01,), log_every=1), "alone")
    first = {folder: float(table(folder / "log.csv")[12 if folder == out else 0]["mse"]) for folder in (out, alone)}
    assert first[out] < first[alone]


# --- pruned


def test_a_pruned_checkpoint_is_exactly_sparse_and_says_so(run: Callable[..., Path], valid: Path) -> None:
    dense = run(TINY, "dense")
    recipe = replace(PRUNED, start="checkpoint")
    out = run(recipe, "pruned", start=dense, valid=valid)
    for folder in (out, out / "best"):
        found = checkpoint.read(folder / "l0.02.safetensors")
        assert float(found.about["sparsity"]) == pytest.approx(0.8, abs=1e-3)
        assert sparsity(checkpoint.build(found)) == pytest.approx(float(found.about["sparsity"]), abs=1e-6)
    column = [float(row["sparsity"]) for row in table(out / "log.csv")]
    assert column == sorted(column)
    assert column[0] == 0


# --- what goes wrong


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(run: Callable[..., Path]) -> None:
    run(TINY, killed_at=7)
    state = run(TINY, killed_at=8) / "state" / "l0.02.pt"
    good = state.read_bytes()
    told = torch.load(state, weights_only=True)
    original = learner.terms

    def poisoned(*arguments: Any) -> Any:
        found = original(*arguments)
        return replace(found, loss=found.loss * torch.nan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "terms", poisoned)
        with pytest.raises(Diverged, match=r"loss of l0\.02 is no longer a number after step 9"):
            run(TINY)
    assert state.read_bytes() == good
    assert told["step"] == 8
    assert checkpoint.read(state.parents[1] / "l0.02.safetensors").about["steps"] == "6"


def test_a_network_that_diverges_leaves_the_others_to_their_end(run: Callable[..., Path]) -> None:
    recipe = replace(TINY, lambdas=(0.02, 0.01))
    whole = run(recipe, "whole")
    original = learner.terms

    def poisoned(output: Any, x: Any, lam: Any, *others: Any) -> Any:
        found = original(output, x, lam, *others)
        return replace(found, loss=found.loss * torch.nan) if float(lam[0]) == pytest.approx(0.02) else found

    run(recipe, killed_at=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "terms", poisoned)
        for _again in range(2):
            with pytest.raises(Diverged, match=r"^the loss of l0\.02 is no longer a number after step [^;]*; [^;]*$"):
                run(recipe)
    out = run(recipe, killed_at=23)
    steps = [int(row["step"]) for row in table(out / "log.csv") if row["lambda"] == "0.01"]
    assert steps == [2, 4, 6, 8, 10, 12]
    run(recipe)
    for name in ("l0.02.safetensors", "l0.01.safetensors"):
        ours, theirs = weights(out / name), weights(whole / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_damaged_state_is_named(run: Callable[..., Path]) -> None:
    out = run(TINY, killed_at=5)
    (out / "state" / "l0.02.pt").write_bytes(b"not a state")
    with pytest.raises(TrainingError, match=r"l0\.02\.pt is damaged"):
        run(TINY)


def test_running_out_of_memory_is_no_damage(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_told: Any) -> Any:
        raise torch.OutOfMemoryError

    run(TINY, killed_at=5)
    monkeypatch.setattr(learner, "construct", full)
    with pytest.raises(TrainingError, match=r"cpu is out of memory: .*the same command resumes .*out when"):
        run(TINY)


def test_a_network_that_cannot_code_has_diverged(
    run: Callable[..., Path], valid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(*_told: Any) -> Any:
        raise CodecError("expected latents below 2^24")

    monkeypatch.setattr(saving, "validate", validate)
    with pytest.raises(Diverged, match=r"l0\.02 cannot code the validation images after step 6: expected latents"):
        run(TINY, valid=valid)


def test_gdn_may_be_trained_at_a_rate_of_its_own(data: Path, tmp_path: Path) -> None:
    network = {}
    for rate in (1.0, 1e-9):
        recipe = replace(TINY, gdn_rate=rate, steps=4)
        train(prepare(recipe, data, tmp_path / f"{rate}", device="cpu"))
        network[rate] = checkpoint.read(tmp_path / f"{rate}" / "l0.02.safetensors").state
    begun = construct(TINY.architecture, TINY.config).state_dict()  # GDN begins the same with every seed
    norms = [name for name in begun if name.endswith((".beta", ".gamma"))]
    assert norms
    for name in norms:
        assert torch.allclose(network[1e-9][name], begun[name], atol=1e-6)
        assert not torch.allclose(network[1.0][name], begun[name], atol=1e-6)


def test_many_neighbours_begin_with_the_nearest(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ratios, real = [], loop.rescaled

    def rescaled(state: Any, architecture: str, ratio: float) -> Any:
        ratios.append(ratio)
        return real(state, architecture, ratio)

    monkeypatch.setattr(loop, "rescaled", rescaled)
    recipe = replace(TINY, lambdas=(0.02, 0.06, 0.006), start="neighbour", neighbour_steps=2, log_every=1)
    out = run(recipe)
    rows = [(float(row["lambda"]), int(row["step"])) for row in table(out / "log.csv")]
    steps = {lam: [step for one, step in rows if one == lam] for lam in recipe.lambdas}
    assert steps == {0.02: list(range(1, 13)), 0.06: [1, 2], 0.006: [1, 2]}
    # Both begin with what the first has learnt: had the third begun with the second's, the ratio would be 0.1.
    assert ratios == pytest.approx([3.0, 0.3])


def test_a_conditional_network_may_begin_with_a_hyperprior(run: Callable[..., Path]) -> None:
    fixed = run(replace(TINY, architecture="bmshj2018-hyperprior", initial="principal"), "fixed")
    recipe = replace(TINY, architecture="hyperprior-lct", lambdas=(0.002, 0.2), steps=2, log_every=1)
    begun = run(replace(recipe, start="checkpoint"), "begun", start=fixed / "l0.02.safetensors")
    alone = run(recipe, "alone")
    first = [float(table(folder / "log.csv")[0]["mse"]) for folder in (begun, alone)]
    assert first[0] < first[1] / 4
