"""A job knows what it will do and on which device, and what cannot be run is known before."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from codecshift.benchmark.measure.job import Job, chosen, prepare
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.store.provenance import Device
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec
from codecshift.codecs.registry import UnknownCodec, find
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import SetError, UnknownSet

Command = Callable[..., "subprocess.CompletedProcess[str]"]
NOWHERE = Path("/nonexistent")


def plan(folder: Path, codecs: Sequence[str] = ("jpeg:q30", "webp:q50"), *corruptions: str) -> Plan:
    return Plan(
        "test", "for tests", (f"folder:{folder}",), tuple(codecs), corruptions or (CLEAN, "fog", "contrast"), (2,)
    )


def test_a_job_counts_what_it_will_do(job: Job) -> None:
    assert job.rows() == 12
    assert sum(len(task.points) for task in job.tasks({}, retry_failed=False)) == 12
    assert len({str(task.shot) for task in job.tasks({}, retry_failed=False)}) == 6


def test_a_point_named_twice_is_one_point(pair: Path) -> None:
    job = prepare(plan(pair, ["jpeg:q30", "jpeg:q030", "jpeg:q30.0", "jpeg"]), NOWHERE)
    names = [point.name for _, point in job.points]
    assert len(names) == len(set(names)) == 1 + len(find("jpeg")[1])


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"codecs": ("jpg",)}, UnknownCodec), ({"sets": ("kodac",)}, UnknownSet), ({"sets": ("kodak",)}, SetError)],
    ids=["codec", "set", "missing-images"],
)
def test_what_cannot_be_run_is_known_before(wrong: dict[str, Any], error: type[Exception], pair: Path) -> None:
    with pytest.raises(error):
        prepare(replace(plan(pair), **wrong), NOWHERE)


def test_two_folders_of_one_name_are_refused(pair: Path, tmp_path: Path) -> None:
    other = tmp_path / pair.name
    other.mkdir()
    PIL.Image.new("RGB", (40, 40)).save(other / "x.png")
    with pytest.raises(SetError, match="two sets have the same name 'folder:pair'"):
        prepare(replace(plan(pair), sets=(f"folder:{pair}", f"folder:{other}")), NOWHERE)


def test_a_codec_this_machine_lacks_is_left_out_unless_it_is_all(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise CodecUnavailable("no libwebp: install it")

    monkeypatch.setattr("codecshift.codecs.pillow.identify_webp", lacking)
    job = prepare(plan(pair), NOWHERE)
    assert job.unavailable == {"webp": "no libwebp: install it"}
    assert [codec for codec, _ in job.points] == ["jpeg"]
    with pytest.raises(CodecUnavailable, match="no libwebp: install it"):
        prepare(plan(pair, ["webp"]), NOWHERE)


def test_a_set_that_has_none_of_the_images_is_left_out(pair: Path, save_set: Callable[..., Path]) -> None:
    other = save_set("other", ["hull"])
    both = replace(plan(pair), sets=(f"folder:{pair}", f"folder:{other}"))
    assert list(prepare(replace(both, images=("hull",)), NOWHERE).sets) == ["folder:other"]
    with pytest.raises(SetError, match=r"no image 'hul' in folder:pair or folder:other \(did you mean 'hull'\?\)"):
        prepare(replace(both, images=("hair", "hul")), NOWHERE)


# --- the device


def spec() -> Spec:
    return Spec(name="batched", load="here:load", points=(Point("p3", {}),), kind="neural")


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
    monkeypatch.setattr("codecshift.benchmark.measure.job.Isolated", Asked(H200))
    monkeypatch.setattr("codecshift.benchmark.measure.job.possible", lambda: True)
    assert chosen(device, [spec()]) == Device("cuda", H200)
    assert chosen("cpu", [spec()]) is None


def test_without_an_accelerator_the_cpu_is_used_unless_that_was_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.job.Isolated", Asked(""))
    assert chosen("auto", [spec()]) is None
    with pytest.raises(
        CodecUnavailable, match=r"no CUDA device: torch finds none, or is not installed; use --device cpu"
    ):
        chosen("cuda", [spec()])


def test_torch_is_not_asked_where_nothing_could_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.measure.job.Isolated", None)
    assert chosen("auto", [find("jpeg")[0]]) is None
    assert chosen("auto", [replace(spec(), process=True)]) is None  # a program finds its device itself
    assert chosen("cpu", [spec()]) is None


@pytest.mark.needs("torch")
@pytest.mark.parametrize("lacks", ["build", "driver"])
def test_torch_is_not_asked_where_it_cannot_find_an_accelerator(lacks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch takes seconds, in which a run that has nothing to do is over."""
    monkeypatch.setattr("codecshift.benchmark.measure.job.Isolated", None)
    build = "2.13.0+cpu" if lacks == "build" else "2.13.0"
    monkeypatch.setattr("codecshift.codecs.neural.device.importlib.metadata.version", lambda _: build)
    monkeypatch.setattr("codecshift.codecs.neural.device.sys.platform", "linux")
    monkeypatch.setattr("codecshift.codecs.neural.device.os.path.exists", lambda _: lacks == "build")
    assert chosen("auto", [spec()]) is None


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
    monkeypatch.setattr("codecshift.benchmark.measure.job.Isolated", Asked(""))
    refused = here("run", "--set", f"folder:{pair}", "--codec", "jpeg:q30", "--device", "cuda")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == ("codecshift: no CUDA device: torch finds none, or is not installed; use --device cpu\n")
