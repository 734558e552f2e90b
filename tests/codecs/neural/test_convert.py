"""Converting: what CompressAI's training script saves becomes a codec with the bytes that CompressAI would make."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.convert")

import safetensors.torch  # noqa: E402
from codecshift.benchmark.cli import main  # noqa: E402
from codecshift.codecs.neural import checkpoint, convert, models, specs  # noqa: E402
from codecshift.codecs.neural.architectures import ARCHITECTURES  # noqa: E402
from codecshift.codecs.neural.metadata import BadCheckpoint, Facts  # noqa: E402
from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.registry import open_codec  # noqa: E402

SIZE = {"N": 8, "M": 12}


def network(name: str) -> Any:
    torch.manual_seed(5)
    made: Any = construct(name, {"N": 8} if name.startswith("cheng2020") else SIZE)
    made.update(force=True)
    return made.eval()


def saved(made: Any, path: Path) -> Path:
    """Write what CompressAI's examples/train.py does."""
    optimizer = torch.optim.Adam(made.parameters())
    state = {"epoch": 3, "state_dict": made.state_dict(), "loss": 1.5, "optimizer": optimizer.state_dict()}
    torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "mbt2018-mean", "elic2022-chandelier", "cheng2020-anchor"])
def test_what_compressai_saves_becomes_a_codec_of_its_bytes(tmp_path: Path, name: str) -> None:
    made = network(name)
    out = tmp_path / "q3.safetensors"
    found = convert.convert(saved(made, tmp_path / "checkpoint.pth.tar"), name, 0.0067, out)
    assert dict(found.config) == ({"N": 8} if name.startswith("cheng2020") else SIZE)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        strings = made.compress(x)["strings"]
    spec, _ = specs.named(f"{name}@{out}")
    assert [point.name for point in spec.points] == ["l0.0067"]
    with open_codec(spec, spec.points[0]) as codec:
        data = codec.encode(image)
    assert all(bytes(one) in data for group in strings for one in group)


def test_weights_alone_and_safetensors_and_parallel_names(tmp_path: Path) -> None:
    made = network("bmshj2018-factorized")
    torch.save({f"module.{key}": value for key, value in made.state_dict().items()}, tmp_path / "a.pth")
    safetensors.torch.save_file(made.state_dict(), tmp_path / "b.safetensors")
    states = [
        convert.convert(tmp_path / name, "bmshj2018-factorized", 0.01, tmp_path / f"{name}.safetensors").state
        for name in ("a.pth", "b.safetensors")
    ]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


WRAPPED: dict[str, Callable[[str], str]] = {
    "DataParallel": lambda key: f"module.{key}",
    "compile": lambda key: f"_orig_mod.{key}",
    "compile of DataParallel": lambda key: f"_orig_mod.module.{key}",
    "DataParallel of compile": lambda key: f"module._orig_mod.{key}",
    "compile of a part": lambda key: key.replace("g_a.", "g_a._orig_mod."),
    "DataParallel of layers": lambda key: re.sub(r"(\d+)\.", r"\1.module.", key),
    "all of them": lambda key: "module._orig_mod.module." + key.replace("g_a.", "g_a._orig_mod."),
}


@pytest.fixture(scope="module")
def plain() -> Any:
    return network("bmshj2018-hyperprior").state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".safetensors"])
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_what_torch_wraps_a_model_in_is_no_part_of_its_names(
    wrap: Callable[[str], str], suffix: str, plain: Any, tmp_path: Path
) -> None:
    state = {wrap(key): value for key, value in plain.items()}
    assert state.keys() != plain.keys()
    path = tmp_path / f"wrapped{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save({"state_dict": state} if suffix == ".pth.tar" else state, path)
    made = convert.convert(path, "bmshj2018-hyperprior", 0.01, tmp_path / "out.safetensors").state
    assert made.keys() == {key for key in plain if not key.endswith(models.TABLES)}
    assert all(torch.equal(value, plain[key]) for key, value in made.items())


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_checkpoint_of_wrapped_names_opens_as_the_plain_one(
    wrap: Callable[[str], str], plain: Any, tmp_path: Path
) -> None:
    facts = Facts("bmshj2018-hyperprior", SIZE, 0.01, "mse", {})
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    streams = []
    for name, state in (("plain", plain), ("wrapped", {wrap(key): value for key, value in plain.items()})):
        checkpoint.save(tmp_path / f"{name}.safetensors", facts, state)
        spec, _ = specs.named(f"bmshj2018-hyperprior@{tmp_path / name}.safetensors")
        with open_codec(spec, spec.points[0]) as codec:
            streams.append(codec.encode(image))
    assert streams[0] == streams[1]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_architecture_has_a_part_of_a_wrappers_name(name: str) -> None:
    """Else taking wrappers away would take it away too."""
    state = network(name).state_dict()
    assert models.named_as_built(state).keys() == state.keys()


def test_two_tensors_of_one_name_are_refused(plain: Any, tmp_path: Path) -> None:
    first = next(iter(plain))
    torch.save({**plain, f"module.{first}": plain[first]}, tmp_path / "a.pth")
    with pytest.raises(BadCheckpoint, match=f"two tensors are called '{first}'"):
        convert.convert(tmp_path / "a.pth", "bmshj2018-hyperprior", 0.01, tmp_path / "b.safetensors")


