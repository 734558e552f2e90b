"""codecshift train: what is wrong is one sentence and exit code 2, and then nothing is written."""

import builtins
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codecshift.benchmark.cli import main
from codecshift.codecs.neural.training import recipe as recipes
from PIL import Image as Pillow

Say = Callable[..., tuple[int, str, str]]
SMALL = ("--set", "N=4", "--set", "M=4", "--set", "crop=64", "--set", "batch=1", "--steps", "2", "--jobs", "1")
ONE = ("--set", "lambdas=[0.01]")


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Say:
    """Return a function that runs the command in this process, and gives its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["codecshift", "train", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place in range(2):
        Pillow.fromarray(rng.integers(0, 256, (64, 70, 3), np.uint8)).save(folder / f"{place}.png")
    return folder


def needs_torch() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("codecshift.codecs.neural.training.train")


def test_the_list_names_every_recipe(say: Say) -> None:
    code, out, _ = say("--list")
    assert code == 0
    assert all(name in out for name in recipes.names())


def test_a_training_and_its_second_call(say: Say, data: Path, tmp_path: Path) -> None:
    needs_torch()
    command = ("factorized", "--data", data, "--out", tmp_path / "out", *SMALL, *ONE)
    code, out, err = say(*command)
    assert (code, out) == (0, f"{tmp_path}/out/l0.01.safetensors\n")
    assert "2 steps in" in err
    code, out, err = say(*command)
    assert (code, out) == (0, f"{tmp_path}/out/l0.01.safetensors\n")
    assert "nothing to do: all 2 steps are done" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "expected codecshift train RECIPE --data DIR --out DIR"),
        (("factorized", "--data", "photographs"), "expected codecshift train RECIPE"),
        (("factorised", "--data", "photographs", "--out", "out"), "did you mean 'factorized'?"),
        (("mine.toml", "--data", "photographs", "--out", "out"), "mine.toml cannot be read"),
        (("factorized", "--data", "photographs", "--out", "out", "--set", "crop"), "expected --set KEY=VALUE"),
        (("factorized", "--data", "photographs", "--out", "out", "--set", "corp=64"), "did you mean 'crop'?"),
    ],
)
def test_wrong_words_need_no_torch(say: Say, data: Path, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = say(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "nowhere", "--out", "out"), "there is no folder nowhere"),
        (("--data", "empty", "--out", "out"), "no images in empty"),
        (
            ("--data", "photographs", "--out", "out", "--set", "crop=80"),
            "smaller than the crop of 80x80: 0.png (70x64)",
        ),
        (("--data", "photographs", "--out", "photographs"), "holds something other than a training"),
        (
            ("--data", "photographs", "--out", "out", "--device", "tpu"),
            "expected --device cpu, cuda or auto, got 'tpu'",
        ),
        (("--data", "photographs", "--out", "out", "--device", "cuda"), "torch finds no CUDA device"),
        (("--data", "photographs", "--out", "out", "--start", "x.safetensors"), "--set start=checkpoint"),
        (
            ("--data", "photographs", "--out", "out", "--set", "start=checkpoint"),
            "expected --start with a .safetensors file",
        ),
        (("--data", "photographs", "--out", "out", "--valid", "photographs"), "2 images of photographs"),
    ],
)
def test_bad_input_is_one_sentence(
    say: Say, data: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    needs_torch()
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Path("empty").mkdir()
    before = sorted(data.iterdir())
    code, out, err = say("factorized", *SMALL, *ONE, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(data.iterdir()) == before
    assert not Path("out").exists()


def test_another_recipe_s_output_is_refused(say: Say, data: Path) -> None:
    needs_torch()
    assert say("factorized", "--data", data, "--out", "out", *SMALL, *ONE)[0] == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    code, _, err = say("hyperprior", "--data", data, "--out", "out", *SMALL, *ONE)
    assert code == 2
    assert "out holds another training (of recipe 'factorized'); choose another --out" in err
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


def test_a_loss_that_is_no_number_is_a_sentence_and_code_1(say: Say, data: Path) -> None:
    needs_torch()
    wild = ("--set", "learning_rate=1e30", "--set", "clip=1e30", "--set", "log_every=1", "--steps", "9")
    code, out, err = say("factorized", "--data", data, "--out", "out", *SMALL, *ONE, *wild)
    assert (code, out) == (1, "")
    assert "is no longer a number" in err
    assert "Traceback" not in err


@pytest.mark.needs("torch")
def test_a_library_that_is_installed_and_broken_is_not_to_be_installed(
    say: Say, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ImportError("libcudnn.so.9: cannot open shared object file: No such file or directory", name="torch")
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
    code, out, err = say("factorized", "--data", data, "--out", "out")
    assert (code, out) == (2, "")
    assert "this system lacks libcudnn.so.9, which torch needs" in err
    assert "pip install" not in err


def test_without_torch_there_is_a_hint(say: Say, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("codecshift.codecs.neural.training.train")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = say("factorized", "--data", data, "--out", "out")
    assert (code, out) == (2, "")
    assert "pip install 'codecshift[neural]'" in err
    assert err.count("\n") == 1
