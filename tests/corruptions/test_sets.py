"""Sets are found, checked and listed; their ids, names and digests say nothing of the machine."""

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.corruptions import sets
from codecshift.corruptions.pixels import UnreadableImage, pixel_digest
from codecshift.corruptions.sets import KNOWN, ImageSet, SetError, UnknownSet, View, default_data_dir, open_set

NOWHERE = Path("/nonexistent/data")


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path)
    return path


def ids(images: ImageSet) -> list[str]:
    return [source.id for source in images.sources]


# --- sample


def test_sample_is_four_photographs_that_need_no_network() -> None:
    sample = open_set("sample", NOWHERE)
    assert (sample.name, sample.view) == ("sample", None)
    assert {source.id: (source.height, source.width) for source in sample.sources} == {
        "astronaut": (512, 512),
        "chelsea": (300, 451),
        "coffee": (400, 600),
        "rocket": (427, 640),
    }
    from skimage import data

    for source in sample.sources:
        np.testing.assert_array_equal(getattr(data, source.id)(), sample.load(source.id))


def test_sample_is_the_same_everywhere() -> None:
    """Its digest enters run files: it changes only when the set does."""
    expected = "d6d21294"
    assert open_set("sample", NOWHERE).digest.startswith(expected)


def test_sample_without_scikit_image_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SetError, match="needs the photographs inside scikit-image"):
        open_set("sample", NOWHERE)


# --- kodak


@pytest.fixture
def small_kodak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two noise images in the place of Kodak's, under a manifest of their own."""
    folder = tmp_path / "data" / "kodak"
    lines = ["id,file,sha256,pixels"]
    for number in (1, 2):
        path = save(folder / f"kodim0{number}.png", noise(number))
        digests = f"{hashlib.sha256(path.read_bytes()).hexdigest()},{pixel_digest(noise(number))}"
        lines.append(f"{path.stem},{path.name},{digests}")
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "kodak.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(sets, "MANIFESTS", manifests)
    return folder.parent


def test_kodak_is_found_in_the_data_folder(small_kodak: Path) -> None:
    kodak = open_set("kodak", small_kodak)
    assert ids(kodak) == ["kodim01", "kodim02"]
    np.testing.assert_array_equal(noise(2), kodak.load("kodim02"))


def test_a_relative_data_folder_holds_from_anywhere(small_kodak: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small_kodak.parent)
    kodak = open_set("kodak", Path("data"))
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(noise(1), kodak.load("kodim01"))


def test_kodak_saved_anew_with_the_same_pixels_is_the_same_set(small_kodak: Path) -> None:
    first = open_set("kodak", small_kodak)
    path = small_kodak / "kodak" / "kodim01.png"
    before = path.read_bytes()
    PIL.Image.fromarray(noise(1)).save(path, compress_level=0)
    assert path.read_bytes() != before
    again = open_set("kodak", small_kodak)
    assert again.digest == first.digest
    assert again.sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(noise(1), again.load("kodim01"))


def test_kodak_with_wrong_pixels_is_refused(small_kodak: Path) -> None:
    path = save(small_kodak / "kodak" / "kodim01.png", noise(99))
    with pytest.raises(SetError) as caught:
        open_set("kodak", small_kodak)
    assert str(caught.value) == (
        f"kodak: {path} is not the kodim01 expected: neither its bytes nor its pixels are right"
    )


def test_damaged_kodak_is_refused(small_kodak: Path) -> None:
    path = small_kodak / "kodak" / "kodim02.png"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SetError, match=r"^kodak: .*kodim02\.png is damaged: kodim02\.png: "):
        open_set("kodak", small_kodak)


def test_missing_kodak_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SetError) as caught:
        open_set("kodak", tmp_path)
    place = tmp_path / "kodak" / "kodim01.png"
    assert str(caught.value) == (
        f"kodak: 24 of 24 images are missing, looked for {place}: allow the download (--download), or save "
        "https://r0k.us/graphics/kodak/kodak/kodim01.png there and the others likewise"
    )


@pytest.mark.needs("kodak")
def test_the_real_kodak_is_what_the_manifest_says() -> None:
    kodak = open_set("kodak", default_data_dir())
    portrait = {"kodim04", "kodim09", "kodim10", "kodim17", "kodim18", "kodim19"}
    assert ids(kodak) == [f"kodim{number:02}" for number in range(1, 25)]
    assert {source.id for source in kodak.sources if (source.height, source.width) == (768, 512)} == portrait
    assert {(source.height, source.width) for source in kodak.sources} == {(512, 768), (768, 512)}
    for source in kodak.sources[::8]:
        assert pixel_digest(kodak.load(source.id)) == source.pixels