def test_weights_are_found_under_whatever_name_a_file_holds_them(plain: Any, tmp_path: Path) -> None:
    torch.save({"itr": 7, "model": plain, "optimizer": {"state": {}, "param_groups": []}}, tmp_path / "a.pth")
    made = convert.convert(tmp_path / "a.pth", "bmshj2018-hyperprior", 0.01, tmp_path / "a.safetensors").state
    assert made.keys() == {key for key in plain if not key.endswith(models.TABLES)}
    torch.save({"ours": plain, "theirs": plain}, tmp_path / "b.pth")
    with pytest.raises(BadCheckpoint, match=r"b.pth: expected tensors by name, .* got the entries ours, theirs$"):
        convert.convert(tmp_path / "b.pth", "bmshj2018-hyperprior", 0.01, tmp_path / "b.safetensors")


def _truncated(path: Path, state: Any) -> None:
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-100])


REFUSED: dict[str, tuple[Callable[[Path, Any], object], str]] = {
    "a number of NumPy": (
        lambda path, state: torch.save({"state_dict": state, "best": np.float64(0.5)}, path),
        r"is refused: it holds numpy\.\S+\.scalar besides tensors, and unpickling it could run "
        r"any program: save the weights alone with torch\.save\(model\.state_dict\(\), FILE\)",
    ),
    "a path": (
        lambda path, state: torch.save({"state_dict": state, "data": Path("x")}, path),
        r"is refused: it holds pathlib\.\S+ besides tensors, .* with torch\.save\(model\.state_dict\(\), FILE\)",
    ),
    "cut off": (
        _truncated,
        r"is refused: it is damaged, or holds more than tensors; unpickling it could run any program",
    ),
    "empty": (lambda path, _: path.write_bytes(b""), r"is refused: it is damaged, .* could run any program"),
    "text": (lambda path, _: path.write_bytes(b"text"), r"is refused: it is damaged, .* could run any program"),
    "another model": (
        lambda path, _: torch.save(network("mbt2018-mean").state_dict(), path),
        r"does not hold the weights of bmshj2018-hyperprior: with N=8, M=12 it has h_\S+ and \d+ more of another "
        r"shape, \([\d, ]+\) instead of \([\d, ]+\)",
    ),
    "half a model": (
        lambda path, state: torch.save({key: state[key] for key in state if key.startswith("g_a.")}, path),
        r"does not hold the weights of bmshj2018-hyperprior: with N=8, M=12 it lacks \S+ and \d+ more",
    ),
    "more than a model": (
        lambda path, state: torch.save({**state, "extra.weight": torch.zeros(1)}, path),
        r"does not hold the weights of bmshj2018-hyperprior: with N=8, M=12 it has the unexpected extra\.weight",
    ),
    "none of it": (
        lambda path, _: torch.save({"a": torch.zeros(1)}, path),
        r"does not hold the weights of bmshj2018-hyperprior: it lacks g_a\.0\.weight",
    ),
}


@pytest.mark.parametrize(("write", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_reason_is_a_whole_sentence(
    write: Callable[[Path, Any], object], reason: str, plain: Any, tmp_path: Path
) -> None:
    write(tmp_path / "a.pth", plain)
    with pytest.raises(BadCheckpoint, match=rf"a\.pth {reason}$"):
        convert.convert(tmp_path / "a.pth", "bmshj2018-hyperprior", 0.01, tmp_path / "b.safetensors")


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior-vbr", "hyperprior-lct"])
def test_a_model_for_all_rates_has_no_lambda(tmp_path: Path, name: str) -> None:
    path = saved(network(name), tmp_path / "a.pth.tar")
    with pytest.raises(BadCheckpoint, match="serves all rates: leave out its lambda"):
        convert.convert(path, name, 0.01, tmp_path / "b.safetensors")
    assert convert.convert(path, name, None, tmp_path / "b.safetensors").lam is None


class Trap:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('this pickle ran')",))


def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(network("bmshj2018-factorized"), tmp_path / "a.pth.tar")
    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth.tar")
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    out = tmp_path / "b.safetensors"
    good: dict[str, Any] = {"--architecture": "bmshj2018-factorized", "--lambda": "0.01", "--out": out}

    def run(options: dict[str, Any]) -> object:
        file = options.pop("file", path)
        words = [str(word) for pair in options.items() for word in pair]
        monkeypatch.setattr(sys, "argv", ["codecshift", "convert", str(file), *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    for key, value, sentence in (
        ("file", tmp_path / "none.pth", "there is no file"),
        ("file", tmp_path / "trap.pth.tar", "could run any program"),
        ("file", tmp_path / "there.safetensors", "there.safetensors"),
        ("--architecture", "mbt2018-mean", "does not hold the weights of mbt2018-mean"),
        ("--architecture", "cheng2020-attn", "does not hold the weights of cheng2020-attn"),
        ("--architecture", "resnet", "expected one of bmshj2018-factorized"),
        ("--lambda", "-1", "expected the lambda of the loss"),
        ("--metric", "lpips", "expected a metric, mse or ms-ssim"),
        ("--out", tmp_path / "b.pth", "ends in .safetensors"),
        ("--out", tmp_path / "there.safetensors", "already: choose another name"),
    ):
        assert run({**good, key: value}) == 2, sentence
        said = capsys.readouterr().err
        assert sentence in " ".join(said.split())
        assert not out.exists()
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"
    assert run(good) == 0
    assert out.exists()
    capsys.readouterr()
    spaced = tmp_path / "a b.safetensors"
    assert run({**good, "--out": spaced}) == 0
    command = capsys.readouterr().err.partition(": ")[2]
    assert shlex.split(command) == ["codecshift", "check", f"bmshj2018-factorized@{spaced}"]
