"""What the fairness table states is what the codecs are set to, and what it measured is so."""

import csv
import io
import json
from dataclasses import replace

import pytest
from codecshift.benchmark.report import codecs as fairness
from codecshift.benchmark.report.codecs import Entry, entries, record
from codecshift.benchmark.report.formats import render
from codecshift.benchmark.report.sheet import Format
from codecshift.benchmark.store.facts import FACTS, headers
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec
from codecshift.codecs.registry import BUILT_IN, catalogue, find, identify

JPEG = find("jpeg")[0]


@pytest.fixture(scope="module")
def table() -> list[Entry]:
    return list(entries(BUILT_IN))


def test_every_codec_is_in_the_table_as_it_is_set(table: list[Entry]) -> None:
    assert [entry.spec for entry in table] == list(BUILT_IN)
    for entry in table:
        if not entry.fault:
            assert entry.library == identify(entry.spec)
            assert entry.header_bytes
            assert entry.container_bytes is not None
            assert entry.container_bytes >= entry.header_bytes


def test_header_bytes_are_the_same_in_this_process_and_apart(table: list[Entry]) -> None:
    assert headers(BUILT_IN) == {entry.spec.name: entry.header_bytes for entry in table}
    assert headers([replace(find("identity")[0], kind="neural")]) == {"identity": 200}


def test_a_codec_that_cannot_be_had_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> str:
        raise CodecUnavailable("no libwebp: install it")

    monkeypatch.setattr("codecshift.codecs.pillow.identify_webp", lacking)
    webp = find("webp")[0]
    assert list(entries([webp])) == [Entry(webp, "", None, "no libwebp: install it")]


def test_what_a_codec_does_to_its_process_is_its_fault_alone(with_plugins: None) -> None:
    specs = catalogue().specs
    broken = replace(specs["hang"], load="codecshift_bad_codecs:no_such_thing")
    found = list(entries([specs["hang"], broken, JPEG]))
    assert found[0] == Entry(specs["hang"], "", 200, "", 8 + 3 * 512 * 768)
    assert found[1].header_bytes is None
    assert found[1].fault.startswith("raised CodecUnavailable: hang cannot be opened: AttributeError: ")
    assert found[2].fault == ""
    assert headers([broken, JPEG]) == {"hang": None, "jpeg": found[2].header_bytes}


def test_a_codec_that_is_not_opened_is_in_the_table_without_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecshift.codecs.isolated.Isolated.call", None)
    assert list(entries([JPEG], unopened=["jpeg"])) == [Entry(JPEG, identify(JPEG), None, "")]


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    list(entries(BUILT_IN[:3], 60, lambda done, total: told.append((done, total))))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_formats_say_the_same() -> None:
    odd = Spec("odd", "here:load", (Point("p"),), settings="a | b", process=True, threads=4)
    table = [*entries([find("identity")[0], JPEG]), Entry(odd, "lib 1", None, "its process died of SIGSEGV")]
    report = fairness.report(table, {"bad (dist)": "no"})
    data = json.loads(render(report, Format.json))
    assert data["faults"] == {"bad (dist)": "no"}
    assert data["codecs"] == [record(entry) for entry in table]
    for line, known in zip(csv.DictReader(io.StringIO(render(report, Format.csv))), data["codecs"], strict=True):
        assert list(line) == ["codec", "ladder", *FACTS, "container_bytes", "fault"]
        assert line == {name: "" if known[name] is None else str(known[name]) for name in line}
    lines = [line for line in render(report, Format.markdown).splitlines() if line.startswith("| ")]
    assert r"| odd | - | a \| b | lib 1 - its process died of SIGSEGV |" in lines
    assert "| odd | p | ? | 8 bit | ? | ? | 4 | in the times | - |" in lines
    for codec in data["codecs"]:
        assert sum(line.startswith(f"| {codec['codec']} |") for line in lines) == 2
    jpeg = data["codecs"][[one["codec"] for one in data["codecs"]].index("jpeg")]
    expected = {"chroma": "4:2:0", "bit_depth": 8, "colour": "BT.601 full", "threads": 1, "process": False}
    assert {name: jpeg[name] for name in expected} == expected
    assert jpeg["ladder"].split()[0] == "q3"
