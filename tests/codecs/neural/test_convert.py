"""Converting: what CompressAI's training script saves becomes a codec with the bytes that CompressAI would make."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.convert")

import safetensors.torch  # noqa: E402
from codecshift.benchmark.cli import main  # noqa: E402
from codecshift.codecs.neural import convert, specs  # noqa: E402
from codecshift.codecs.neural.metadata import BadCheckpoint  # noqa: E402
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
        ("file", tmp_path / "trap.pth.tar", "can run any program"),
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
