"""Downloads and archives, from a server on this machine that can be told to misbehave."""

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from codecshift.corruptions.download import ATTEMPTS, DownloadError, fetch, unpack, user_cache
from codecshift.corruptions.sets import default_data_dir

CONTENT = np.random.default_rng(3).bytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_whole_and_progress_is_told(server: Any, tmp_path: Path) -> None:
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


def test_a_wrong_hash_is_refused_and_nothing_is_left(server: Any, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT[::-1]
    with pytest.raises(
        DownloadError, match=r"^the downloaded file does not have the expected sha256: http://127.* by hand"
    ):
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert files_below(tmp_path) == []


def test_a_cut_connection_is_tried_again(server: Any, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    server.cuts = 1
    fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2
    assert files_below(tmp_path) == ["a.bin"]


def test_a_connection_that_is_always_cut_leaves_nothing(server: Any, tmp_path: Path) -> None:
    server.files["/a.bin"] = CONTENT
    server.cuts = 99
    with pytest.raises(DownloadError, match=r"^the connection failed or was cut: ") as caught:
        fetch(f"{server.url}a.bin", tmp_path / "a.bin", SHA256)
    assert f"save that file as {tmp_path / 'a.bin'}" in str(caught.value)
    assert len(server.asked) == ATTEMPTS
    assert files_below(tmp_path) == []


def test_a_missing_file_is_named_with_the_way_out(server: Any, tmp_path: Path) -> None:
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


def test_a_full_disk_is_said_to_be_full(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_folder_that_cannot_be_made(server: Any, tmp_path: Path) -> None:
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
        pytest.param({"a.png": bytes(101)}, "unpacks to 101 bytes, expected at most 100", id="too large"),
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
