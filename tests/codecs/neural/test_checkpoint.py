"""Checkpoints come back as they were saved; whatever is no checkpoint is refused in a sentence."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from codecshift.codecs.neural import checkpoint, metadata, models
from codecshift.codecs.neural.architectures import ARCHITECTURES
from codecshift.codecs.neural.metadata import BadCheckpoint, Facts

NAME, SIZE = "bmshj2018-factorized", {"N": 8, "M": 12}
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2], dtype=torch.int32)}


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.safetensors"
    checkpoint.save(path, Facts(NAME, SIZE, 0.0067, "ms-ssim", {"steps": "12", "data": "sha256:ab"}), WEIGHTS)
    found = checkpoint.read(path)
    assert (found.architecture, dict(found.config), found.lam, found.metric) == (NAME, SIZE, 0.0067, "ms-ssim")
    assert dict(found.about) == {"steps": "12", "data": "sha256:ab"}
    assert found.digest == metadata.digest(path)
    for key, value in WEIGHTS.items():
        assert torch.equal(found.state[key], value)
        assert found.state[key].dtype == value.dtype
    assert metadata.read_facts(path).lam == 0.0067


def test_tables_shared_and_strided_tensors_are_no_hindrance(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"x": whole, "again": whole, "turned": whole.T, "e.scale_table": whole, "e._offset": whole}
    checkpoint.save(tmp_path / "x.safetensors", Facts(NAME, SIZE, None, "mse", {}), state)
    found = checkpoint.read(tmp_path / "x.safetensors")
    assert sorted(found.state) == ["again", "turned", "x"]
    assert torch.equal(found.state["turned"], whole.T)
    assert found.lam is None


def test_saving_replaces_a_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, Facts(NAME, SIZE, 0.1, "mse", {}), WEIGHTS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, Facts(NAME, SIZE, 0.2, "mse", {}), WEIGHTS)
    assert checkpoint.read(path).lam == 0.1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("x.pth", NAME, {}), "ends in .safetensors, got 'x.pth'"),
        (("x.safetensors", "vgg", {}), "expected one of bmshj2018-factorized, .*, got 'vgg'"),
        (("x.safetensors", NAME, {"lambda": "1"}), "expected other names than .*, got 'lambda'"),
    ],
    ids=["suffix", "architecture", "about"],
)
def test_what_could_not_be_read_is_not_saved(tmp_path: Path, arguments: Any, reason: str) -> None:
    name, architecture, about = arguments
    with pytest.raises(ValueError, match=reason):
        checkpoint.save(tmp_path / name, Facts(architecture, SIZE, 0.1, "mse", about), WEIGHTS)
    assert list(tmp_path.iterdir()) == []


def packed(said: object, data: bytes = b"") -> bytes:
    header = json.dumps({} if said is None else {"__metadata__": said}).encode()
    return struct.pack("<Q", len(header)) + header + data


GOOD = {"codecshift": "1", "architecture": NAME, "config": '{"N": 8, "M": 12}', "lambda": "0.1", "metric": "mse"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a safetensors file"),
        (bytes(100), "not a safetensors file"),
        (b"\xff" * 100, "not a safetensors file"),
        (pickle.dumps({"a": 1}), "not a safetensors file"),
        (packed(None), "the metadata that `codecshift train` writes"),
        (packed({"format": "pt"}), "the metadata that `codecshift train` writes"),
        (packed({**GOOD, "codecshift": "2"}), "a newer codecshift wrote this file"),
        (packed({key: GOOD[key] for key in GOOD if key != "lambda"}), "expected 'lambda'"),
        (packed({**GOOD, "config": "[8]"}), "whole numbers"),
        (packed({**GOOD, "config": '{"N": 99999999}'}), "whole numbers"),
        (packed({**GOOD, "lambda": "-1"}), "lambda above 0"),
        (packed({**GOOD, "lambda": "nan"}), "lambda above 0"),
        (packed({**GOOD, "metric": "psnr"}), "expected a metric"),
        (packed(GOOD)[:-3], "not a safetensors file"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_is_no_checkpoint_is_refused_in_a_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(BadCheckpoint, match=reason) as refused:
        checkpoint.read(path)
    assert str(path) in str(refused.value)


def test_pickles_are_refused_by_their_name(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "x.pth.tar")
    with pytest.raises(BadCheckpoint, match="are refused, because loading them can run any program"):
        checkpoint.read(tmp_path / "x.pth.tar")
    with pytest.raises(BadCheckpoint, match="cannot be read: No such file"):
        checkpoint.read(tmp_path / "none.safetensors")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "x.safetensors", Facts(NAME, SIZE, 0.1, "mse", {}), WEIGHTS)
    with pytest.raises(
        BadCheckpoint, match=r"does not hold the weights of bmshj2018-factorized: with N=8, M=12 it lacks"
    ):
        checkpoint.build(checkpoint.read(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("architecture", [name for name, one in ARCHITECTURES.items() if not one.conditional])
def test_the_size_of_a_model_shows_in_its_weights(
    lively: Callable[..., Any], config: Callable[[str], dict[str, int]], architecture: str
) -> None:
    weights = lively(architecture).state_dict()
    assert models.infer(architecture, weights) == config(architecture)


@pytest.mark.parametrize(
    ("architecture", "config", "reason"),
    [
        ("mbt2018", {"N": 8}, "expected N and M in the config of mbt2018"),
        ("cheng2020-attn", {"N": 8, "M": 8}, "expected N in the config"),
        ("elic2022-official", {"N": 8, "M": 4}, "M of at least 5"),
        ("jpeg", {}, "got 'jpeg'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(architecture: str, config: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        models.construct(architecture, config)


@pytest.mark.parametrize(
    ("channels", "expected"), [(320, [16, 16, 32, 64, 192]), (129, [16, 16, 32, 64, 1]), (12, [1, 1, 1, 2, 7])]
)
def test_elics_groups(channels: int, expected: list[int]) -> None:
    assert models.groups(channels) == expected


def test_weights_of_half_precision_do_not_bring_constants_that_are_zero_there() -> None:
    whole = models.construct("bmshj2018-hyperprior", {"N": 4, "M": 6}).state_dict()
    halves = {name: value.half() if value.is_floating_point() else value for name, value in whole.items()}
    model = models.loaded("bmshj2018-hyperprior", {"N": 4, "M": 6}, halves)
    constants = {name for name in whole if name.endswith(("bound", "pedestal"))}
    assert "gaussian_conditional.likelihood_lower_bound.bound" in constants
    found = model.state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in constants)