@pytest.mark.needs("kodak")
def test_the_real_kodak_saved_anew_is_accepted(tmp_path: Path) -> None:
    shutil.copytree(default_data_dir() / "kodak", tmp_path / "kodak", copy_function=shutil.copyfile)
    path = tmp_path / "kodak" / "kodim23.png"
    with PIL.Image.open(path) as image:
        image.load()
    image.save(path, compress_level=1)
    assert open_set("kodak", tmp_path).digest == open_set("kodak", default_data_dir()).digest


# --- folders


def test_a_folder_is_every_image_below_it_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "my images"
    for name in ("b.png", "newplot (1).png", "deeper/still/a b.PNG", "c.tif"):
        save(root / name, noise(len(name)))
    for name in ("LICENSE.txt", "notes.pdf", ".hidden.png", ".git/a.png", "deeper/.DS_Store", "png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "folder.png").mkdir()
    images = open_set(f"folder:{root}", NOWHERE)
    assert images.name == "folder:my images"
    assert ids(images) == ["b", "c", "deeper/still/a b", "newplot (1)"]
    np.testing.assert_array_equal(noise(len("newplot (1).png")), images.load("newplot (1)"))
    assert images.sources[0].sha256 == hashlib.sha256((root / "b.png").read_bytes()).hexdigest()


def test_images_that_share_a_stem_keep_their_endings(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "b.png", "in/a.png"):
        save(tmp_path / name, noise(1))
    assert ids(open_set(f"folder:{tmp_path}", NOWHERE)) == ["a.bmp", "a.png", "b", "in/a"]


def test_ids_stay_distinct_when_an_ending_looks_like_a_stem(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "a.png.tif"):
        save(tmp_path / name, noise(1))
    assert ids(open_set(f"folder:{tmp_path}", NOWHERE)) == ["a.bmp", "a.png", "a.png.tif"]


def test_a_folder_under_a_view(tmp_path: Path) -> None:
    save(tmp_path / "wide.png", noise(1, 41, 61))
    save(tmp_path / "tall.png", noise(2, 61, 41))
    save(tmp_path / "small.png", noise(3, 31, 60))
    images = open_set(f"folder:{tmp_path}@crop32x48", NOWHERE)
    assert images.name == f"folder:{tmp_path.name}@crop32x48"
    sizes = {source.id: (source.height, source.width) for source in images.sources}
    assert sizes == {"wide": (32, 48), "tall": (32, 48), "small": (0, 0)}
    np.testing.assert_array_equal(noise(1, 41, 61)[4:36, 6:54], images.load("wide"))
    np.testing.assert_array_equal(np.rot90(noise(2, 61, 41))[4:36, 6:54], images.load("tall"))
    with pytest.raises(SetError, match=r"^small\.png: 60x31 is smaller than the crop of 48x32 \(width x height\)$"):
        images.load("small")


def test_an_unreadable_file_stays_in_the_set_and_fails_when_loaded(tmp_path: Path) -> None:
    save(tmp_path / "good.png", noise(1))
    (tmp_path / "bad.png").write_bytes(b"not an image")
    images = open_set(f"folder:{tmp_path}", NOWHERE)
    assert [(source.id, source.height, source.width) for source in images.sources] == [("bad", 0, 0), ("good", 40, 50)]
    np.testing.assert_array_equal(noise(1), images.load("good"))
    with pytest.raises(UnreadableImage, match=r"^bad\.png: not an image"):
        images.load("bad")


def test_a_file_that_may_not_be_read_stays_in_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "good.png", noise(1))
    locked = save(tmp_path / "locked.png", noise(2))
    digest = sets._file_digest

    def refusing(path: Path) -> str:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return digest(path)

    monkeypatch.setattr(sets, "_file_digest", refusing)
    assert [source.sha256 == "" for source in open_set(f"folder:{tmp_path}", NOWHERE).sources] == [False, True]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("folder:{}/nowhere", "nowhere does not exist$", id="missing"),
        pytest.param("folder:{}/letter.txt", r"letter\.txt is a file, not a folder$", id="a file"),
        pytest.param(
            "folder:{}/empty", r"no image files below .*empty, looked for names ending in \.apng, ", id="empty"
        ),
        pytest.param("folder:{}/bad", r"none of the 1 image files can be used; a\.png: not an image", id="all bad"),
        pytest.param("folder:{}/good@crop64x64", r"none of the 1 .* is smaller than the crop of 64x64", id="all small"),
        pytest.param("folder:{}/good@crop64", "good@crop64 does not exist$", id="half a crop"),
        pytest.param("folder:{}/good@crop0x0", "good@crop0x0 does not exist$", id="crop of nothing"),
        pytest.param("folder:", "^expected folder:PATH or folder:PATH@crop512x768, got 'folder:'$", id="no path"),
    ],
)
def test_folders_that_cannot_be_opened(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear reader", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"x")
    save(tmp_path / "good" / "a.png", noise(1))
    with pytest.raises(SetError, match=reason):
        open_set(name.format(tmp_path), NOWHERE)


def test_a_folder_is_named_by_its_last_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "here" / "a.png", noise(1))
    (tmp_path / "here" / "sub").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "here")
    assert open_set("folder:.", NOWHERE).name == "folder:here"
    assert open_set("folder:~/here/", NOWHERE).name == "folder:here"
    monkeypatch.chdir(tmp_path / "here" / "sub")
    assert open_set("folder:..", NOWHERE).name == "folder:here"


