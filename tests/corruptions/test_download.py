"""Downloads and archives, from a server on this machine that can be told to misbehave."""

import errno
import hashlib
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from codecshift.corruptions import sets
from codecshift.corruptions.download import ATTEMPTS, DownloadError, fetch, unpack, user_cache
from codecshift.corruptions.pixels import pixel_digest
from codecshift.corruptions.sets import Archive, SetError, default_data_dir, open_set

CONTENT = np.random.default_rng(3).bytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What a local server serves, by path; `cuts` says how many answers end halfway before one is whole."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if served.cuts > 0:
                served.cuts -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)  # pooch waits between attempts
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        served = Server(f"http://127.0.0.1:{http.server_port}/")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        http.shutdown()
        thread.join()


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_whole_and_progress_is_told(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    told: list[tuple[str, int, int]] = []
    target = tmp_path / "new" / "folder" / "a.bin"
    fetch(f"{server.url}a.bin", target, SHA256, progress=lambda *state: told.append(state))
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o644
    assert files_below(tmp_path) == ["new/folder/a.bin"]
    assert {(task, total) for task, _, total in told} == {("downloading a.bin", len(CONTENT))}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)


def test_a_wrong_hash_is_refused_and_nothing_is_left(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT[::-1]
    with pytest.raises(DownloadError, match=r"^what arrived does not have the expected sha256: http://127.* by hand"):
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert files_below(tmp_path) == []


def test_a_cut_connection_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    server.cuts = 1
    fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert files_below(tmp_path) == ["a.bin"]


def test_a_connection_that_is_always_cut_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    server.cuts = 99
    with pytest.raises(DownloadError, match=r"^the connection failed or was cut: ") as caught:
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert f"save that file as {tmp_path / 'a.bin'}" in str(caught.value)
    assert len(server.asked) == ATTEMPTS
    assert files_below(tmp_path) == []


def test_a_missing_file_is_named_with_the_way_out(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    expected = f"the server answered HTTP 404: {server.url}a.bin; to do it by hand, save that file as {tmp_path}/a.bin"
    assert expected == str(caught.value)
    assert files_below(tmp_path) == []


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/a.bin"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pooch.core.time.sleep", lambda _: None)
        patch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(DownloadError, match=r"^the connection failed or was cut: "):
            fetch(url, tmp_path / "a.bin", SHA256)


def test_a_full_disk_is_said_to_be_full(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.files["/a.bin"] = CONTENT
    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(DownloadError, match=r"^the disk is full: "):
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert files_below(tmp_path) == []
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DownloadError, match=r"^cannot unpack .*: the disk is full$"):
        unpack(packed(tmp_path / "a.zip", {"a.png": b"1"}), tmp_path / "out", max_bytes=99)
    assert files_below(tmp_path) == ["a.zip"]


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"^Not a directory: "):
        fetch(f"{server.url}a.bin", tmp_path / "file" / "kodak" / "a.bin", SHA256)


