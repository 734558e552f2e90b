"""Matched points are those that trying every value would find, whatever the search went through to find them."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.analysis.spectrum import Settings
from codecshift.benchmark import store
from codecshift.benchmark.measure.job import Job, prepare
from codecshift.benchmark.measure.loop import LOST_ALONE
from codecshift.benchmark.measure.search import LOOKS_EXPECTED, Matching, foresee, match, searches_of
from codecshift.benchmark.measure.sitting import Tally, run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.plan.targets import Match, Search, Target, WrongTarget
from codecshift.benchmark.report import matched as matched_report
from codecshift.benchmark.report.evidence import Evidence
from codecshift.benchmark.report.export import export
from codecshift.benchmark.report.formats import WIDTH
from codecshift.benchmark.store import Row, RunFile, RunFileError, provenance
from codecshift.codecs.described import describe
from codecshift.codecs.protocol import Point, Spec
from codecshift.codecs.registry import find, open_codec
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import SetError

NOWHERE = Path("/nonexistent")
Command = Callable[..., "subprocess.CompletedProcess[str]"]
CODECS = ("jpeg", "identity", "webp", "jpeg2000", "jpeg:q75")
TARGETS = (Target("bpp", 0.75), Target("psnr", 32.0))


def plan(folders: Sequence[Path], codecs: Sequence[str], *corruptions: str) -> Plan:
    return Plan("test", "for tests", tuple(f"folder:{one}" for one in folders), tuple(codecs), corruptions, (2,))


def untimed(path: Path) -> pd.DataFrame:
    return store.read(path).drop(columns=["encode_s", "decode_s"])


@pytest.fixture(scope="module")
def job(pair: Path) -> Job:
    return prepare(plan([pair], CODECS, "fog"), NOWHERE)


@pytest.fixture(scope="module")
def searched(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Matching]:
    """A file of one search, which nothing disturbed."""
    path = tmp_path_factory.mktemp("searched") / "r.sqlite"
    return path, match(job, TARGETS, path, jobs=1)


def found(matching: Matching, codec: str, target: Target) -> Match:
    (one,) = [one for one in matching.matches if (one.codec, one.target) == (codec, target)]
    return one


# --- targets


def test_searches_are_of_the_codecs_named_without_a_point(job: Job, pair: Path) -> None:
    codecs = ("jpeg", "webp", "jpeg2000")
    assert searches_of(job, TARGETS) == tuple(Search(codec, target) for target in TARGETS for codec in codecs)
    assert len(searches_of(job, [*TARGETS, *TARGETS])) == 6
    fixed = prepare(plan([pair], ["identity", "jpeg:q75"], CLEAN), NOWHERE)
    with pytest.raises(WrongTarget, match="nothing to match among identity, jpeg:q75: expected a lossy codec without"):
        match(fixed, TARGETS, NOWHERE)


# --- what is found


DIP = """
import sys
q = sys.argv[1]
data = sys.stdin.buffer.read()
if q == "decode":
    sys.stdout.buffer.write(b"P6 190 170 255\\n" + bytes(190 * 170 * 3))
else:
    q = int(q)
    size = 2000 + 40 * q if q <= 50 else 4000 + 114 * (q - 50) if q <= 55 else 4570 - 85 * (q - 55)
    sys.stdout.buffer.write(bytes(size if q <= 60 else 4145 + 60 * (q - 60)))
