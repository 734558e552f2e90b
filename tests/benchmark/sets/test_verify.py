"""Whatever differs from the manifest of a set is found and named."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from codecshift.benchmark.sets.generate import generate
from codecshift.benchmark.sets.order import Order, order
from codecshift.benchmark.sets.verify import Finding, verify
from codecshift.corruptions.pixels import read_pixels
from codecshift.corruptions.sets import generated, open_set
from codecshift.corruptions.sets.generated import MANIFEST, GeneratedError, read_manifest

NOWHERE = Path("/nonexistent")


def few(
    folder: Path, corruptions: Sequence[str] = ("gaussian_noise", "fog"), severities: Sequence[int] = (2, 4)
) -> Order:
    return order(f"folder:{folder}", NOWHERE, corruptions, severities)


def test_a_finished_set_is_right(made: Path) -> None:
    told: list[tuple[int, int]] = []
    assert verify(made, jobs=1, report=lambda done, total: told.append((done, total))) == (8, [])
    assert told[0] == (0, 8)
    assert told[-1] == (8, 8)


def test_every_kind_of_damage_is_found_and_named(copy: Path) -> None:
    changed = read_pixels(copy / "fog/2/hair.png")
    changed[0, 0, 0] ^= 1
    PIL.Image.fromarray(changed).save(copy / "fog/2/hair.png")
    PIL.Image.open(copy / "fog/2/suit.png").save(copy / "fog/2/suit.png", compress_level=9)
    (copy / "fog/4/hair.png").unlink()
    data = (copy / "fog/4/suit.png").read_bytes()
    (copy / "fog/4/suit.png").write_bytes(data[: len(data) // 2])
    (copy / "gaussian_noise/2/hair.png").write_text("no image", encoding="utf-8")
    shutil.copy(copy / "gaussian_noise/4/hair.png", copy / "gaussian_noise/4/more.png")
    (copy / "notes.txt").write_text("mine", encoding="utf-8")
    total, findings = verify(copy, jobs=2)
    assert total == 8
    assert [(one.kind, one.file) for one in findings] == [
        ("pixels", "fog/2/hair.png"),
        ("bytes", "fog/2/suit.png"),
        ("missing", "fog/4/hair.png"),
        ("unreadable", "fog/4/suit.png"),
        ("unreadable", "gaussian_noise/2/hair.png"),
        ("extra", "gaussian_noise/4/more.png"),
        ("extra", "notes.txt"),
    ]


def test_the_wrong_picture_under_a_right_name_is_found(copy: Path) -> None:
    one, other = copy / "fog/2/hair.png", copy / "fog/4/hair.png"
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    about = "its pixels differ"
    assert verify(copy, jobs=1)[1] == [Finding("pixels", f"fog/{n}/hair.png", about) for n in (2, 4)]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda text: text.replace('"severity"', "").replace('"version": 1,\n"made', '"version": 2,\n"made'), "newer"),
        (lambda text: text.replace('"nbytes": ', '"nbytes": 1', 1), "was changed after it was written"),
        (lambda text: text[: len(text) // 2], "is damaged, or was not written by codecshift"),
        (lambda _: "", "is damaged"),
        (lambda _: "[]", "is damaged"),
        (lambda _: "{}", "is damaged"),
        (lambda text: text.replace('"sha256": ', '"other": '), "is damaged"),
        (lambda _: '{"format": "other"}', "is not the manifest of a corrupted set"),
    ],
    ids=["newer", "edited", "cut", "empty", "list", "blank", "lacking", "other"],
)
def test_a_manifest_that_cannot_be_trusted_is_refused(
    spoil: Callable[[str], str], sentence: str, copy: Path, pair: Path
) -> None:
    path = copy / MANIFEST
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    for deed in (
        lambda: verify(copy, jobs=1),
        lambda: open_set(f"generated:{copy}", pair.parent),
        lambda: generate(few(pair), copy, jobs=1),
    ):
        with pytest.raises(GeneratedError, match=sentence):
            deed()


def test_a_manifest_that_is_not_text_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_bytes(b"\xff\xfe\0")
    with pytest.raises(GeneratedError, match="is damaged"):
        verify(copy, jobs=1)


def test_a_manifest_laid_out_anew_is_the_same(copy: Path) -> None:
    body = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    (copy / MANIFEST).write_text(json.dumps(body, indent=4, sort_keys=True), encoding="utf-8")
    assert verify(copy, jobs=1) == (8, [])


def test_a_manifest_that_leads_out_of_its_folder_is_refused(made: Path, tmp_path: Path) -> None:
    manifest = read_manifest(made)
    bad = "../../../hair"
    files = {(bad if image == "hair" else image, *rest): one for (image, *rest), one in manifest.files.items()}
    images = tuple(replace(one, id=bad) if one.id == "hair" else one for one in manifest.images)
    with pytest.raises(GeneratedError, match="outside its folder"):
        replace(manifest, images=images, files=files).text()
    text = manifest.text().replace('"id": "hair"', f'"id": "{bad}"').replace("/hair.png", f"/{bad}.png")
    body = {key: value for key, value in json.loads(text).items() if key != "sha256"}
    (tmp_path / MANIFEST).write_text(json.dumps(body | {"sha256": generated._digest(body)}), encoding="utf-8")
    with pytest.raises(GeneratedError, match="names a file outside its folder"):
        read_manifest(tmp_path)


def test_a_manifest_that_lacks_a_file_is_refused(made: Path, tmp_path: Path) -> None:
    manifest = read_manifest(made)
    files = dict(list(manifest.files.items())[1:])
    (tmp_path / MANIFEST).write_text(replace(manifest, files=files).text(), encoding="utf-8")
    with pytest.raises(GeneratedError, match=r"manifest\.json does not list fog/2/hair\.png"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("empty", "is not a corrupted set: it has no manifest.json"), ("file", "is a file"), ("absent", "does not exist")],
)
def test_what_is_no_set_is_not_verified(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(GeneratedError, match=sentence):
        verify(tmp_path / name, jobs=1)