def packed(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def test_an_archive_is_unpacked_flat_and_only_its_images(tmp_path: Path) -> None:
    members = {
        "test/": b"",
        "test/one.png": b"1",
        "test/deeper/two (2).JPG": b"22",
        "test/LICENSE.txt": b"no",
        "test/.hidden.png": b"no",
        "__MACOSX/test/._one.png": b"no",
        "run.sh": b"no",
    }
    told: list[tuple[str, int, int]] = []
    archive = packed(tmp_path / "a.zip", members)
    unpack(archive, tmp_path / "in" / "out", max_bytes=3, progress=lambda *state: told.append(state))
    assert files_below(tmp_path / "in") == ["out/one.png", "out/two (2).JPG"]
    assert (tmp_path / "in" / "out" / "one.png").read_bytes() == b"1"
    assert told == [("unpacking a.zip", 1, 3), ("unpacking a.zip", 3, 3)]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        pytest.param({"ok.png": b"1", "../escape.png": b"1"}, "points outside the folder", id="parent"),
        pytest.param({"a/../../escape.png": b"1"}, "points outside the folder", id="parent, deeper"),
        pytest.param({"..\\escape.png": b"1"}, "points outside the folder", id="parent, backslash"),
        pytest.param({"/escape.png": b"1"}, "points outside the folder", id="absolute"),
        pytest.param({"C:/escape.png": b"1"}, "points outside the folder", id="drive"),
        pytest.param({"C:escape.png": b"1"}, "points outside the folder", id="drive, relative"),
        pytest.param({"\\\\host\\share\\escape.png": b"1"}, "points outside the folder", id="UNC"),
        pytest.param({"../escape.txt": b"1"}, "points outside the folder", id="not even an image"),
        pytest.param({"a/x.png": b"1", "b/X.PNG": b"2"}, "two images are called 'X.PNG'", id="same name twice"),
        pytest.param({"a.png": bytes(101)}, "unpacks to 101 bytes, more than the 100", id="too large"),
    ],
)
def test_unsafe_archives_are_refused_whole(members: dict[str, bytes], reason: str, tmp_path: Path) -> None:
    archive = packed(tmp_path / "bad.zip", members)
    with pytest.raises(DownloadError, match=f"^cannot unpack .*bad.zip: .*{reason}"):
        unpack(archive, tmp_path / "in" / "out", max_bytes=100)
    assert files_below(tmp_path) == ["bad.zip"]


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DownloadError, match=r"'link\.png' is a link$"):
        unpack(tmp_path / "bad.zip", tmp_path / "out", max_bytes=100)
    assert files_below(tmp_path) == ["bad.zip"]


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    archive = packed(tmp_path / "bomb.zip", {"a.png": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < 20_000
    with pytest.raises(DownloadError, match="unpacks to 10000000 bytes"):
        unpack(archive, tmp_path / "out", max_bytes=40_000)


def test_a_bomb_that_lies_about_its_size_is_cut_and_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "liar.zip", {"a.png": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    size, lie = (10_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, lie))
    with pytest.raises(DownloadError, match="Bad CRC-32"):
        unpack(archive, tmp_path / "out", max_bytes=100)
    assert files_below(tmp_path) == ["liar.zip"]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-30], lambda data: data[-30:-10], lambda data: data.replace(b"1", b"2")],
    ids=["end missing", "not an archive", "wrong checksum"],
)
def test_damaged_archives_are_refused(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    archive = packed(tmp_path / "bad.zip", {"a.png": b"1" * 50})
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DownloadError, match=r"^cannot unpack .*bad\.zip: \S"):
        unpack(archive, tmp_path / "out", max_bytes=100)
    assert files_below(tmp_path) == ["bad.zip"]


def test_an_archive_is_never_unpacked_over_another_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.png").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="cannot unpack"):
        unpack(packed(tmp_path / "a.zip", {"a.png": b"1"}), tmp_path / "out", max_bytes=100)
    assert files_below(tmp_path) == ["a.zip", "out/mine.png"]


def png(seed: int, height: int = 40, width: int = 50) -> bytes:
    return encoded(noise(seed, height, width))


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: np.ndarray) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture
def small_kodak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Three noise images in the place of Kodak's, under a manifest of their own."""
    images = {f"kodim0{number}.png": png(number) for number in (1, 2, 3)}
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    lines = [
        f"{name[:7]},{name},{hashlib.sha256(data).hexdigest()},{pixel_digest(noise(int(name[6])))}\n"
        for name, data in images.items()
    ]
    (manifests / "kodak.csv").write_text("id,file,sha256,pixels\n" + "".join(lines), encoding="utf-8")
    monkeypatch.setattr(sets, "MANIFESTS", manifests)
    return images


def test_kodak_is_downloaded_into_the_data_folder(
    small_kodak: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.files = {f"/kodak/{name}": data for name, data in small_kodak.items()}
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
    small_kodak: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in small_kodak.items()}
    (tmp_path / "kodak").mkdir()
    (tmp_path / "kodak" / "kodim01.png").write_bytes(small_kodak["kodim01.png"])
    (tmp_path / "kodak" / "kodim03.png").write_bytes(small_kodak["kodim03.png"])
    assert len(open_set("kodak", tmp_path, download=True, mirror=server.url).sources) == 3
    assert server.asked == ["/kodim02.png"]


