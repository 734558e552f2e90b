"""A run's id changes with all that can change a result, and with nothing else."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark.store import provenance
from codecshift.benchmark.store.facts import FACTS
from codecshift.benchmark.store.provenance import Device, conflict, cpu, describe, git_state, run_id
from codecshift.codecs.registry import find
from codecshift.corruptions.corruption import Corruption
from codecshift.corruptions.digests import pixels
from codecshift.corruptions.sets import ImageSet, open_set
from codecshift.corruptions.sets.generated import StoredSet

SPECS = [find(name)[0] for name in ("jpeg", "webp", "identity")]
NAMES = ["fog", "snow", "contrast"]


@pytest.fixture(scope="module")
def images(pair: Path) -> ImageSet:
    return open_set(f"folder:{pair}", Path("/nonexistent"))


@pytest.fixture(scope="module")
def described(images: ImageSet) -> dict[str, Any]:
    return describe([images], ["none", *NAMES], SPECS)


def test_it_states_what_a_result_rests_on(described: dict[str, Any], images: ImageSet) -> None:
    assert list(described) == [
        *("codecshift", "git", "python", "platform", "cpu", "libraries", "sets", "corruptions", "pixels"),
        *("measures", "codecs"),
    ]
    assert described["sets"] == {"folder:pair": {"digest": images.digest, "images": 2}}
    assert described["corruptions"] == {name: provenance.find(name).version for name in NAMES}
    assert described["pixels"] == {name: pixels(name) for name in NAMES}
    assert set(described["measures"]) == {"bpp", "psnr", "ms_ssim"}
    assert set(described["codecs"]) == {"jpeg", "webp", "identity"}
    assert all(set(codec) == set(FACTS) for codec in described["codecs"].values())
    assert "libjpeg-turbo" in described["codecs"]["jpeg"]["library"]
    assert described["codecs"]["identity"]["header_bytes"] == 8 + 3 * 8 * 8


def test_it_is_plain_json_and_names_no_folder(described: dict[str, Any], pair: Path) -> None:
    text = json.dumps(described)
    assert described == json.loads(text)
    assert str(pair) not in text


def test_the_id_is_twelve_hexadecimal_digits_and_stable(described: dict[str, Any]) -> None:
    run = run_id(described)
    assert len(run) == 12
    assert int(run, 16) >= 0
    assert run == run_id(json.loads(json.dumps(described)))


def test_the_id_does_not_depend_on_order(described: dict[str, Any], images: ImageSet) -> None:
    other = describe([images], [*reversed(NAMES), "none"], reversed(SPECS))
    assert run_id(described) == run_id(other)


def test_the_id_is_the_same_in_another_folder(described: dict[str, Any], pair: Path, tmp_path: Path) -> None:
    shutil.copytree(pair, tmp_path / "pair")
    moved = open_set(f"folder:{tmp_path / 'pair'}", Path("/elsewhere"))
    assert run_id(described) == run_id(describe([moved], NAMES, SPECS))


def changed_corruption(monkeypatch: pytest.MonkeyPatch) -> None:
    current = provenance.find

    def changed(name: str) -> Corruption:
        return replace(current(name), version=current(name).version + (name == "fog"))

    monkeypatch.setattr(provenance, "find", changed)


def changed_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    find_all = provenance.find_all
    monkeypatch.setattr(provenance, "find_all", lambda names: [replace(one, version=9) for one in find_all(names)])


def changed_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance.importlib.metadata, "version", lambda _: "99.0")


def changed_codec_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "identify", lambda _: "another library 9")


@pytest.mark.parametrize(
    "change",
    [changed_corruption, changed_measure, changed_library, changed_codec_library],
    ids=["corruption", "measure", "library", "codec-library"],
)
def test_the_id_changes_with_a_version(
    change: Callable[[pytest.MonkeyPatch], None],
    described: dict[str, Any],
    images: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(monkeypatch)
    assert run_id(described) != run_id(describe([images], NAMES, SPECS))


@pytest.mark.parametrize("field", ["version", "chroma", "settings", "bit_depth", "effort", "threads", "process"])
def test_the_id_changes_with_a_codec(field: str, described: dict[str, Any], images: ImageSet) -> None:
    changed = [replace(spec, **{field: 99}) for spec in SPECS]
    assert run_id(described) != run_id(describe([images], NAMES, changed))


# --- devices

NEURAL = replace(find("identity")[0], name="neural", kind="neural")


def test_a_device_is_stated_where_a_codec_computes_on_it(described: dict[str, Any], images: ImageSet) -> None:
    device = Device("cuda", "cuda: NVIDIA H200, torch 2.13.0, CUDA 13.0, TF32 off", 8)
    on_device = describe([images], NAMES, [*SPECS, NEURAL], device)
    assert on_device["device"] == device.name
    assert {name: one.get("batch") for name, one in on_device["codecs"].items()} == {
        **{spec.name: None for spec in SPECS},
        "neural": 8,
    }
    # Ids are as they were wherever there is no device, or nothing that uses it.
    assert "device" not in describe([images], NAMES, [*SPECS, NEURAL])
    assert run_id(described) == run_id(describe([images], NAMES, SPECS, device))
    ids = {run_id(describe([images], NAMES, [NEURAL], one)) for one in (None, device, replace(device, batch=16))}
    assert len(ids) == 3


def test_a_neural_codec_on_two_kinds_of_device_is_a_conflict(images: ImageSet) -> None:
    both, classical = [*SPECS, NEURAL], describe([images], NAMES, SPECS)
    cpu_run, h200, a100 = (
        describe([images], NAMES, both, Device("cuda", f"cuda: {name}") if name else None)
        for name in ("", "NVIDIA H200", "NVIDIA A100")
    )
    assert conflict([cpu_run, h200]) == "device of codec 'neural' is not the same in all runs (cpu and cuda)"
    program = replace(NEURAL, process=True)
    runs = [describe([images], NAMES, [program], device) for device in (None, Device("cuda", "cuda: NVIDIA H200"))]
    assert runs[0] == runs[1]
    assert conflict([describe([images], NAMES, [program, NEURAL]), runs[0] | {"device": "cuda"}]) == ""
    assert conflict([h200, a100, classical]) == ""
    assert conflict([cpu_run, classical]) == ""


# --- conflicts


def other(described: dict[str, Any], kind: str, name: str, value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(described))
    copy[kind][name] = value
    return copy


def test_the_same_is_no_conflict(described: dict[str, Any]) -> None:
    assert conflict([]) == ""
    assert conflict([described]) == ""
    assert conflict([described, json.loads(json.dumps(described))]) == ""


def test_other_things_measured_are_no_conflict(described: dict[str, Any], images: ImageSet) -> None:
    wider = describe([images], ["spatter", *NAMES], [*SPECS, find("avif")[0]])
    assert conflict([described, wider]) == ""


def test_another_machine_is_no_conflict(described: dict[str, Any]) -> None:
    assert conflict([described, described | {"cpu": "another", "platform": "other", "git": None}]) == ""


def test_each_conflict_is_named(described: dict[str, Any]) -> None:
    codec = described["codecs"]["webp"]
    for kind, name, value, sentence in (
        ("sets", "folder:pair", {"digest": "0" * 64, "images": 2}, "set 'folder:pair' is not the same in all runs"),
        ("corruptions", "fog", 99, "corruption 'fog' is not the same in all runs (1 and 99)"),
        ("measures", "psnr", 99, "measure 'psnr' is not the same in all runs (1 and 99)"),
        ("codecs", "webp", codec | {"version": 99}, "codec 'webp' is not the same in all runs"),
        ("codecs", "webp", codec | {"library": "libwebp 9"}, "codec 'webp' is not the same in all runs"),
    ):
        found = conflict([described, described, other(described, kind, name, value)])
        assert found.startswith(sentence), found
        assert "\n" not in found


# --- libraries that make the corrupted pixels


def with_libraries(described: dict[str, Any], digests: dict[str, str], **versions: str) -> dict[str, Any]:
    """Return the provenance of a run with other libraries, under which some corruptions have other pixels."""
    pixels = {**described["pixels"], **digests}
    return {**described, "pixels": pixels, "libraries": {**described["libraries"], **versions}}


def test_another_version_of_a_library_that_makes_the_same_pixels_is_let_in(described: dict[str, Any]) -> None:
    assert conflict([described, with_libraries(described, {}, scipy="99.0", numpy="99.1")]) == ""


def test_other_pixels_of_one_corruption_version_are_a_conflict(described: dict[str, Any]) -> None:
    numpy, scipy = described["libraries"]["numpy"], described["libraries"]["scipy"]
    changed = with_libraries(described, {"fog": "0" * 16}, numpy="99.0", scipy="99.1")
    assert conflict([described, changed]) == (
        f"corruption 'fog' makes different pixels in some of the runs (numpy {numpy} and 99.0, scipy {scipy} and 99.1)"
    )


def test_other_pixels_with_the_same_libraries_name_what_else_differs(described: dict[str, Any]) -> None:
    changed = with_libraries(described, {"fog": "0" * 16})
    sentence = "corruption 'fog' makes different pixels in some of the runs "
    assert conflict([{**described, "cpu": "A"}, {**changed, "cpu": "B"}]) == f"{sentence}(processor A and B)"
    commits = [{"commit": letter * 40, "changed": False} for letter in "ab"]
    code = [{**run, "git": commit} for run, commit in zip((described, changed), commits, strict=True)]
    assert conflict(code) == f"{sentence}(commit aaaaaaaaaaaa and bbbbbbbbbbbb)"
    assert conflict([described, changed]) == f"{sentence}(the same libraries, processor and commit)"


def test_runs_that_recorded_no_pixels_are_compared_by_version(described: dict[str, Any]) -> None:
    earlier = {key: value for key, value in described.items() if key != "pixels"}
    changed = with_libraries(described, {"fog": "0" * 16}, numpy="99.0")
    assert conflict([earlier, described]) == conflict([earlier, changed]) == ""
    assert conflict([earlier, described, changed]).startswith("corruption 'fog' makes different pixels")
    assert conflict([earlier, other(described, "corruptions", "fog", 99)]).startswith(
        "corruption 'fog' is not the same"
    )


@pytest.mark.parametrize("versions", [{}, {"scipy": "99.0"}], ids=["same", "other"])
def test_pixels_of_files_are_recorded_where_the_libraries_of_here_made_them(
    versions: dict[str, str], images: ImageSet, tmp_path: Path
) -> None:
    made_with = {**provenance.libraries(), "codecshift": "1", **versions}
    stored = replace(images, generated=StoredSet(tmp_path, {}, made_with))
    assert set(describe([stored], NAMES, SPECS)["pixels"]) == (set() if versions else set(NAMES))


# --- the checkout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for arguments in (["init", "-q"], ["config", "user.email", "a@b.c"], ["config", "user.name", "n"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    (tmp_path / "file").write_text("one", encoding="utf-8")
    for arguments in (["add", "file"], ["commit", "-q", "-m", "m", "--no-gpg-sign"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    return tmp_path


@pytest.mark.needs("git")
def test_the_state_of_a_checkout(repository: Path) -> None:
    head = subprocess.run(
        ["git", "-C", repository, "rev-parse", "HEAD"], check=True, capture_output=True, encoding="utf-8"
    ).stdout.strip()
    assert git_state(repository) == {"commit": head, "changed": False}
    (repository / "untracked").write_text("notes", encoding="utf-8")
    assert git_state(repository) == {"commit": head, "changed": False}
    (repository / "file").write_text("two", encoding="utf-8")
    assert git_state(repository) == {"commit": head, "changed": True}


def test_a_folder_without_a_checkout_has_no_state(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None
    assert git_state(tmp_path / "missing") is None


def test_a_damaged_or_unborn_checkout_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_a_processor_is_named() -> None:
    assert cpu() == cpu().strip() != ""