def test_progress_is_told_while_a_folder_is_hashed(tmp_path: Path) -> None:
    sizes = [save(tmp_path / f"{number}.png", noise(number)).stat().st_size for number in (1, 2)]
    told: list[tuple[str, int, int]] = []
    open_set(f"folder:{tmp_path}", NOWHERE, progress=lambda *state: told.append(state))
    task = f"hashing folder:{tmp_path.name}"
    assert told == [(task, sizes[0], sum(sizes)), (task, sum(sizes), sum(sizes))]


def test_a_file_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff.png"
    shutil.copyfile(save(tmp_path / "a.png", noise(1)), raw)
    with pytest.raises(SetError, match=r"\\xff\.png' is not UTF-8: rename the file$"):
        open_set(f"folder:{tmp_path}", NOWHERE)


# --- what a set is


def test_the_digest_is_of_content_ids_and_view_and_not_of_place(tmp_path: Path) -> None:
    for root in ("one", "two/other name"):
        save(tmp_path / root / "a.png", noise(1, 40, 50))
        save(tmp_path / root / "b.png", noise(2, 40, 50))
    one = open_set(f"folder:{tmp_path / 'one'}", NOWHERE)
    assert one.digest == open_set(f"folder:{tmp_path / 'two' / 'other name'}", NOWHERE).digest
    lines = ["view None"] + [f"{source.sha256} {source.id}" for source in one.sources]
    assert hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest() == one.digest
    others = {one.digest, open_set(f"folder:{tmp_path / 'one'}@crop32x32", NOWHERE).digest}
    save(tmp_path / "one" / "b.png", noise(3, 40, 50))
    others.add(open_set(f"folder:{tmp_path / 'one'}", NOWHERE).digest)
    (tmp_path / "one" / "b.png").rename(tmp_path / "one" / "c.png")
    others.add(open_set(f"folder:{tmp_path / 'one'}", NOWHERE).digest)
    assert len(others) == 4


def test_sets_travel_to_other_processes(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(1))
    images = open_set(f"folder:{tmp_path}@crop32x32", NOWHERE)
    again = pickle.loads(pickle.dumps(images))  # noqa: S301 - our own bytes
    assert again == images
    np.testing.assert_array_equal(images.load("a"), again.load("a"))
    np.testing.assert_array_equal(images.load("a"), again.sources[0].load(again.view))


@pytest.mark.parametrize(
    "error",
    [UnknownSet("kodk", ("kodak",)), SetError("no"), UnreadableImage("no")],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_to_other_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), str(again)) == (type(error), str(error))


def test_a_file_that_changes_after_opening_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", noise(1))
    images = open_set(f"folder:{tmp_path}", NOWHERE)
    save(path, noise(2))
    with pytest.raises(SetError, match=r"^a\.png is not the file it was when the set was listed$"):
        images.load("a")
    path.unlink()
    with pytest.raises(UnreadableImage, match=r"^a\.png: No such file or directory$"):
        images.load("a")


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(SetError, match=r"^sample has no image 'astronout'; did you mean 'astronaut'\?$"):
        open_set("sample", NOWHERE).load("astronout")
    with pytest.raises(SetError, match=r"^sample has no image 'zzz'$"):
        open_set("sample", NOWHERE).load("zzz")


# --- views


