"""The published sets are found, downloaded and checked."""

import errno
import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from codecshift.corruptions.download import DownloadError
from codecshift.corruptions.pixels import pixel_digest
from codecshift.corruptions.sets import ImageSet, SetError, default_data_dir, listing, open_set, published

NOWHERE = Path("/nonexistent/data")


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path)
    return path


def ids(images: ImageSet) -> list[str]:
    return [source.id for source in images.sources]


def png(seed: int, height: int = 40, width: int = 50) -> bytes:
    return encoded(noise(seed, height, width))


def encoded(image: np.ndarray) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def packed(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


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
    monkeypatch.setattr(published, "MANIFESTS", manifests)
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
        f"kodak: {path} is not the published kodim01: its bytes and its pixels differ, replace it"
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
        f"kodak: 24 of 24 images are missing, e.g. {place}: allow the download (--download), or save "
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


# --- kodak, downloaded


@pytest.fixture
def kodak_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Three noise images in the place of Kodak's, under a manifest of their own."""
    images = {f"kodim0{number}.png": png(number) for number in (1, 2, 3)}
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    lines = [
        f"{name[:7]},{name},{hashlib.sha256(data).hexdigest()},{pixel_digest(noise(int(name[6])))}\n"
        for name, data in images.items()
    ]
    (manifests / "kodak.csv").write_text("id,file,sha256,pixels\n" + "".join(lines), encoding="utf-8")
    monkeypatch.setattr(published, "MANIFESTS", manifests)
    return images


def test_kodak_is_downloaded_into_the_data_folder(kodak_files: dict[str, bytes], server: Any, tmp_path: Path) -> None:
    server.files = {f"/kodak/{name}": data for name, data in kodak_files.items()}
    server.cuts = 1
    data_dir = tmp_path / "data"
    told: list[str] = []
    kodak = open_set(
        "kodak", data_dir, download=True, mirror=f"{server.url}kodak", progress=lambda task, *_: told.append(task)
    )
    assert files_below(data_dir) == ["kodak/kodim01.png", "kodak/kodim02.png", "kodak/kodim03.png"]
    assert [source.id for source in kodak.sources] == ["kodim01", "kodim02", "kodim03"]
    np.testing.assert_array_equal(noise(2), kodak.load("kodim02"))
    assert {"downloading kodim01.png", "downloading kodim02.png", "downloading kodim03.png"} == set(told)
    asked = len(server.asked)
    assert open_set("kodak", data_dir, download=True, mirror=server.url) == kodak
    assert len(server.asked) == asked


def test_only_what_is_missing_of_kodak_is_downloaded(
    kodak_files: dict[str, bytes], server: Any, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in kodak_files.items()}
    (tmp_path / "kodak").mkdir()
    (tmp_path / "kodak" / "kodim01.png").write_bytes(kodak_files["kodim01.png"])
    (tmp_path / "kodak" / "kodim03.png").write_bytes(kodak_files["kodim03.png"])
    assert len(open_set("kodak", tmp_path, download=True, mirror=server.url).sources) == 3
    assert server.asked == ["/kodim02.png"]


def test_kodak_that_cannot_be_had_says_where_and_how(
    kodak_files: dict[str, bytes], server: Any, tmp_path: Path
) -> None:
    place = tmp_path / "kodak" / "kodim01.png"
    with pytest.raises(SetError) as refused:
        open_set("kodak", tmp_path)
    assert f"e.g. {place}" in str(refused.value)
    assert "https://r0k.us/graphics/kodak/kodak/kodim01.png" in str(refused.value)
    with pytest.raises(DownloadError, match=r"^the server answered HTTP 404: ") as failed:
        open_set("kodak", tmp_path, download=True, mirror=server.url)
    assert str(place) in str(failed.value)


# --- clic


@pytest.fixture
def small_clic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Two archives of noise in the place of CLIC's: three images, one portrait, two of the same name."""
    parts = {
        "mobile": {"a.png": png(1, 520, 800), "IMG (2).png": png(2, 800, 520)},
        "professional": {"test/a.png": png(3, 512, 768), "test/LICENSE.txt": b"no"},
    }
    archives, contents = [], {}
    for part, members in parts.items():
        path = packed(tmp_path / f"{part}.zip", members)
        contents[path.name] = data = path.read_bytes()
        path.unlink()
        images = sum(name.endswith(".png") for name in members)
        archives.append(published.Archive(part, path.name, len(data), hashlib.sha256(data).hexdigest(), images))
    monkeypatch.setattr(published, "CLIC_ARCHIVES", tuple(archives))
    return contents


CLIC_FILES = ["manifest.csv", "mobile/IMG (2).png", "mobile/a.png", "professional/a.png"]


def test_clic_is_downloaded_unpacked_and_listed(small_clic: dict[str, bytes], server: Any, tmp_path: Path) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    clic = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    assert files_below(tmp_path / "clic") == CLIC_FILES
    assert (clic.name, str(clic.view)) == ("clic2020-test", "crop512x768")
    assert [source.id for source in clic.sources] == ["IMG (2)", "mobile/a", "professional/a"]
    assert {(source.height, source.width) for source in clic.sources} == {(512, 768)}
    np.testing.assert_array_equal(noise(1, 520, 800)[4:516, 16:784], clic.load("mobile/a"))
    np.testing.assert_array_equal(np.rot90(noise(2, 800, 520))[4:516, 16:784], clic.load("IMG (2)"))
    np.testing.assert_array_equal(noise(3, 512, 768), clic.load("professional/a"))


def test_clic_is_opened_again_from_its_manifest(
    small_clic: dict[str, bytes], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)

    def no_hashing(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    with monkeypatch.context() as patch:
        patch.setattr(listing, "file_digest", no_hashing)
        again = open_set("clic2020-test", tmp_path)
    assert (again, again.digest) == (first, first.digest)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "listing",
    ["", "id,file\n", "id,file,nbytes,sha256\nx,y,z,\n", "\0\xff"],
    ids=["empty", "columns missing", "no hash", "binary"],
)
def test_a_damaged_manifest_is_made_anew(
    listing: str, small_clic: dict[str, bytes], server: Any, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    manifest = tmp_path / "clic" / "manifest.csv"
    whole = manifest.read_text(encoding="utf-8")
    manifest.write_text(listing, encoding="latin-1")
    assert open_set("clic2020-test", tmp_path) == first
    assert manifest.read_text(encoding="utf-8") == whole


def test_a_changed_image_of_clic_is_found(small_clic: dict[str, bytes], server: Any, tmp_path: Path) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    clic = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    image = tmp_path / "clic" / "professional" / "a.png"
    content = image.read_bytes()
    image.write_bytes(encoded(noise(4, 512, 768))[: len(content)].ljust(len(content), b"\0"))
    same_size = open_set("clic2020-test", tmp_path)
    with pytest.raises(SetError, match=r"^a\.png has changed since the set was opened$"):
        same_size.load("professional/a")
    image.write_bytes(content + b"\0")
    with pytest.raises(SetError, match="has changed since"):
        open_set("clic2020-test", tmp_path)
    image.write_bytes(content)
    assert open_set("clic2020-test", tmp_path) == clic


def test_clic_archives_put_there_by_hand_are_used_and_kept(small_clic: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "clic"
    root.mkdir()
    for name, data in small_clic.items():
        (root / name).write_bytes(data)
    assert len(open_set("clic2020-test", tmp_path).sources) == 3
    assert files_below(root) == sorted([*CLIC_FILES, *small_clic])


def test_a_wrong_clic_archive_is_refused(small_clic: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "clic"
    root.mkdir()
    (root / "mobile.zip").write_bytes(small_clic["mobile.zip"][:-1])
    with pytest.raises(SetError, match=r"mobile\.zip is not the expected archive of \d+ bytes"):
        open_set("clic2020-test", tmp_path)
    assert files_below(root) == ["mobile.zip"]


def test_a_clic_folder_unpacked_by_the_user_is_accepted(small_clic: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "clic" / "all of it"
    root.mkdir(parents=True)
    for number in range(3):
        (root / f"{number}.png").write_bytes(png(number, 512, 768))
    clic = open_set("clic2020-test", tmp_path)
    assert [source.id for source in clic.sources] == ["0", "1", "2"]


def test_clic_of_the_wrong_count_says_what_was_found_where(small_clic: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "clic"
    (root / "mobile").mkdir(parents=True)
    (root / "mobile" / "a.png").write_bytes(png(1))
    with pytest.raises(SetError, match=r"expected 3 images below .*clic, found 1") as caught:
        open_set("clic2020-test", tmp_path)
    assert f"https://data.vision.ee.ethz.ch/cvl/clic/test/mobile.zip as {root / 'mobile.zip'}" in str(caught.value)


def test_nothing_is_downloaded_beside_images_that_could_not_be_made_complete(
    small_clic: dict[str, bytes], server: Any, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    (tmp_path / "clic").mkdir()
    (tmp_path / "clic" / "a.png").write_bytes(png(1))
    with pytest.raises(SetError, match="found 1: "):
        open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    assert server.asked == []


def test_only_the_missing_part_of_clic_is_downloaded(small_clic: dict[str, bytes], server: Any, tmp_path: Path) -> None:
    server.files = {"/professional.zip": small_clic["professional.zip"]}
    root = tmp_path / "clic"
    root.mkdir()
    (root / "mobile.zip").write_bytes(small_clic["mobile.zip"])
    assert len(open_set("clic2020-test", tmp_path, download=True, mirror=server.url).sources) == 3
    assert server.asked == ["/professional.zip"]
    assert files_below(root) == sorted([*CLIC_FILES, "mobile.zip"])


def test_a_read_only_clic_folder_is_hashed_each_time(
    small_clic: dict[str, bytes], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    (tmp_path / "clic" / "manifest.csv").unlink()

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    assert open_set("clic2020-test", tmp_path) == first
    assert files_below(tmp_path / "clic") == CLIC_FILES[1:]
