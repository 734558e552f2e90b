"""The doctor finds what is here, what is lacking, and what is broken."""

import importlib.metadata
from pathlib import Path

import pytest
from codecshift.benchmark.report.doctor import findings
from codecshift.benchmark.store.provenance import LIBRARIES
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import BUILT_IN


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECSHIFT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def found() -> dict[str, tuple[bool, str]]:
    return {topic: (sound, what) for sound, topic, what in findings()}


def test_every_topic_of_every_codec_is_spoken_of_once() -> None:
    topics = [topic for _, topic, _ in findings()]
    assert len(topics) == len(set(topics))
    expected = {"codecshift", "python", "processor", *LIBRARIES, "set sample", "set kodak", "set clic2020-test"}
    assert expected | {f"codec {spec.name}" for spec in BUILT_IN} | {"data folder"} <= set(topics)


@pytest.mark.usefixtures("few_codecs")
def test_versions_are_those_installed() -> None:
    topics = found()
    for name in LIBRARIES:
        assert (True, importlib.metadata.version(name)) == topics[name]
    assert topics["codecshift"][1].startswith(importlib.metadata.version("codecshift"))


@pytest.mark.usefixtures("few_codecs")
def test_sets_that_can_be_fetched_are_no_fault(data: Path) -> None:
    topics = found()
    assert topics["set sample"] == (True, "4 images")
    for name in ("set kodak", "set clic2020-test"):
        assert topics[name][0]
        assert topics[name][1].startswith("not here yet: ")
    assert str(data) in topics["data folder"][1]
    assert not data.exists()  # looking makes nothing


@pytest.mark.usefixtures("few_codecs")
def test_a_library_that_is_missing_is_a_fault_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def lacking(name: str) -> str:
        if name == "scipy":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", lacking)
    assert found()["scipy"] == (False, "not installed: pip install scipy")


@pytest.mark.usefixtures("few_codecs")
def test_a_codec_this_machine_lacks_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise CodecUnavailable("no libwebp: install it")

    monkeypatch.setattr("codecshift.codecs.pillow.identify_webp", lacking)
    assert found()["codec webp"] == (False, "no libwebp: install it")


@pytest.mark.usefixtures("few_codecs")
def test_a_broken_plugin_is_a_fault_and_a_sound_one_a_codec(with_plugins: None) -> None:
    topics = found()
    assert topics["plugin faulty (codecshift-bad-codecs)"] == (False, "RuntimeError: this plugin is broken")
    assert topics["codec hang"] == (True, "available")


@pytest.mark.usefixtures("few_codecs")
def test_a_disk_without_space_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.report.doctor.SPACE_WANTED", 10**18)
    assert not found()["data folder"][0]


@pytest.mark.usefixtures("few_codecs")
def test_images_that_are_there_but_damaged_are_a_fault(data: Path) -> None:
    (data / "kodak").mkdir(parents=True)
    for number in range(1, 25):
        (data / "kodak" / f"kodim{number:02}.png").write_bytes(b"damaged")
    sound, what = found()["set kodak"]
    assert "is damaged" in what
    assert not what.startswith("not here yet")
    assert not sound


@pytest.mark.usefixtures("few_codecs")
def test_two_builds_of_opencv_are_a_fault_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    sound, _ = found()["opencv builds"]
    assert sound
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "5" if name == "opencv-python" else version(name))
    sound, what = found()["opencv builds"]
    assert not sound
    assert "pip uninstall opencv-python && pip install --force-reinstall --no-deps opencv-python-headless" in what