@pytest.mark.parametrize(
    ("shape", "view", "expected"),
    [
        pytest.param((6, 8), View(4, 6), lambda x: x[1:5, 1:7], id="landscape"),
        pytest.param((8, 6), View(4, 6), lambda x: np.rot90(x)[1:5, 1:7], id="portrait is turned"),
        pytest.param((6, 8), View(6, 4), lambda x: np.rot90(x)[1:7, 1:5], id="landscape under a portrait crop"),
        pytest.param((8, 6), View(4, 4), lambda x: x[2:6, 1:5], id="square crop turns nothing"),
        pytest.param((6, 6), View(4, 6), lambda x: x[1:5], id="square image is not turned"),
        pytest.param((7, 9), View(4, 6), lambda x: x[1:5, 1:7], id="odd margins: the larger half goes at the end"),
        pytest.param((4, 6), View(4, 6), lambda x: x, id="exact"),
    ],
)
def test_a_view_is_the_centre(shape: tuple[int, int], view: View, expected: object) -> None:
    image = noise(1, *shape)
    actual = view.apply(image)
    np.testing.assert_array_equal(expected(image), actual)
    assert actual.flags.c_contiguous
    assert not np.shares_memory(actual, image)


def test_the_first_row_of_a_turned_portrait_is_its_right_edge() -> None:
    portrait = noise(1, 8, 6)
    np.testing.assert_array_equal(portrait[:, -1], View(6, 8).apply(portrait)[0])


def test_a_view_refuses_what_is_too_small() -> None:
    with pytest.raises(SetError, match=r"^700x500 is smaller than the crop of 768x512 \(width x height\)$"):
        View(512, 768).apply(np.zeros((500, 700, 3), np.uint8))


# --- names

EXPECTED = "expected a set (sample, kodak, clic2020-test, folder:PATH, generated:DIR)"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("kodak-c", "kodak-c is kodak under the corruptions: use --set kodak"),
        ("clic2020-test-c", "clic2020-test-c is clic2020-test under the corruptions: use --set clic2020-test"),
        ("kodk", f"{EXPECTED}, got 'kodk'; did you mean kodak?"),
        ("clic", f"{EXPECTED}, got 'clic'; did you mean clic2020-test?"),
        ("folder", f"{EXPECTED}, got 'folder'; did you mean folder:PATH?"),
        ("Kodak", f"{EXPECTED}, got 'Kodak'; did you mean kodak?"),
        ("xyz", f"{EXPECTED}, got 'xyz'"),
        ("", f"{EXPECTED}, got ''"),
    ],
)
def test_unknown_names_say_what_was_expected(name: str, sentence: str) -> None:
    with pytest.raises(UnknownSet) as caught:
        open_set(name, NOWHERE)
    assert sentence == str(caught.value)
    assert (name, tuple(KNOWN)) == (caught.value.name, caught.value.known)


def test_known_sets_are_described_by_their_own_names() -> None:
    assert list(KNOWN) == [known.name for known in KNOWN.values()]
    assert all(known.about and known.terms for known in KNOWN.values())
    for name in ("sample", "kodak"):
        assert len(sets._manifest(name)) == KNOWN[name].images
    assert sum(archive.images for archive in sets.CLIC_ARCHIVES) == KNOWN["clic2020-test"].images


def test_the_data_folder_comes_from_the_environment_or_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CODECSHIFT_DATA", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.setenv("CODECSHIFT_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_data_dir().name == "codecshift"


def test_importing_is_cheap() -> None:
    heavy = ["pooch", "requests", "skimage", "scipy", "matplotlib", "torch", "cv2", "pandas"]
    script = f"import sys, codecshift.corruptions.sets; print([m for m in {heavy} if m in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert finished.stdout.strip() == "[]"


def test_a_part_of_a_set_is_of_that_set(tmp_path: Path) -> None:
    """What an image is does not depend on which others are looked at, so rows of a part and of the whole agree."""
    for number, name in enumerate("abc"):
        save(tmp_path / f"{name}.png", noise(number))
    whole = open_set(f"folder:{tmp_path}", NOWHERE)
    part = whole.part([whole.sources[2], whole.sources[0]])
    assert (ids(part), part.name, part.digest) == (["a", "c"], whole.name, whole.digest)
    assert (ids(part.part(part.sources[:1])), part.part(part.sources[:1]).digest) == (["a"], whole.digest)
    np.testing.assert_array_equal(part.load("c"), whole.load("c"))
    with pytest.raises(SetError, match="has no image 'b'"):
        part.load("b")