def test_kodak_that_cannot_be_had_says_where_and_how(
    small_kodak: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    place = tmp_path / "kodak" / "kodim01.png"
    with pytest.raises(SetError) as refused:
        open_set("kodak", tmp_path)
    assert f"looked for {place}" in str(refused.value)
    assert "https://r0k.us/graphics/kodak/kodak/kodim01.png" in str(refused.value)
    with pytest.raises(DownloadError, match=r"^the server answered HTTP 404: ") as failed:
        open_set("kodak", tmp_path, download=True, mirror=server.url)
    assert str(place) in str(failed.value)


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
        archives.append(Archive(part, path.name, len(data), hashlib.sha256(data).hexdigest(), images))
    monkeypatch.setattr(sets, "CLIC_ARCHIVES", tuple(archives))
    return contents


CLIC_FILES = ["manifest.csv", "mobile/IMG (2).png", "mobile/a.png", "professional/a.png"]


def test_clic_is_downloaded_unpacked_and_listed(small_clic: dict[str, bytes], server: Server, tmp_path: Path) -> None:
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
    small_clic: dict[str, bytes], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)

    def no_hashing(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    with monkeypatch.context() as patch:
        patch.setattr(sets, "_file_digest", no_hashing)
        again = open_set("clic2020-test", tmp_path)
    assert (again, again.digest) == (first, first.digest)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "listing",
    ["", "id,file\n", "id,file,nbytes,sha256\nx,y,z,\n", "\0\xff"],
    ids=["empty", "columns missing", "no hash", "binary"],
)
def test_a_damaged_manifest_is_made_anew(
    listing: str, small_clic: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    manifest = tmp_path / "clic" / "manifest.csv"
    whole = manifest.read_text(encoding="utf-8")
    manifest.write_text(listing, encoding="latin-1")
    assert open_set("clic2020-test", tmp_path) == first
    assert manifest.read_text(encoding="utf-8") == whole


def test_a_changed_image_of_clic_is_found(small_clic: dict[str, bytes], server: Server, tmp_path: Path) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    clic = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    image = tmp_path / "clic" / "professional" / "a.png"
    content = image.read_bytes()
    image.write_bytes(encoded(noise(4, 512, 768))[: len(content)].ljust(len(content), b"\0"))
    same_size = open_set("clic2020-test", tmp_path)
    with pytest.raises(SetError, match=r"^a\.png is not the file it was when the set was listed$"):
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
    with pytest.raises(SetError, match=r"mobile\.zip is not the archive expected, which has \d+ bytes"):
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
    assert f"https://data.vision.ee.ethz.ch/cvl/clic/test/mobile.zip in {root / 'mobile.zip'}" in str(caught.value)


def test_nothing_is_downloaded_beside_images_that_could_not_be_made_complete(
    small_clic: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    (tmp_path / "clic").mkdir()
    (tmp_path / "clic" / "a.png").write_bytes(png(1))
    with pytest.raises(SetError, match="found 1: "):
        open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    assert server.asked == []


def test_only_the_missing_part_of_clic_is_downloaded(
    small_clic: dict[str, bytes], server: Server, tmp_path: Path
) -> None:
    server.files = {"/professional.zip": small_clic["professional.zip"]}
    root = tmp_path / "clic"
    root.mkdir()
    (root / "mobile.zip").write_bytes(small_clic["mobile.zip"])
    assert len(open_set("clic2020-test", tmp_path, download=True, mirror=server.url).sources) == 3
    assert server.asked == ["/professional.zip"]
    assert files_below(root) == sorted([*CLIC_FILES, "mobile.zip"])


def test_a_read_only_clic_folder_is_hashed_each_time(
    small_clic: dict[str, bytes], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = {f"/{name}": data for name, data in small_clic.items()}
    first = open_set("clic2020-test", tmp_path, download=True, mirror=server.url)
    (tmp_path / "clic" / "manifest.csv").unlink()

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refused)
    assert open_set("clic2020-test", tmp_path) == first
    assert files_below(tmp_path / "clic") == CLIC_FILES[1:]


def test_a_user_without_a_home_has_a_cache_among_the_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "CODECSHIFT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where the system knows no such user
    monkeypatch.setattr("pathlib.Path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert user_cache() == tmp_path / f"codecshift-{os.getuid()}"
    assert default_data_dir() == user_cache()
