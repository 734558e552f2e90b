"""What the fairness table states is what the codecs are set to, and what it measured is so."""

import csv
import io
import json
from dataclasses import replace

import pytest
from codecshift.benchmark.report import codecs as fairness
from codecshift.benchmark.report.codecs import Entry, entries, facts
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
    assert found[0] == Entry(specs["hang"], "", 200, "")
    assert found[1].header_bytes is None
    assert found[1].fault.startswith("raised CodecUnavailable: hang cannot be opened: AttributeError: ")
    assert found[2].fault == ""
    assert headers([broken, JPEG]) == {"hang": None, "jpeg": found[2].header_bytes}


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    list(entries(BUILT_IN[:3], 60, lambda done, total: told.append((done, total))))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_formats_say_the_same(table: list[Entry]) -> None:
    odd = Spec("odd", "here:load", (Point("p"),), settings="a | b", process=True, threads=4)
    table = [*table, Entry(odd, "lib 1", None, "its process died of SIGSEGV")]
    data = json.loads(fairness.as_json(table, {"bad (dist)": "no"}))
    assert data["faults"] == {"bad (dist)": "no"}
    assert data["codecs"] == [facts(entry) for entry in table]
    text = fairness.as_csv(data["codecs"], ["codec", *FACTS, "fault"])
    for line, one in zip(csv.DictReader(io.StringIO(text)), data["codecs"], strict=True):
        assert line == {name: "" if one[name] is None else str(one[name]) for name in line}
    markdown = fairness.as_markdown(table).splitlines()
    assert [line.split("`")[1] for line in markdown[2:]] == [one["codec"] for one in data["codecs"]]
    assert markdown[-1] == (
        r"| `odd` | p | ? | 8 bit | ? | ? | 4 | in the times | a \| b | - | lib 1 - its process died of SIGSEGV |"
    )
    jpeg = data["codecs"][[one["codec"] for one in data["codecs"]].index("jpeg")]
    expected = {"chroma": "4:2:0", "bit_depth": 8, "colour": "BT.601 full", "threads": 1, "process": False}
    assert {name: jpeg[name] for name in expected} == expected
    assert jpeg["ladder"].split()[0] == "q4"
