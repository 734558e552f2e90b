"""A corrupted set on disk is the one its manifest proves, however its making went, and a run reads the same from it."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from codecshift.benchmark import store
from codecshift.benchmark.measure.job import prepare
from codecshift.benchmark.measure.sitting import run
from codecshift.benchmark.plan.plans import Plan
from codecshift.benchmark.sets import order as ordering
from codecshift.benchmark.sets.generate import generate
from codecshift.benchmark.sets.order import Order, order
from codecshift.benchmark.sets.verify import verify
from codecshift.benchmark.store import RunFile
from codecshift.corruptions import table
from codecshift.corruptions.corruption import CLEAN, generator
from codecshift.corruptions.pixels import UnreadableImage, pixel_digest, read_pixels
from codecshift.corruptions.sets import KNOWN, SetError, generated, open_set
from codecshift.corruptions.sets.generated import MANIFEST, UNFINISHED, GeneratedError, Manifest, file_of, read_manifest
from codecshift.corruptions.table import CORRUPTIONS

Save = Callable[[str, Sequence[str]], Path]
Start = Callable[..., "subprocess.Popen[str]"]

NOWHERE = Path("/nonexistent")
CONDITIONS = (("fog", 2), ("fog", 4), ("gaussian_noise", 2), ("gaussian_noise", 4))


def few(
    folder: Path, corruptions: Sequence[str] = ("gaussian_noise", "fog"), severities: Sequence[int] = (2, 4)
) -> Order:
    return order(f"folder:{folder}", NOWHERE, corruptions, severities)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_image_that_is_cut_off_stops_the_making_with_its_name(save_set: Save, tmp_path: Path) -> None:
    folder = save_set("cut", ["hair", "suit"])
    whole = (folder / "suit.png").read_bytes()
    (folder / "suit.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImage, match=r"^suit\.png: "):
        generate(few(folder, ["fog"]), tmp_path / "out", jobs=1)
    assert not (tmp_path / "out" / MANIFEST).exists()


# --- what is made


def test_every_file_holds_the_pixels_of_its_cell(made: Path, pair: Path) -> None:
    images = open_set(f"folder:{pair}", NOWHERE)
    for image in ("hair", "suit"):
        for corruption, severity in CONDITIONS:
            rng = generator(f"folder:pair/{image}/{corruption}@{severity}")
            expected = CORRUPTIONS[corruption](images.load(image), severity, rng)
            actual = np.asarray(PIL.Image.open(made / corruption / str(severity) / f"{image}.png"))
            np.testing.assert_array_equal(expected, actual)


def test_the_manifest_is_what_lies_there(made: Path, pair: Path) -> None:
    manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["set"] == {"name": "folder:pair", "digest": open_set(f"folder:{pair}", NOWHERE).digest, "view": ""}
    assert [one["id"] for one in manifest["images"]] == ["hair", "suit"]
    source = hashlib.sha256((pair / "hair.png").read_bytes()).hexdigest()
    assert manifest["images"][0] == {"id": "hair", "sha256": source, "height": 170, "width": 190}
    assert manifest["conditions"] == ["fog@2", "fog@4", "gaussian_noise@2", "gaussian_noise@4"]
    assert manifest["corruptions"]["gaussian_noise"] == {
        "version": CORRUPTIONS["gaussian_noise"].version,
        "band": "high",
        "levels": [0.08, 0.12, 0.18, 0.26, 0.38],
    }
    assert {one["file"] for one in manifest["files"]} == set(everything(made)) - {MANIFEST}
    for one in manifest["files"]:
        data = (made / one["file"]).read_bytes()
        assert (one["nbytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert one["pixels"] == pixel_digest(read_pixels(made / one["file"]))


def test_nothing_of_the_machine_is_in_the_manifest(made: Path, pair: Path) -> None:
    text = (made / MANIFEST).read_text(encoding="utf-8")
    assert str(pair.parent) not in text
    assert str(made.parent) not in text


def test_the_number_of_jobs_changes_nothing(made: Path, pair: Path, tmp_path: Path) -> None:
    assert generate(few(pair), tmp_path / "out", jobs=2).total == 8
    assert everything(made) == everything(tmp_path / "out")


def test_a_manifest_comes_back_as_it_was_written(made: Path) -> None:
    manifest = read_manifest(made)
    assert (made / MANIFEST).read_text(encoding="utf-8") == manifest.text() == Manifest.parse(manifest.text()).text()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_every_recipe_is_plain(corruption: str) -> None:
    recipe = generated.recipe(corruption)
    assert len(recipe["levels"]) == 5
    assert recipe == json.loads(json.dumps(recipe))


def test_an_id_with_folders_becomes_folders(save_set: Save, tmp_path: Path) -> None:
    folder = save_set("deep", [])
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    PIL.Image.new("RGB", (40, 40), "teal").save(inner / "x.y.png")
    generate(few(folder, ["contrast"], [1]), tmp_path / "out", jobs=1)
    assert set(everything(tmp_path / "out")) == {MANIFEST, "contrast/1/a/b/x.y.png"}
    assert verify(tmp_path / "out", jobs=1) == (1, [])


def test_the_view_of_a_set_is_what_is_corrupted(pair: Path, tmp_path: Path) -> None:
    generate(order(f"folder:{pair}@crop64x96", NOWHERE, ["fog"], [1]), tmp_path / "out", jobs=1)
    assert read_manifest(tmp_path / "out").set == "folder:pair@crop64x96"
    assert read_manifest(tmp_path / "out").view == "crop64x96"
    assert read_pixels(tmp_path / "out" / "fog" / "1" / "hair.png").shape == (64, 96, 3)


@pytest.mark.parametrize("image", ["../x", "/x", "a/../../x", "a\\..\\x", "..\\x"])
def test_no_file_lies_outside_its_folder(image: str) -> None:
    with pytest.raises(GeneratedError, match="outside its folder"):
        file_of((image, "fog", 1))


ODD_NAMES = (
    "photos\\01",
    "CON",
    "aux",
    "Case",
    "case",
    "dots..",
    "trailing ",
    "deep./er /x",
    "12:30",
    "what?*",
    "é",
    "L" * 251,
)


def test_every_name_that_a_folder_can_hold_is_written_and_read(save_set: Save, tmp_path: Path) -> None:
    folder = save_set("odd", [])
    for number, name in enumerate(ODD_NAMES):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full((40, 40, 3), number, np.uint8)).save(path)
    wanted = few(folder, ["contrast"], [1])
    out = tmp_path / "out"
    assert generate(wanted, out, jobs=1).total == len(ODD_NAMES)
    assert verify(out, jobs=1) == (len(ODD_NAMES), [])
    opened = open_set(f"generated:{out}", folder.parent)
    clean = open_set(f"folder:{folder}", NOWHERE)
    for name in ODD_NAMES:
        rng = generator(f"folder:odd/{name}/contrast@1")
        expected = CORRUPTIONS["contrast"](clean.load(name), 1, rng)
        np.testing.assert_array_equal(expected, opened.load_corrupted((name, "contrast", 1)))


UNFIT = {
    "too long, as two files share a stem": (
        ["L" * 251 + ".png", "L" * 251 + ".bmp"],
        "L" * 251 + ".bmp",
        "File name too long",
    ),
    "leaves the folder elsewhere": (["a\\..\\x.png"], "a\\..\\x", "it points outside the folder"),
    "a file where another needs a folder": (
        ["x.bmp", "x.png/y.bmp"],
        "x.png/y",
        "another image has the same file name there",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_name_that_no_folder_can_hold_is_refused_before_anything_is_done(
    case: str, save_set: Save, tmp_path: Path
) -> None:
    files, image, reason = UNFIT[case]
    folder = save_set("unfit", ["hair"])
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        PIL.Image.new("RGB", (40, 40), "teal").save(folder / name)
    out = tmp_path / "new" / "out"
    with pytest.raises(GeneratedError) as caught:
        generate(few(folder, ["contrast"]), out, jobs=1)
    assert str(caught.value) == f"the image {image!r} cannot be written below {out}: {reason}; rename its file"
    assert list(tmp_path.rglob("out")) == []
    for name in files:
        (folder / name).rename(folder / f"mended{len(name)}{name[-4:]}")
    total = generate(few(folder, ["contrast"]), out, jobs=1).total
    assert verify(out, jobs=1) == (total, [])


# --- going on


def test_a_finished_set_is_left_as_it_is(pair: Path, copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.png")}
    result = generate(few(pair), copy, jobs=1)
    assert (result.total, result.kept) == (8, 8)
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*.png")}


def test_a_damaged_set_is_mended(pair: Path, made: Path, copy: Path) -> None:
    (copy / "fog/2/hair.png").unlink()
    damaged = bytearray((copy / "fog/4/suit.png").read_bytes())
    damaged[len(damaged) // 2] ^= 1  # of the right size
    (copy / "fog/4/suit.png").write_bytes(damaged)
    assert generate(few(pair), copy, jobs=1).kept == 6
    assert everything(made) == everything(copy)


def test_conditions_are_added_to_a_finished_set(pair: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    generate(few(pair, ["gaussian_noise"]), out, jobs=1)
    assert generate(few(pair, ["fog"]), out, jobs=1).kept == 0
    assert everything(made) == everything(out)
    assert generate(few(pair, ["fog"], [4]), out, jobs=1).kept == 2  # which takes nothing away
    assert everything(made) == everything(out)


class Stop(Exception):
    """Ends a generation in its midst."""


def interrupted(wanted: Order, out: Path, after: int) -> None:
    def report(done: int, _total: int) -> None:
        if done == after:
            raise Stop

    with pytest.raises(Stop):
        generate(wanted, out, jobs=1, report=report)


def test_what_was_stopped_goes_on_with_what_is_there(pair: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupted(few(pair), out, 3)
    assert not (out / MANIFEST).exists()
    assert generate(few(pair), out, jobs=1).kept == 3
    assert everything(made) == everything(out)


def as_straight(folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """Return the files of the folder's set, made in one go."""
    generate(few(folder), tmp_path / "straight", jobs=1)
    return everything(tmp_path / "straight")