"""


def tried(codec: str, pair: Path) -> dict[int, tuple[float, float]]:
    """Return mean bpp and PSNR at every quality there is, by the plainest way."""
    images = [np.array(PIL.Image.open(file)) for file in sorted(pair.glob("*.png"))]
    spec, _ = find(codec)
    means = {}
    for quality in range(1, 101):
        with open_codec(spec, spec.scale.at(quality)) as opened:
            streams = [opened.encode(image) for image in images]
            errors = [
                np.mean((opened.decode(data).astype(float) - image) ** 2)
                for data, image in zip(streams, images, strict=True)
            ]
        rates = [8 * len(data) / (image.size / 3) for data, image in zip(streams, images, strict=True)]
        means[quality] = (float(np.mean(rates)), float(np.mean([10 * math.log10(255**2 / error) for error in errors])))
    return means


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_the_point_is_the_nearest_of_all(codec: str, pair: Path, searched: tuple[Path, Matching]) -> None:
    means = tried(codec, pair)
    by_rate = min(means, key=lambda quality: abs(math.log(means[quality][0] / 0.75)))
    by_quality = min(means, key=lambda quality: abs(means[quality][1] - 32))
    for target, quality in zip(TARGETS, (by_rate, by_quality), strict=True):
        one = found(searched[1], codec, target)
        assert one.point == Point(f"q{quality}", {"quality": quality})
        assert (one.achieved.bpp, one.achieved.of("psnr")) == pytest.approx(means[quality], rel=1e-9)
        assert one.achieved.images == 2
        assert one.looks <= 9


def test_a_scale_without_steps_meets_the_target(searched: tuple[Path, Matching]) -> None:
    rate = found(searched[1], "jpeg2000", TARGETS[0])
    assert rate.achieved.bpp == pytest.approx(0.75, rel=0.01)
    assert (rate.reason, rate.looks < 6) == ("", True)
    assert rate.point.name == f"r{rate.point.params['bpp']:.6g}"


def test_an_encoder_may_jump_over_a_target(pair: Path, searched: tuple[Path, Matching]) -> None:
    """OpenJPEG's rate control goes in steps, which are large in images this small: here from 31.92 to 32.06 dB."""
    one = found(searched[1], "jpeg2000", TARGETS[1])
    assert one.achieved.of("psnr") == pytest.approx(32, abs=0.1)
    assert (one.reason == "") == (abs(one.achieved.of("psnr") - 32) <= 0.05)
    assert one.looks < 14


def test_a_reason_says_where_a_target_is_missed(pair: Path, tmp_path: Path) -> None:
    job = prepare(plan([pair], ["jpeg"], CLEAN), NOWHERE)
    low, high = match(job, [Target("bpp", 0.01), Target("psnr", 99)], tmp_path / "r.sqlite", jobs=1).matches
    assert (low.point.name, low.reason) == ("q1", "the scale ends there")
    assert (high.point.name, high.reason) == ("q100", "the scale ends there")
    assert re.fullmatch(r"\+\d+\.\d %", low.off)
    assert re.fullmatch(r"-\d+\.\d\d dB", high.off)


def test_ms_ssim_can_be_matched(pair: Path, tmp_path: Path) -> None:
    job = prepare(plan([pair], ["webp", "jpeg2000"], CLEAN), NOWHERE)
    webp, jpeg2000 = match(job, [Target("ms_ssim", 0.98)], tmp_path / "r.sqlite", jobs=1).matches
    assert jpeg2000.achieved.of("ms_ssim") == pytest.approx(0.98, abs=3e-4)  # 0.05 dB of what lacks to 1
    assert webp.achieved.of("ms_ssim") == pytest.approx(0.98, abs=2e-3)


def test_a_codec_without_a_scale_is_matched_on_its_ladder(job: Job, tmp_path: Path) -> None:
    ladder = tuple(Point(name, {"quality": quality}) for name, quality in (("a", 5), ("b", 20), ("c", 60), ("d", 90)))
    spec = Spec("steps", "codecshift.codecs.pillow:jpeg", ladder)
    one = Spec("fixed", "codecshift.codecs.pillow:jpeg", ladder[2:3])
    specs = {"steps": spec, "fixed": one}
    own = replace(job, specs=specs, plan=replace(job.plan, codecs=tuple(specs)))
    steps, fixed = match(own, [Target("psnr", 32)], tmp_path / "r.sqlite", jobs=1).matches
    table = store.read(tmp_path / "r.sqlite")
    gaps = {name: abs(part["psnr"].mean() - 32) for name, part in table.groupby("point")}
    assert steps.point.name == min(gaps, key=gaps.__getitem__)
    place = "abcd".index(steps.point.name)
    assert {*"abcd"[max(0, place - 1) : place + 2]} <= gaps.keys()
    assert steps.reason == "the neighbouring settings are further off"
    assert (fixed.point.name, fixed.looks, fixed.reason) == ("c", 1, "the scale ends there")


