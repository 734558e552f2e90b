"""A job knows what it will do, and what cannot be run is known before."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.plan.plans import Plan
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import UnknownCodec
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import SetError, UnknownSet

NOWHERE = Path("/nonexistent")


def plan(folder: Path, codecs: Sequence[str] = ("jpeg:q30", "webp:q50"), *corruptions: str) -> Plan:
    return Plan(
        "test", "for tests", (f"folder:{folder}",), tuple(codecs), corruptions or (CLEAN, "fog", "contrast"), (2,)
    )


def test_a_job_counts_what_it_will_do(job: Job) -> None:
    assert (job.cells(), job.rows()) == (6, 12)
    assert sum(len(task.points) for task in job.tasks({}, retry_failed=False)) == 12
    assert len({str(task.shot) for task in job.tasks({}, retry_failed=False)}) == 6


def test_a_point_named_twice_is_one_point(pair: Path) -> None:
    job = prepare(plan(pair, ["jpeg:q30", "jpeg:q030", "jpeg:q30.0", "jpeg"]), NOWHERE)
    names = [point.name for _, point in job.points]
    assert len(names) == len(set(names)) == 12


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
    with pytest.raises(SetError, match="two sets are called 'folder:pair'"):
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
    with pytest.raises(SetError, match="no image 'hul' in folder:pair or folder:other; did you mean 'hull'"):
        prepare(replace(both, images=("hair", "hul")), NOWHERE)
