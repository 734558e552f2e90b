"""The doctor finds what is here, what is lacking, and what is broken."""

import importlib.metadata
from pathlib import Path

import pytest
from codecshift.benchmark.report.codecs import Entry
from codecshift.benchmark.report.doctor import State, _codecs, findings, report
from codecshift.benchmark.store.provenance import LIBRARIES
from codecshift.codecs.contract import probe
from codecshift.codecs.isolated import Isolated
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import BUILT_IN, NEURAL, find


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECSHIFT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def found() -> dict[str, tuple[State, str]]:
    return {topic: (state, what) for state, topic, what in findings()}


@pytest.fixture(scope="module")
def of_all_codecs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[State, str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODECSHIFT_DATA", str(tmp_path_factory.mktemp("data")))
        # As if each had been opened and found to work: the table of codecs does open them.
        patch.setattr(Isolated, "call", lambda _self, function, _spec: {probe: (200, "")}[function])
        return list(findings())


def test_every_topic_of_every_codec_is_spoken_of_once(of_all_codecs: list[tuple[State, str, str]]) -> None:
    topics = [topic for _, topic, _ in of_all_codecs]
    assert len(topics) == len(set(topics))
    expected = {"codecshift", "python", "processor", *LIBRARIES, "set sample", "set kodak", "set clic2020-test"}
    assert expected | {"data folder"} <= set(topics)
    groups = [topic.partition(" ")[2].split(", ") for topic in topics if topic.startswith("codec")]
    names = [name for group in groups for name in group if name]
    assert len(names) == len(set(names))
    assert {spec.name for spec in (*BUILT_IN, *NEURAL)} <= set(names)


def test_no_two_lines_of_codecs_say_the_same(of_all_codecs: list[tuple[State, str, str]]) -> None:
    lines = [(state, what) for state, topic, what in of_all_codecs if topic.startswith(("codec ", "codecs "))]
    assert len(lines) == len(set(lines))


def test_a_program_that_the_user_may_bring_is_optional() -> None:
    absent, broken = find("bpg")[0], find("jpeg")[0]
    lines = list(_codecs([Entry(absent, "", None, "no program bpgdec"), Entry(broken, "lib 1", None, "died")]))
    assert lines == [("--", "codec bpg", "no program bpgdec"), ("!!", "codec jpeg", "died")]
    assert report(lines).sheets[0].notes == ["--: optional, not on this machine.", "1 of these needs attention"]
    assert report([("ok", "codec jpeg", "works")]).sheets[0].notes == ["all is well"]


@pytest.mark.usefixtures("few_codecs")
def test_versions_are_those_installed() -> None:
    topics = found()
    for name in LIBRARIES:
        assert ("ok", importlib.metadata.version(name)) == topics[name]
    assert topics["codecshift"][1].startswith(importlib.metadata.version("codecshift"))


@pytest.mark.usefixtures("few_codecs")
def test_sets_that_can_be_fetched_are_no_fault(data: Path) -> None:
    topics = found()
    assert topics["set sample"] == ("ok", "4 images")
    for name in ("set kodak", "set clic2020-test"):
        assert topics[name][0] == "--"
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
    assert found()["scipy"] == ("!!", "not installed: pip install scipy")


@pytest.mark.usefixtures("few_codecs")
def test_a_codec_this_machine_lacks_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise CodecUnavailable("no libwebp: install it")

    monkeypatch.setattr("codecshift.codecs.pillow.identify_webp", lacking)
    assert found()["codec webp"] == ("!!", "no libwebp: install it")


@pytest.mark.usefixtures("few_codecs")
def test_a_broken_plugin_is_a_fault_and_a_sound_one_a_codec(with_plugins: None) -> None:
    topics = found()
    assert topics["plugin faulty (codecshift-bad-codecs)"] == ("!!", "RuntimeError: this plugin is broken")
    assert [topics[topic] for topic in topics if "hang" in topic.split(", ")] == [("ok", "works")]


@pytest.mark.usefixtures("few_codecs")
def test_a_disk_without_space_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.benchmark.report.doctor.SPACE_WANTED", 10**18)
    assert found()["data folder"][0] == "!!"


@pytest.mark.usefixtures("few_codecs")
def test_images_that_are_there_but_damaged_are_a_fault(data: Path) -> None:
    (data / "kodak").mkdir(parents=True)
    for number in range(1, 25):
        (data / "kodak" / f"kodim{number:02}.png").write_bytes(b"damaged")
    state, what = found()["set kodak"]
    assert "is damaged" in what
    assert state == "!!"


@pytest.mark.usefixtures("few_codecs")
def test_two_builds_of_opencv_are_a_fault_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    assert found()["opencv builds"][0] == "ok"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "5" if name == "opencv-python" else version(name))
    state, what = found()["opencv builds"]
    assert state == "!!"
    assert "pip uninstall opencv-python && pip install --force-reinstall --no-deps opencv-python-headless" in what
