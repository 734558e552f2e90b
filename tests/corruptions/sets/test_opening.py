"""Folders are listed image by image; names that cannot be opened say why."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pillow_heif
import pytest
from codecshift.corruptions.pixels import UnreadableImage
from codecshift.corruptions.sets import ImageSet, SetError, default_data_dir, listing, open_set

NOWHERE = Path("/nonexistent/data")


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path)
    return path


def ids(images: ImageSet) -> list[str]:
    return [source.id for source in images.sources]


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


def test_endings_count_in_upper_and_lower_case(tmp_path: Path) -> None:
    """A camera's card: which file is an image does not depend on how its ending is written."""
    pillow_heif.register_heif_opener()
    for name in ("IMG_1.HEIC", "IMG_2.heic", "IMG_3.Heif", "IMG_4.JPG", "IMG_5.tga", "IMG_6.TIFF"):
        save(tmp_path / name, noise(1))
    assert ids(open_set(f"folder:{tmp_path}", NOWHERE)) == [f"IMG_{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        pytest.param([], "", id="none"),
        pytest.param(["a.CR2"], "1 file is left out: 1 .cr2", id="one"),
        pytest.param(
            ["a.cr2", "in/b.CR2", "c.mov", "README"],
            "4 files are left out: 2 .cr2, 1 .mov, 1 without an ending",
            id="several kinds, the most frequent first",
        ),
        pytest.param(["a.jpg.xmp", "a.AAE", "Thumbs.db", "desktop.ini", "a.THM"], "", id="sidecars"),
        pytest.param([".DS_Store", ".git/config", "in/._a.cr2"], "", id="hidden"),
        pytest.param(
            [f"{kind}{number}.{kind}" for kind in "bcdefghi" for number in range(2)],
            "16 files are left out: 2 .b, 2 .c, 2 .d, 2 .e, 2 .f, 2 .g, 4 of other kinds",
            id="many kinds",
        ),
    ],
)
def test_what_is_left_out_is_told(others: list[str], sentence: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(1))
    for name in others:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    images = open_set(f"folder:{tmp_path}", NOWHERE)
    assert (ids(images), images.left_out) == (["a"], sentence)


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.cr2").write_bytes(b"x")
    with pytest.raises(SetError, match=r"no image files below .*looked for .*; 1 file is left out: 1 \.cr2$"):
        open_set(f"folder:{tmp_path}", NOWHERE)


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
    digest = listing.file_digest

    def refusing(path: Path) -> str:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return digest(path)

    monkeypatch.setattr(listing, "file_digest", refusing)
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


def test_a_locale_that_cannot_read_file_names_is_told_from_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    save(tmp_path / "é±.png", noise(1))
    script = "import sys; from pathlib import Path; from codecshift.corruptions.sets import open_set; " + (
        "open_set('folder:' + sys.argv[1], Path())"
    )
    ascii_only = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, env=ascii_only, check=False)
    assert (
        done.stderr.decode("ascii")
        .splitlines()[-1]
        .endswith("this locale reads file names as ascii, but an image has a name in UTF-8: set PYTHONUTF8=1")
    )


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
