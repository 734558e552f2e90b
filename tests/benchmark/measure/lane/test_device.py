"""The device is the accelerator where there is one and a codec could use it."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from codecshift.benchmark.measure.lane.device import chosen
from codecshift.benchmark.plan.device import Device
from codecshift.benchmark.plan.names import UnknownName
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec
from codecshift.codecs.registry import find

Command = Callable[..., "subprocess.CompletedProcess[str]"]
MODULE = "codecshift_lane_test_codecs"


def spec(deed: str = "mixes", kind: str = "batched", log: Path | str = "", bits: Sequence[int] = (3, 5)) -> Spec:
    points = tuple(Point(f"p{one}", {"bits": one, "log": str(log)}) for one in bits)
    name = f"{kind}-{deed}"
    return Spec(name=name, load=f"{MODULE}:load:{kind}/{deed}", points=points, kind="neural")


class Asked:
    """In place of the process that asks torch."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def __call__(self, _limit: float) -> "Asked":
        return self

    def __enter__(self) -> "Asked":
        return self

    def __exit__(self, *_: object) -> None: ...

    def call(self, _function: object) -> str:
        return self.answer


H200 = "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off"


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_an_accelerator_is_used_where_there_is_one(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.lane.device.Isolated", Asked(H200))
    assert chosen(device, [spec()]) == Device("cuda", H200)
    assert chosen("cpu", [spec()]) is None


def test_without_an_accelerator_the_cpu_is_used_unless_that_was_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.lane.device.Isolated", Asked(""))
    assert chosen("auto", [spec()]) is None
    with pytest.raises(CodecUnavailable, match=r"no CUDA device: torch finds none here.*--device cpu"):
        chosen("cuda", [spec()])


def test_torch_is_not_asked_where_nothing_could_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.lane.device.Isolated", None)
    assert chosen("auto", [find("jpeg")[0]]) is None
    assert chosen("cpu", [spec()]) is None


def test_an_unknown_device_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown device 'cude': expected one of cpu, cuda, auto .*'cuda'"):
        chosen("cude", [])


@pytest.mark.needs("torch")
def test_this_machine_can_be_asked() -> None:
    """The answer is torch's own, from a process apart."""
    import torch

    found = chosen("auto", [spec()])
    assert (found is not None) == torch.cuda.is_available()
    if found:
        assert torch.cuda.get_device_name() in found.name


def test_a_device_that_is_not_there_is_refused_in_one_sentence(
    pair: Path, here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.lane.device.Isolated", Asked(""))
    refused = here("run", "--set", f"folder:{pair}", "--codec", "jpeg:q30", "--device", "cuda")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "codecshift: no CUDA device: torch finds none here, or is not installed; --device cpu computes without one\n"
    )