def test_of_several_sets_the_first_is_matched_on(
    save_set: Callable[[str, Sequence[str]], Path],
    pair: Path,
    job: Job,
    searched: tuple[Path, Matching],
    tmp_path: Path,
) -> None:
    other = save_set("other", ["hull"])
    both = prepare(plan([pair, other], ["webp"], "fog"), NOWHERE)
    path = tmp_path / "r.sqlite"
    matching = match(both, TARGETS, path, jobs=1)
    assert [one.point for one in matching.matches] == [found(searched[1], "webp", target).point for target in TARGETS]
    assert set(store.read(path)["set"]) == {"folder:pair"}
    assert matching.job.provenance[provenance.MATCHED]["set"] == "folder:pair"
    assert set(matching.job.sets) == {"folder:pair", "folder:other"}


def test_a_nearer_point_beyond_a_dip_of_the_rate_is_found(pair: Path, tmp_path: Path) -> None:
    """As of encoders of which a higher quality now and then takes fewer bytes."""
    (tmp_path / "dip.py").write_text(DIP, encoding="utf-8")
    (tmp_path / "dip.toml").write_text(
        f"""
        name = "dip"
        encode = ['{sys.executable}', "{{here}}/dip.py", "{{q}}"]
        decode = ['{sys.executable}', "{{here}}/dip.py", "decode"]
        picture = "ppm"
        points = [20, 50, 55, 60, 90]
        scale = {{ prefix = "q", parameter = "q", low = 1, high = 100 }}
        """,
        encoding="utf-8",
    )
    job = prepare(plan([pair], ["dip"], CLEAN), NOWHERE, extra=[describe(tmp_path / "dip.toml")])
    (one,) = match(job, [Target("bpp", 8 * 4178 / (170 * 190))], tmp_path / "r.sqlite", jobs=1).matches
    assert (one.point, one.reason) == (Point("q61", {"q": 61}), "")
    assert one.off == "+0.6 %"
    assert one.looks <= 9


# --- what is recorded


def test_the_job_holds_what_was_found(job: Job, searched: tuple[Path, Matching]) -> None:
    matching = searched[1]
    points = {codec: [one.point.name for one in matching.matches if one.codec == codec] for codec in CODECS[::2]}
    assert list(matching.job.points) == [
        (codec, find(f"{codec}:{name}")[1][0])
        for codec, name in [
            *(("jpeg", name) for name in points["jpeg"]),
            ("identity", "raw"),
            *(("webp", name) for name in points["webp"]),
            *(("jpeg2000", name) for name in (one.point.name for one in matching.matches if one.codec == "jpeg2000")),
            ("jpeg", "q75"),
        ]
    ]
    assert matching.job.sets == job.sets
    assert matching.job.plan.conditions() == (("fog", 2),)


def test_the_provenance_says_what_was_achieved(searched: tuple[Path, Matching]) -> None:
    path, matching = searched
    record = json.loads(json.dumps(matching.job.provenance[provenance.MATCHED]))
    assert (record["set"], record["fixed"]) == ("folder:pair", ["identity:raw", "jpeg:q75"])
    table = store.read(path)
    assert [(one["codec"], one["target"]) for one in record["points"]] == [
        (one.codec, str(one.target)) for one in matching.matches
    ]
    for one in record["points"]:
        rows = table[(table["codec"] == one["codec"]) & (table["point"] == one["point"])]
        assert one["images"] == len(rows) == 2
        for name in ("bpp", "psnr", "ms_ssim"):
            assert one[name] == pytest.approx(rows[name].mean(), abs=1e-5)
        assert one["met"] == (one["reason"] == "")