def test_what_a_damaged_image_stopped_is_finished_once_it_is_mended(save_set: Save, tmp_path: Path) -> None:
    folder = save_set("mended", ["hair", "suit"])
    whole = (folder / "suit.png").read_bytes()
    (folder / "suit.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    with pytest.raises(UnreadableImage, match=r"^suit\.png: "):
        generate(few(folder), out, jobs=1)
    assert len(list(out.glob("*/*/hair.png"))) == 4
    (folder / "suit.png").write_bytes(whole)
    assert generate(few(folder), out, jobs=1).kept == 4
    assert as_straight(folder, tmp_path) == everything(out)


@pytest.mark.parametrize("written", [1, 4, 6, 8])
def test_what_was_stopped_goes_on_with_images_that_changed(written: int, save_set: Save, tmp_path: Path) -> None:
    """Files of images that stayed are kept, those of a changed image are made anew, those of a removed one go."""
    folder = save_set("changing", ["hair", "suit", "hull"])
    out = tmp_path / "out"
    interrupted(few(folder), out, written)
    PIL.Image.new("RGB", (40, 40), "teal").save(folder / "hull.png")
    (folder / "suit.png").rename(folder / "tie.png")
    assert generate(few(folder), out, jobs=1).kept == min(written, 4)  # of hair, the first image
    assert as_straight(folder, tmp_path) == everything(out)
    assert verify(out, jobs=1) == (12, [])


def test_what_was_stopped_before_a_file_was_written_may_become_anything(pair: Path, made: Path, tmp_path: Path) -> None:
    """As folders are that were begun for a name which is refused now before anything is done."""
    out = tmp_path / "out"
    interrupted(few(pair, ["contrast"]), out, 0)
    with closing(sqlite3.connect(out / UNFINISHED / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE wanted SET manifest = replace(manifest, 'hair', '../../hair')")
    generate(few(pair), out, jobs=1)
    assert everything(made) == everything(out)


def test_what_was_stopped_is_not_made_into_a_set_that_shares_nothing(save_set: Save, tmp_path: Path) -> None:
    first, second = save_set("shared", ["hair"]), save_set("shared", ["hull"])
    interrupted(few(first), tmp_path / "out", 2)
    before = {name: data for name, data in everything(tmp_path / "out").items() if name.endswith(".png")}
    with pytest.raises(GeneratedError, match=r"holds folder:shared of other images .*; nothing was changed"):
        generate(few(second), tmp_path / "out", jobs=1)
    assert before == {name: data for name, data in everything(tmp_path / "out").items() if name.endswith(".png")}


def test_a_file_that_lost_its_bytes_is_made_again(pair: Path, made: Path, tmp_path: Path) -> None:
    """As the files last written may when the power fails."""
    out = tmp_path / "out"
    interrupted(few(pair), out, 3)
    whole = out / "fog/2/hair.png"
    whole.write_bytes(b"\0" * whole.stat().st_size)
    (out / "fog/4/hair.png").write_bytes(b"")
    assert generate(few(pair), out, jobs=1).kept == 1
    assert everything(made) == everything(out)


def test_what_was_stopped_is_finished_before_it_is_another(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupted(few(pair), out, 3)
    before = {name: data for name, data in everything(out).items() if name.endswith(".png")}
    with pytest.raises(
        GeneratedError, match=r"out is not finished, and was started with gaussian_noise@2, .*another --out"
    ):
        generate(few(pair, ["fog"]), out, jobs=1)
    assert before == {name: data for name, data in everything(out).items() if name.endswith(".png")}
    assert generate(few(pair, ["fog", "gaussian_noise", "contrast"]), out, jobs=1).kept == 3  # more may be asked for


def test_what_ended_between_manifest_and_tidying_up_is_tidied_up(pair: Path, made: Path, copy: Path) -> None:
    (copy / UNFINISHED).mkdir()
    (copy / UNFINISHED / "1.png").write_bytes(b"part")
    with pytest.raises(GeneratedError, match="is not finished: run the same codecshift generate again"):
        verify(copy, jobs=1)
    assert generate(few(pair), copy, jobs=1).kept == 8
    assert everything(made) == everything(copy)


def test_two_at_once_are_not_let_in(pair: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def report(done: int, _total: int) -> None:
        if done == 1:
            with pytest.raises(GeneratedError, match="out: another codecshift generate is writing there"):
                generate(few(pair), out, jobs=1)

    assert generate(few(pair), out, jobs=1, report=report).total == 8


def test_killed_at_any_instant_the_same_command_ends_it(pair: Path, tmp_path: Path, start: Start) -> None:
    out = tmp_path / "out"
    for after in (0, 1, 9):
        process = start("generate", f"folder:{pair}", "--corruption", "low", "--jobs", 2, "--out", out)
        deadline = time.monotonic() + 60
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if out.exists() and len(list(out.glob("*/*/*.png"))) >= after:
                    break
                time.sleep(0.002)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert not (out / MANIFEST).exists()
    wanted = order(f"folder:{pair}", NOWHERE, ["low"])
    result = generate(wanted, out, jobs=1)
    assert 0 < result.kept < result.total == 50
    generate(wanted, tmp_path / "straight", jobs=1)
    assert everything(tmp_path / "straight") == everything(out)


# --- refusing


def refused(wanted: Order, out: Path) -> str:
    """Assert that a folder is refused and nothing in it touched; return the sentence."""
    before = everything(out)
    with pytest.raises(GeneratedError, match="give another --out") as caught:
        generate(wanted, out, jobs=1)
    assert before == everything(out)
    return str(caught.value)


def test_a_folder_of_something_else_is_refused(pair: Path) -> None:
    assert "holds other files (hair.png)" in refused(few(pair), pair)


def test_a_file_is_refused(pair: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(GeneratedError, match=r"out is a file, expected a folder: give another --out"):
        generate(few(pair), tmp_path / "out", jobs=1)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_is_taken(pair: Path, tmp_path: Path) -> None:
    assert generate(few(pair, ["contrast"], [1]), tmp_path, jobs=1).total == 2


def test_the_manifest_of_something_else_is_refused(pair: Path, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"format": "a web page"}', encoding="utf-8")
    assert "is not the manifest of a corrupted set" in refused(few(pair), tmp_path)


def test_another_set_is_refused(save_set: Save, copy: Path) -> None:
    other = save_set("other", ["hull"])
    assert "copy holds folder:pair, not folder:other; nothing was changed" in refused(few(other), copy)


def test_another_content_of_the_set_is_refused(save_set: Save, copy: Path) -> None:
    assert "holds folder:pair of other images (digest" in refused(few(save_set("pair", ["hair"])), copy)


def test_another_version_of_a_corruption_is_refused(pair: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**CORRUPTIONS, "fog": replace(CORRUPTIONS["fog"], version=99)}
    monkeypatch.setattr(table, "CORRUPTIONS", changed)
    assert "folder:pair made with another fog (version 1, not 99)" in refused(few(pair), copy)


def test_another_library_is_refused(pair: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "version", lambda _: "0.0.0")
    assert says(refused(few(pair), copy), "folder:pair made with codecshift", "not 0.0.0")


def says(sentence: str, *parts: str) -> bool:
    return all(part in sentence for part in parts)


def test_an_unfinished_set_of_another_recipe_is_refused(pair: Path, save_set: Save, tmp_path: Path) -> None:
    interrupted(few(pair), tmp_path / "out", 2)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    with pytest.raises(GeneratedError, match="holds folder:pair, not folder:other; nothing was changed"):
        generate(few(save_set("other", ["hull"])), tmp_path / "out", jobs=1)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}


# --- running on it


def plan(of: str, *corruptions: str, severities: tuple[int, ...] = (2, 4)) -> Plan:
    chosen = corruptions or (CLEAN, "fog", "gaussian_noise")
    return Plan("test", "for tests", (of,), ("jpeg:q30", "webp:q50"), chosen, severities)


def test_rows_are_those_of_making_the_images_on_the_fly(made: Path, pair: Path, tmp_path: Path) -> None:
    fly, read = tmp_path / "fly.sqlite", tmp_path / "read.sqlite"
    run(prepare(plan(f"folder:{pair}"), NOWHERE), fly, jobs=1)
    run(prepare(plan(f"generated:{made}"), pair.parent), read, jobs=1)
    assert set(store.read(read)["status"]) == {"ok"}
    pd.testing.assert_frame_equal(
        *(store.read(path).drop(columns=["encode_s", "decode_s"]) for path in (fly, read)), check_exact=True
    )
    assert store.runs(fly) == store.runs(read)
    assert store.merge([fly, read], tmp_path / "both.sqlite") == (20, 20)


def test_the_pixels_shown_are_those_of_the_files(copy: Path, pair: Path, tmp_path: Path) -> None:
    """A file whose pixels are not those of the manifest makes no rows, not wrong ones."""
    PIL.Image.new("RGB", (190, 170)).save(copy / "fog/2/hair.png")
    (copy / "fog/2/suit.png").unlink()
    run(prepare(plan(f"generated:{copy}", "fog"), pair.parent), tmp_path / "r.sqlite", jobs=1)
    unshown = {shot.image: shot for shot in store.unshown(tmp_path / "r.sqlite")}
    assert {(shot.corruption, shot.severity) for shot in unshown.values()} == {("fog", 2)}
    assert unshown["hair"].reason == "fog/2/hair.png of the corrupted set does not hold the pixels of its manifest"
    assert "fog/2/suit.png of the corrupted set cannot be read" in unshown["suit"].reason
    assert str(copy) not in unshown["hair"].reason + unshown["suit"].reason


def test_a_condition_that_is_not_there_is_refused(made: Path, pair: Path) -> None:
    sentence = r"holds no contrast@2 \(2 of the requested conditions.*it holds fog@2,4 gaussian_noise@2,4; choose with"
    with pytest.raises(SetError, match=sentence):
        prepare(plan(f"generated:{made}", "fog", "contrast"), pair.parent)


def test_the_clean_images_of_a_view_are_found_and_viewed(pair: Path, tmp_path: Path) -> None:
    generate(order(f"folder:{pair}@crop64x96", NOWHERE, ["fog"], [1]), tmp_path / "out", jobs=1)
    images = open_set(f"generated:{tmp_path / 'out'}", pair.parent)
    assert images.name == "folder:pair@crop64x96"
    assert images.load("hair").shape == (64, 96, 3)


def test_clean_images_that_are_not_found_are_asked_for(made: Path) -> None:
    sentence = r"was made from folder:pair, but its clean images are not in /nonexistent/pair: set --data-dir to"
    with pytest.raises(SetError, match=sentence):
        open_set(f"generated:{made}", NOWHERE)


def test_clean_images_of_another_content_are_refused(made: Path, save_set: Save) -> None:
    other = save_set("pair", ["hair", "hull"])
    with pytest.raises(
        SetError, match=r"was made from other images of folder:pair than those found: expected a set with the digest"
    ):
        open_set(f"generated:{made}", other.parent)


def test_a_set_made_by_another_version_of_a_corruption_is_refused(
    made: Path, pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = {**CORRUPTIONS, "fog": replace(CORRUPTIONS["fog"], version=99)}
    monkeypatch.setattr(table, "CORRUPTIONS", changed)
    with pytest.raises(SetError, match="was made with other versions of fog: generate it again"):
        open_set(f"generated:{made}", pair.parent)


def test_the_clean_set_has_the_digest_of_the_one_read_from_files(made: Path, pair: Path) -> None:
    clean, read = open_set(f"folder:{pair}", NOWHERE), open_set(f"generated:{made}", pair.parent)
    assert (clean.name, clean.digest, clean.sources) == (read.name, read.digest, read.sources)
    assert clean.load_corrupted(("hair", "fog", 2)) is None
    assert read.load_corrupted(("hair", "contrast", 2)) is None
    assert read.load_corrupted(("hair", "fog", 2)) is not None


def test_the_sets_there_are_tell_of_it() -> None:
    assert "codecshift generate" in KNOWN["generated:DIR"].about


def test_a_run_file_is_begun_by_neither(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SetError):
        prepare(plan(f"generated:{made}"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with RunFile.open(tmp_path / "r.sqlite") as file:
        assert file.statuses() == {}
