"""Checkpoints by label: a file, a folder of them, a point of it, and what is said where there is none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.store import read
from codecshift.codecs.neural import checkpoint
from codecshift.codecs.neural.metadata import Facts
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import UnknownCodec, find, identify, open_codec

NAME = "bmshj2018-factorized"
SIZE = {"N": 8, "M": 12}


@pytest.fixture
def folder(tmp_path: Path, lively: Callable[..., object]) -> Path:
    """A folder of three checkpoints whose lambdas do not rise with their names."""
    for name, lam, seed in (("a", 0.05, 1), ("b", 0.0018, 2), ("c", 0.013, 3)):
        weights = lively(NAME, spread=100 * lam + 1, seed=seed).state_dict()  # type: ignore[attr-defined]
        checkpoint.save(tmp_path / "my models" / f"{name}.safetensors", Facts(NAME, SIZE, lam, "ms-ssim", {}), weights)
    return tmp_path / "my models"


def test_a_folder_is_a_ladder_by_rising_lambda(folder: Path) -> None:
    spec, points = find(f"{NAME}@{folder}")
    assert spec.name == f"{NAME}@my-models"
    assert [point.name for point in points] == ["l0.0018", "l0.013", "l0.05"]
    assert [point.params["file"] for point in points] == ["b.safetensors", "c.safetensors", "a.safetensors"]
    assert (spec.kind, spec.settings) == ("neural", "checkpoint, N=8, M=12, trained for MS-SSIM")
    assert find(f"{NAME}@{folder}:l0.013") == (spec, (points[1],))
    with open_codec(spec, points[2]) as codec:
        assert codec


def test_a_file_is_one_point(folder: Path) -> None:
    spec, (point,) = find(f"{NAME}@{folder}/c.safetensors")
    assert (spec.name, point.name) == (f"{NAME}@c", "l0.013")
    assert find(f"{NAME}@{folder}/c.safetensors:l0.013") == (spec, (point,))
    assert find(f"{NAME}-est@{folder}/c.safetensors")[0].name == f"{NAME}-est@c"


def test_equal_lambdas_are_told_apart_by_the_files_names(folder: Path) -> None:
    shutil.copy(folder / "a.safetensors", folder / "a, again.safetensors")
    _, points = find(f"{NAME}@{folder}")
    assert [point.name for point in points] == ["b", "c", "a--again", "a"]


def test_a_relative_path_means_the_same_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert find(f"{NAME}@c.safetensors") == find(f"{NAME}@{folder}/c.safetensors")


def test_a_name_in_rows_has_no_separator_in_it(folder: Path) -> None:
    spec, _ = find(f"{NAME}@{folder}/c.safetensors")
    assert not set(spec.name) & set("/: ,")


def test_the_library_says_which_weights(folder: Path) -> None:
    before = identify(find(f"{NAME}@{folder}/c.safetensors")[0]), identify(find(f"{NAME}@{folder}")[0])
    shutil.copy(folder / "a.safetensors", folder / "c.safetensors")
    after = identify(find(f"{NAME}@{folder}/c.safetensors")[0]), identify(find(f"{NAME}@{folder}")[0])
    assert len({*before, *after}) == 4
    assert all("weights " in one for one in (*before, *after))


@pytest.mark.parametrize("label", ["", "/c.safetensors"], ids=["folder", "file"])
def test_weights_that_changed_are_not_opened(folder: Path, label: str) -> None:
    spec, points = find(f"{NAME}@{folder}{label}")
    shutil.copy(folder / "a.safetensors", folder / "c.safetensors")
    (point,) = [point for point in points if point.name == "l0.013"]
    with pytest.raises(CodecUnavailable, match="has changed since the run began"), open_codec(spec, point):
        pass


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("vgg@{0}", "expected an architecture before the @, one of .*, got 'vgg'"),
        (f"{NAME}@{{0}}/none.safetensors", "expected a .safetensors file or a folder of them after the @, found none"),
        (f"{NAME}@{{0}}/c.safetensors:l2", "has no point 'l2'"),
        ("mbt2018@{0}", "expected a checkpoint of mbt2018, got one of bmshj2018-factorized"),
        ("mbt2018-vbr@{0}", "one file of mbt2018-vbr serves all rates"),
        (f"{NAME}@{{0}}/..", "expected .safetensors files in this folder, found none"),
        (f"{NAME}@{{0}}/notes.txt", "expected a .safetensors file; pickle files"),
        (f"{NAME}@{{0}}/torn.safetensors", "not a safetensors file, or is damaged"),
    ],
    ids=lambda value: value.partition("@")[2] or value[:10],
)
def test_what_names_no_checkpoint_is_refused(folder: Path, label: str, reason: str) -> None:
    (folder / "notes.txt").write_text("notes", encoding="utf-8")
    if "torn" in label:
        (folder / "torn.safetensors").write_bytes((folder / "a.safetensors").read_bytes()[:200])
    with pytest.raises(UnknownCodec, match=reason):
        find(label.format(folder))


def test_a_run_takes_checkpoints_and_estimates(folder: Path, tmp_path: Path) -> None:
    plan = Plan("p", "", ("sample",), (f"{NAME}@{folder}/c.safetensors", f"{NAME}-est@{folder}:l0.05"), ("none",))
    job = prepare(plan, tmp_path)
    assert job.plan.codecs == (f"{NAME}@c", f"{NAME}-est@my-models:l0.05")
    assert run(job, tmp_path / "r.sqlite", jobs=1).failed == 0
    rows = read(tmp_path / "r.sqlite")
    assert set(rows.codec) == {f"{NAME}@c", f"{NAME}-est@my-models"}
    estimates = rows[rows.codec == f"{NAME}-est@my-models"]
    assert (estimates.status == "ok").all()
    assert (estimates.nbytes > 0).all()
    assert (estimates.decode_s == 0).all()


def test_two_files_of_one_name_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "c.safetensors"
    other.parent.mkdir()
    shutil.copy(folder / "a.safetensors", other)
    plan = Plan("p", "", ("sample",), (f"{NAME}@{folder}/c.safetensors", f"{NAME}@{other}"))
    with pytest.raises(UnknownCodec, match=rf"another codec has the same name '{NAME}@c' in rows"):
        prepare(plan, tmp_path)