def test_rows_of_the_search_are_rows_like_any_others(searched: tuple[Path, Matching]) -> None:
    path, matching = searched
    table = store.read(path)
    assert set(zip(table["corruption"], table["severity"], strict=True)) == {(CLEAN, 0)}
    assert set(table["status"]) == {"ok"}
    assert len(table) == matching.tally.done == matching.tally.total
    looks = {name: part["point"].nunique() for name, part in table.groupby("codec")}
    for codec, count in looks.items():  # points looked at for both targets are measured once
        assert count <= sum(one.looks for one in matching.matches if one.codec == codec)
    (id_,) = set(table["run"])
    assert provenance.MATCHED not in store.runs(path)[id_]


def test_the_run_goes_on_at_the_points(searched: tuple[Path, Matching], tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    store.merge([searched[0]], path)
    matched = searched[1].job
    assert run(matched, path, jobs=1).done == 2 * len(matched.points)
    assert store.runs(path)[matched.run] == json.loads(json.dumps(matched.provenance))
    lines = matched_report.matched(Evidence.open(path))
    assert set(lines["target"]) == {"bpp=0.75", "psnr=32"}
    under_fog = lines[(lines["target"] == "psnr=32") & (lines["over"] == "low")]
    assert under_fog["codec"].tolist() == ["jpeg", "webp", "jpeg2000", "identity", "jpeg"]
    table = store.read(path).query("codec == 'jpeg' and corruption == 'fog'").groupby("point")["bpp"].mean()
    assert under_fog["bpp"].tolist()[0] == pytest.approx(table[under_fog["point"].tolist()[0]])


def test_what_was_found_is_recorded_though_nothing_is_left_to_measure(pair: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    matching = match(prepare(plan([pair], ["webp"], CLEAN), NOWHERE), TARGETS[:1], path, jobs=1)
    assert run(matching.job, path, jobs=1).total == 0
    assert provenance.MATCHED in store.runs(path)[matching.job.run]
    exported = export(Evidence.open(path), tmp_path / "results")
    assert f"{matching.job.run}.json" in {file.name for file in exported.files}
    before = path.read_bytes()
    assert run(matching.job, path, jobs=1).total == 0
    assert before == path.read_bytes()


# --- again, and on


def test_a_second_search_measures_nothing(job: Job, searched: tuple[Path, Matching]) -> None:
    path, first = searched
    before = path.read_bytes()
    second = match(job, TARGETS, path, jobs=1, pool=None)  # no process is started
    assert (second.tally.total, second.tally.done) == (0, 0)
    assert second.matches == first.matches
    assert (second.job.run, second.job.provenance) == (first.job.run, first.job.provenance)
    assert before == path.read_bytes()


@pytest.mark.parametrize("after", [0, 5, 20])
def test_an_interrupted_search_goes_on_to_the_same_end(
    after: int, job: Job, searched: tuple[Path, Matching], tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"

    def interrupt(tally: Tally, _: Sequence[Search]) -> None:
        if tally.done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        match(job, TARGETS, path, jobs=1, report=interrupt)
    before = store.read(path)
    assert after <= len(before) < len(store.read(searched[0]))
    again = match(job, TARGETS, path, jobs=2)
    assert again.matches == searched[1].matches
    assert again.job.run == searched[1].job.run
    pd.testing.assert_frame_equal(untimed(searched[0]), untimed(path))
    assert len(before) == len(store.read(path).merge(before, how="inner"))


def test_ladders_that_are_there_save_work_and_change_nothing(
    pair: Path, searched: tuple[Path, Matching], tmp_path: Path
) -> None:
    path = tmp_path / "r.sqlite"
    job = prepare(plan([pair], ["webp"], CLEAN), NOWHERE)
    run(job, path, jobs=1)
    matching = match(job, TARGETS, path, jobs=1)
    assert matching.tally.done < len(store.read(searched[0]).query("codec == 'webp'"))
    assert list(matching.matches) == [found(searched[1], "webp", target) for target in TARGETS]


def test_failed_rows_are_tried_again_only_when_asked(pair: Path, tmp_path: Path, spoil: Callable[..., None]) -> None:
    path = tmp_path / "r.sqlite"
    job = prepare(plan([pair], ["webp"], CLEAN), NOWHERE)
    (whole,) = match(job, TARGETS[:1], path, jobs=1).matches
    spoiled = [key for key in store.statuses(path) if (key.point, key.image) == (whole.point.name, "hair")]
    spoil(path, spoiled, "failed")
    reports: list[int] = []
    left = match(job, TARGETS[:1], path, jobs=1, report=lambda tally, _: reports.append(tally.total))
    assert all(one.achieved.images == 1 for one in left.matches if one.point == whole.point)
    again = match(job, TARGETS[:1], path, jobs=1, retry_failed=True)
    assert (again.matches, again.tally.done) == ((whole,), 1)


def test_a_file_of_other_rows_is_left_alone(
    job: Job, searched: tuple[Path, Matching], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = searched
    before = path.read_bytes()
    monkeypatch.setattr(provenance, "RATE_VERSION", 99)
    with pytest.raises(RunFileError, match=r"cannot be compared with this run: measure 'bpp' .*give another --out"):
        match(replace(job), TARGETS, path, jobs=1)
    assert before == path.read_bytes()


@pytest.mark.parametrize("window", ["none", "hann"])
def test_a_matched_run_says_how_its_spectra_were_taken(window: str, pair: Path, tmp_path: Path) -> None:
    """Else files of a search with one window and with another are added up."""
    path = tmp_path / "r.sqlite"
    settings = Settings(window=window)
    matching = match(prepare(plan([pair], ["jpeg"], CLEAN), NOWHERE, spectra=settings), TARGETS[:1], path, jobs=1)
    run(matching.job, path, jobs=1)
    assert len(store.runs(path)) == 2  # of the search, and of the run at its points
    assert [one[provenance.SPECTRA]["window"] for one in store.runs(path).values()] == [window] * 2
    assert matching.job.provenance[provenance.SPECTRA]["window"] == window
    other = prepare(plan([pair], ["jpeg"], CLEAN), NOWHERE, spectra=Settings((*settings.channels, "R"), window))
    with pytest.raises(RunFileError, match="setting of spectra 'channels' is not the same"):
        match(other, TARGETS[:1], path, jobs=1)


# --- what goes wrong


def test_a_row_that_fails_when_it_is_searched_again_stays(pair: Path, tmp_path: Path, with_plugins: None) -> None:
    """A search measures the rows again whose run left out MS-SSIM."""
    path = tmp_path / "r.sqlite"
    wanted = prepare(plan([pair], ["exits", "jpeg"], CLEAN), NOWHERE)
    measured = replace(wanted, plan=replace(wanted.plan, measures=("bpp", "psnr")))
    good = Row(*("folder:pair", CLEAN, 0, "exits", "p", "hair"), *(170, 190, 1, 1, 1, 0.1, 0.1), "ok", "", "before")
    with RunFile.open(path) as file:
        file.begin("before", measured.provenance, "then", 1)
        file.append([good])
    matching = match(wanted, TARGETS[:1], path, jobs=1)
    assert matching.tally.failed > 0
    assert [row for row in store.rows_under(path, "folder:pair", CLEAN) if row.key == good.key] == [good]


def test_a_codec_that_always_dies_is_left_out(pair: Path, tmp_path: Path, with_plugins: None) -> None:
    job = prepare(plan([pair], ["exits", "jpeg"], CLEAN, "fog"), NOWHERE)
    path = tmp_path / "r.sqlite"
    dead, jpeg = match(job, TARGETS[:1], path, jobs=1).matches
    assert dead.point is None
    assert dead.reason == "nothing was measured at p: its process ended with exit code 3"
    assert jpeg.reason == ""
    matching = match(job, TARGETS[:1], path, jobs=1)
    assert (matching.tally.total, matching.matches[1]) == (0, jpeg)
    assert [codec for codec, _ in matching.job.points] == ["jpeg"]
    assert set(matching.job.specs) == {"jpeg"}
    record = matching.job.provenance[provenance.MATCHED]["points"][0]
    assert (record["codec"], record["point"], record["met"], record["bpp"]) == ("exits", None, False, None)
    assert matched_report.matched(Evidence.open(path)).empty  # nothing has been run at the points
    run(matching.job, path, jobs=1)
    assert set(matched_report.matched(Evidence.open(path))["codec"]) == {"jpeg"}


def test_a_search_of_what_hangs_ends_soon(job: Job, tmp_path: Path, with_plugins: None) -> None:
    """A long ladder of points of which each takes the time limit must not be gone through."""
    ladder = tuple(Point(f"p{place}") for place in range(9))
    hang = Spec("hang", "codecshift_bad_codecs:hang", ladder)
    own = replace(job, specs={"hang": hang}, plan=replace(job.plan, codecs=("hang",)))
    (one,) = match(own, TARGETS[:1], tmp_path / "r.sqlite", jobs=1, time_limit=1).matches
    assert (one.point, one.looks) == (None, 1)
    assert len(store.read(tmp_path / "r.sqlite")) == 2 < LOST_ALONE
    assert match(own, TARGETS[:1], tmp_path / "r.sqlite", jobs=1).job.points == ()


def test_a_damaged_image_is_left_out_of_the_mean(
    save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path
) -> None:
    folder = save_set("damaged", ["hair", "hull", "suit"])
    whole = (folder / "hull.png").read_bytes()
    (folder / "hull.png").write_bytes(whole[: len(whole) // 2])
    job = prepare(plan([folder], ["jpeg"], CLEAN), NOWHERE)
    (one,) = match(job, TARGETS[:1], tmp_path / "r.sqlite", jobs=1).matches
    assert one.achieved.images == 2
    assert one.achieved.fault == ""
    assert set(store.read(tmp_path / "r.sqlite")["image"]) == {"hair", "suit"}
    again = match(job, TARGETS[:1], tmp_path / "r.sqlite", jobs=1)
    assert (again.tally.total, again.matches) == (0, (one,))
    assert foresee(job, TARGETS[:1], tmp_path / "r.sqlite").pending == ()


def test_a_set_of_damaged_images_ends_a_search(save_set: Callable[[str, Sequence[str]], Path], tmp_path: Path) -> None:
    folder = save_set("damaged", ["hull"])
    whole = (folder / "hull.png").read_bytes()
    (folder / "hull.png").write_bytes(whole[: len(whole) // 2])
    job = prepare(plan([folder], ["jpeg"], CLEAN), NOWHERE)
    with pytest.raises(SetError, match=r"no image of folder:damaged can be read: hull\.png: .*; restore the files"):
        match(job, TARGETS[:1], tmp_path / "r.sqlite", jobs=1)


def test_images_too_small_for_ms_ssim_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    PIL.Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(folder / "x.png")
    job = prepare(plan([folder], ["jpeg"], CLEAN), NOWHERE)
    (one,) = match(job, [Target("ms_ssim", 0.9)], tmp_path / "r.sqlite", jobs=1).matches
    assert one.point is None
    assert re.fullmatch(r"nothing was measured at q\d+: no image of the set has a value of ms_ssim", one.reason)


# --- beforehand


def test_what_is_foreseen_is_what_is_known(
    job: Job, pair: Path, searched: tuple[Path, Matching], tmp_path: Path
) -> None:
    fresh = foresee(job, TARGETS, tmp_path / "r.sqlite")
    assert fresh.pending == searches_of(job, TARGETS)
    assert fresh.rows == 6 * LOOKS_EXPECTED * 2
    assert list(tmp_path.iterdir()) == []
    # The middle of each ladder stands for what is not known.
    assert {(codec, point.name) for codec, point in fresh.job.points} == {
        *(("jpeg", "q55"), ("webp", "q78"), ("jpeg2000", "r0.9"), ("identity", "raw"), ("jpeg", "q75"))
    }
    path, matching = searched
    before = path.read_bytes()
    known = foresee(job, TARGETS, path)
    assert (known.pending, known.rows) == ((), 0)
    assert known.job.points == matching.job.points
    more = foresee(prepare(plan([pair], [*CODECS, "avif"], "fog"), NOWHERE), TARGETS[:1], path)
    assert more.pending == (Search("avif", TARGETS[0]),)
    assert before == path.read_bytes()


# --- the command


@pytest.fixture(scope="module")
def ran(pair: Path, tmp_path_factory: pytest.TempPathFactory, command: Command) -> tuple[Path, list[Any]]:
    """A run file of matched points, what was said when it was made, and the command."""
    path = tmp_path_factory.mktemp("ran") / "r.sqlite"
    options = ["--set", f"folder:{pair}", "--match", "bpp=0.75", "--match", "psnr=32", "--jobs", 1, "--out", path]
    options += ["--codec", "webp", "--codec", "jpeg2000", "--codec", "identity", "--severity", 2]
    options += ["--corruption", "fog", "--corruption", "shot_noise"]
    done = command("run", *options)
    assert done.returncode == 0, done.stderr
    (path.parent / "out.txt").write_text(done.stdout, encoding="utf-8")
    (path.parent / "err.txt").write_text(done.stderr, encoding="utf-8")
    return path, ["run", *options]


def test_a_matched_run_says_what_it_found_and_what_it_held(ran: tuple[Path, list[Any]]) -> None:
    path, _ = ran
    err, out = (path.with_name(name).read_text(encoding="utf-8") for name in ("err.txt", "out.txt"))
    assert re.search(r"^matched on clean images of folder:pair: \d+ rows in ", err, re.MULTILINE)
    assert re.search(
        r"^ bpp=0.75 jpeg2000 r0\.\d+ +0\.7\d\d +\d\d\.\d\d +0\.\d{4} +[+-]\d\.\d % 2 +\d+$", err, re.MULTILINE
    )
    assert "identity is not searched: a lossless codec has no rate or quality to match" in err
    assert re.search(r"^20 rows in .*, 0 failed, 0 skipped -> ", err, re.MULTILINE)
    assert [line for line in (out + err).splitlines() if len(line) > WIDTH and str(path) not in line] == []
    assert re.findall(r"^folder:pair: matched at (\S+) on clean images$", out, re.MULTILINE) == ["bpp=0.75", "psnr=32"]
    groups = re.findall(r"^ (\w+) +(\S+):\S+ +2 +0 ", out, re.MULTILINE)
    every = [
        (over, codec) for over in ("clean", "low", "high", "corrupted") for codec in ("webp", "jpeg2000", "identity")
    ]
    assert groups == [one for one in every if one != ("clean", "identity")] * 2
    assert "no leaderboard" not in err


def test_the_same_command_does_nothing_again(ran: tuple[Path, list[Any]], here: Command) -> None:
    path, arguments = ran
    before = store.read(path)
    said = here(*arguments)
    assert said.returncode == 0
    assert said.stderr.startswith(f"matched on clean images of folder:pair: all rows of the search are in {path}")
    assert f"nothing to do: all 20 rows are in {path}" in said.stderr
    assert said.stdout == path.with_name("out.txt").read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(before, store.read(path))


def test_the_leaderboard_of_matched_points_is_their_table(ran: tuple[Path, list[Any]], here: Command) -> None:
    path, _ = ran
    out = path.with_name("out.txt").read_text(encoding="utf-8")
    for arguments in ((), ("--matched",)):
        said = here("leaderboard", path, *arguments)
        assert (said.returncode, said.stderr, said.stdout) == (0, "", out)
    lines = json.loads(here("leaderboard", path, "--matched", "--format", "json").stdout)
    assert [list(line) for line in lines] == [list(matched_report.matched(Evidence.open(path)).columns)] * len(lines)
    assert here("leaderboard", path, "--matched", "--format", "csv").stdout.count("\n") == len(lines) + 1
    markdown = here("leaderboard", path, "--matched", "--format", "markdown").stdout
    assert len(re.findall(r"^\| \w+ \| \w+:", markdown, re.MULTILINE)) == len(lines)
    foggy = here("leaderboard", path, "--matched", "--corruption", "fog", "--format", "csv").stdout
    assert ",low," in foggy
    assert ",high," not in foggy


def test_without_matched_points_there_is_no_table_of_them(pair: Path, tmp_path: Path, here: Command) -> None:
    run(prepare(plan([pair], ["jpeg:q50"], CLEAN), NOWHERE), tmp_path / "r.sqlite", jobs=1)
    said = here("leaderboard", "r.sqlite", "--matched")
    assert (said.returncode, said.stdout) == (2, "")
    assert (
        said.stderr == "codecshift: r.sqlite has no matched points: measure them with codecshift run --match TARGET\n"
    )
    assert "no codec has the 4 points" in here("leaderboard", "r.sqlite").stderr


def test_a_dry_run_says_that_the_search_comes_first(pair: Path, tmp_path: Path, here: Command) -> None:
    options = ["--set", f"folder:{pair}", "--codec", "jpeg", "--codec", "webp", "--corruption", "fog", "--severity", 2]
    said = here("run", *options, "--match", "bpp=0.75", "--dry-run")
    assert said.returncode == 0
    assert said.stderr == "timing a sample of the remaining rows, for at most 20 s\n"
    first, second, *_ = said.stdout.splitlines()
    assert first == "search  jpeg bpp=0.75, webp bpp=0.75"
    assert re.match(
        rf" +runs first: about {2 * LOOKS_EXPECTED * 2} rows, {LOOKS_EXPECTED} points per search, about ", second
    )
    assert "rows    4, of which 0 are in" in said.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_search_of_which_nothing_came_ends_with_1(pair: Path, tmp_path: Path, command: Command) -> None:
    done = command(
        *("run", "--set", f"folder:{pair}", "--codec", "exits", "--corruption", "fog", "--jobs", 1),
        *("--match", "psnr=30", "--out", tmp_path / "r.sqlite"),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "left out: exits: psnr=30 could not be matched: nothing was measured at p: its process ended" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_match_is_refused(pair: Path, here: Command, tmp_path: Path) -> None:
    said = here("run", "--set", f"folder:{pair}", "--codec", "identity", "--codec", "jpeg:q5", "--match", "bpp=1")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("codecshift: nothing to match among identity, jpeg:q5: expected a lossy codec")
    assert list(tmp_path.iterdir()) == []


def test_a_search_over_some_images_looks_at_those_alone(
    pair: Path, searched: tuple[Path, Matching], tmp_path: Path
) -> None:
    part = prepare(replace(plan([pair], ["webp"], "fog"), first=1), NOWHERE)
    alone = match(part, TARGETS, tmp_path / "alone.sqlite", jobs=1)
    shutil.copy(searched[0], tmp_path / "r.sqlite")
    among = match(part, TARGETS, tmp_path / "r.sqlite", jobs=1)
    assert among.matches == alone.matches
    assert {one.achieved.images for one in among.matches} == {1}
