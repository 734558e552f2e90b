"""Plugins with every fault there is: each is named by `codecs`, `doctor`, `check`, `run`, and costs only its rows."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from codecshift.benchmark import store
from codecshift.benchmark.measure import sitting as run
from codecshift.benchmark.report import codecs as fairness
from codecshift.benchmark.store import facts
from codecshift.codecs import registry
from codecshift.codecs.registry import catalogue

Command = Callable[..., "subprocess.CompletedProcess[str]"]

IMPORTS = {
    "unimportable": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "endless": ("threading.Event().wait()", "no answer within 3 s"),
    "killing": ("import os; os.kill(os.getpid(), 9)", "its process died of SIGKILL"),
    "leaving": ("import os; os._exit(0)", "its process ended with exit code 0"),
    "exiting": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "crashing": ("import ctypes; ctypes.string_at(0)", "its process died of SIGSEGV"),
    "duplicate": ("SPEC = made('jpeg')", "the name 'jpeg' is taken by codecshift"),
    "dictionary": ("SPEC = {'name': 'x'}", "TypeError: expected a codecshift Spec, got dict"),
    "pointless": ("SPEC = Spec('none', 'x:y', ())", "ValueError: codec 'none' has no operating points"),
}
"""What goes wrong when a plugin is imported: the module's code, and the fault that is told."""

HEADER = """
import ctypes, os, sys, threading
from contextlib import contextmanager
import numpy as np
from codecshift.codecs.identity import Identity
from codecshift.codecs.protocol import CodecUnavailable, Point, Spec

def made(name, load="nowhere:load", **facts):
    return Spec(name, load, (Point("p"),), **facts)

"""
MISBEHAVING = (
    HEADER
    + """
def at(place, do):
    class Misbehaving(Identity):
        def encode(self, image):
            before = super().encode(image)
            if place == "encode":
                do(image)
            return before

        def decode(self, data):
            seen = super().decode(data)
            return do(seen) if place == "decode" else seen

    @contextmanager
    def load():
        if place == "load":
            do(None)
        yield Misbehaving()

    return load

def complain(image):
    raise RuntimeError("no licence")

def wait(_):
    threading.Event().wait()

def scribble(image):
    image[:] = 7

def hoard(image):
    KEPT.append(np.ones(20 * 2**20, np.uint8))

def lacking():
    raise CodecUnavailable("no such program: apt install it")

KEPT = []
load_raises = at("load", complain)
encode_raises = at("encode", complain)
wrong_shape = at("decode", lambda seen: seen[: len(seen) // 2 + 1, :1])
wrong_dtype = at("decode", lambda seen: seen / 255)
writes = at("encode", scribble)
leaks = at("encode", hoard)
hangs = at("encode", wait)
segfault = at("encode", lambda image: ctypes.string_at(0))
os_exit = at("encode", lambda image: os._exit(0))
sys_exit = at("encode", lambda image: sys.exit(3))
healthy = at("nowhere", None)
NAMES = ("load_raises", "encode_raises", "wrong_shape", "wrong_dtype", "writes", "leaks", "hangs", "segfault",
         "os_exit", "sys_exit", "healthy")
SPECS = [made(name, f"misbehaving:{name}") for name in NAMES]
SPECS.append(made("unavailable", "misbehaving:healthy", identify="misbehaving:lacking"))
"""
)

TRIED = {
    "load_raises": "raised CodecUnavailable: load_raises cannot be opened: RuntimeError: no licence",
    "encode_raises": "raised RuntimeError: no licence",
    "wrong_shape": "decode returned uint8 (5, 1, 3), expected uint8 (8, 8, 3)",
    "wrong_dtype": "decode returned float64 (8, 8, 3), expected uint8 (8, 8, 3)",
    "writes": "encode wrote to its input",
    "leaks": "leaks memory: 20 MiB each time an 8x8 image is encoded and decoded",
    "hangs": "no answer within 6 s",
    "segfault": "its process died of SIGSEGV",
    "os_exit": "its process ended with exit code 0",
    "sys_exit": "raised SystemExit: 3",
    "unavailable": "no such program: apt install it",
}
"""What is told of each codec that misbehaves once it is opened."""

LAWS = {
    "encode_raises": {"shape": "raised RuntimeError: no licence"},
    "wrong_shape": {"shape": r"decode returned uint8 \(9, 1, 3\), expected uint8 \(17, 33, 3\)"},
    "wrong_dtype": {"shape": r"decode returned float64 \(1, 1, 3\), expected uint8 \(1, 1, 3\)"},
    "writes": {"input-untouched": "encode changed the 1x1 image it was given"},
    "leaks": {"memory": r"encoding and decoding a 128x96 image 16 times left 32\d.\d MiB in memory, 20.\d\d each time"},
    "hangs": dict.fromkeys(("shape", "same-bytes", "fresh-decoder"), "no answer within 1 s"),
    "segfault": {"shape": "its process died of SIGSEGV"},
    "os_exit": {"shape": "its process ended with exit code 0"},
    "sys_exit": {"shape": "raised SystemExit: 3"},
    "healthy": {},
}
"""Laws that `check` finds broken, and the counterexample."""

ROWS = {
    "load_raises": "open: CodecUnavailable: load_raises cannot be opened: RuntimeError: no licence",
    "encode_raises": "open: RuntimeError: no licence",
    "wrong_shape": r"decode: TypeError: decode returned uint8 \(86, 1, 3\), expected uint8 \(170, 190, 3\)",
    "wrong_dtype": r"decode: TypeError: decode returned float64 \(170, 190, 3\), expected uint8 \(170, 190, 3\)",
    "writes": "encode: ValueError: .*read-only",
    "hangs": "no answer within 2 s",
    "segfault": "its process died of SIGSEGV",
    "os_exit": "its process ended with exit code 0",
    "sys_exit": "open: SystemExit: 3",
}
"""What the failed rows of each say in a run; a codec that leaks loses none."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One distribution whose entry points each have a fault."""
    folder = tmp_path_factory.mktemp("faulty")
    info = folder / "faulty-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n", encoding="utf-8")
    entries = [f"{name} = faulty_{name}:SPEC" for name in IMPORTS]
    (info / "entry_points.txt").write_text(
        "\n".join(["[codecshift.codecs]", *entries, "late = misbehaving:SPECS", ""]), encoding="utf-8"
    )
    for name, (code, _) in IMPORTS.items():
        (folder / f"faulty_{name}.py").write_text(f"{HEADER}{code}\n", encoding="utf-8")
    (folder / "misbehaving.py").write_text(MISBEHAVING, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def faulty(site: Path) -> Iterator[None]:
    """The plugins installed, in this process and in those it starts, and looked at anew, but once for all commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setattr(registry, "SCAN_LIMIT", 3)
        catalogue.cache_clear()
        catalogue()
        yield
    catalogue.cache_clear()
    # Not one of them was imported here.
    assert not {name for name in sys.modules if name.startswith(("faulty_", "misbehaving"))}


@pytest.mark.usefixtures("few_codecs")
def test_codecs_and_doctor_name_every_fault(here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    look = fairness._tried
    looked: list[fairness.Entry] = []

    def once(*arguments: Any) -> Iterator[fairness.Entry]:
        """Look at the codecs for the first command alone, as one that hangs takes its time."""
        looked.extend(() if looked else look(*arguments))
        return iter(looked)

    monkeypatch.setattr(fairness, "_tried", once)
    listed = here("codecs", "--format", "json", "--time-limit", 6)
    assert listed.returncode == 0
    data = json.loads(listed.stdout)
    assert data["faults"] == {f"{name} (faulty)": fault for name, (_, fault) in IMPORTS.items()}
    found = {one["codec"]: one["fault"] for one in data["codecs"]}
    assert {name: fault for name, fault in found.items() if fault} == TRIED
    assert {"jpeg", "healthy"} <= set(found)

    said = here("doctor", "--time-limit", 6, "--format", "json")
    assert said.returncode == 0
    topics = {line["topic"]: (line["state"], line["what"]) for line in json.loads(said.stdout)}
    wrong = {f"plugin {name} (faulty)": fault for name, (_, fault) in IMPORTS.items()}
    wrong |= {f"codec {name}": fault for name, fault in TRIED.items()}
    assert {topic: what for topic, (state, what) in topics.items() if state == "!!"} == wrong
    (of_healthy,) = (finding for topic, finding in topics.items() if "healthy" in topic.replace(",", "").split())
    assert of_healthy == ("ok", "works")


@pytest.mark.parametrize("name", LAWS)
def test_check_names_what_a_codec_breaks(name: str, here: Command) -> None:
    said = here("check", name, "--time-limit", 1 if name == "hangs" else 20)
    assert said.returncode == bool(LAWS[name])
    told = dict(re.findall(r"^BROKEN  ([\w-]+): .*\n        at p: (.*)$", said.stdout, re.MULTILINE))
    for law, fault in LAWS[name].items():
        assert re.fullmatch(fault, told[law])
    if not LAWS[name]:
        assert told == {}
    if name == "hangs":  # each law would take its time
        assert re.search(r"^untried memory: ", said.stdout, re.MULTILINE)
        assert said.stdout.endswith(" not tried: its process died or hung three times in a row\n")
    assert "fault: duplicate (faulty): the name 'jpeg' is taken by codecshift\n" in said.stderr


@pytest.mark.parametrize("name", [name for name in IMPORTS if name != "duplicate"])
def test_what_could_not_be_taken_in_is_refused_by_name(name: str, here: Command) -> None:
    for said in (here("check", name), here("run", "--codec", name)):
        assert said.returncode == 2
        fault = f"the plugin {name} (faulty) could not be loaded: {IMPORTS[name][1]}"
        assert said.stderr.endswith(f"codecshift: unknown codec {name!r}: {fault}\n")


def test_checking_what_this_machine_lacks_says_how_to_get_it(here: Command) -> None:
    said = here("check", "unavailable")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.endswith("codecshift: no such program: apt install it\n")


def test_a_run_of_them_all_ends_with_every_row_of_the_healthy(
    pair: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: Command,
) -> None:
    monkeypatch.setattr(facts, "PROBE_LIMIT", 3)
    monkeypatch.setattr(run, "share", lambda _: 300 * 2**20)
    # Each codec shows what it is on one image after another, until it is given up.
    names = [*ROWS, "leaks", "healthy", "unavailable", "jpeg:q40"]
    options = [option for name in names for option in ("--codec", name)]
    out = tmp_path / "r.sqlite"
    said = here(
        *("run", "--set", f"folder:{pair}", "--corruption", "none", "--corruption", "contrast", "--severity", 1),
        *(*options, "--jobs", 2, "--time-limit", 2, "--out", out),
    )
    assert said.returncode == 0, said.stderr
    assert "left out: unavailable: no such program: apt install it" in said.stderr
    table = store.read(out)
    assert len(table) == 4 * (len(names) - 1)
    ok = table[table["status"] == "ok"]
    assert ok["codec"].value_counts().to_dict() == {"leaks": 4, "healthy": 4, "jpeg": 4}
    faults = store.faults(out)
    assert set(faults["codec"]) == set(ROWS)
    skipped = faults["message"].str.startswith("not tried: the last 3 times its process died or hung")
    for name, message in ROWS.items():
        for told in faults[(faults["codec"] == name) & ~skipped]["message"]:
            assert re.match(message, told), told
    (provenance,) = store.runs(out).values()
    measured = {name: one["header_bytes"] for name, one in provenance["codecs"].items()}
    assert measured.pop("jpeg") > 100
    assert {name for name, size in measured.items() if size == 200} == {
        *("wrong_shape", "wrong_dtype", "writes", "leaks", "healthy")
    }
    assert {size for size in measured.values() if size != 200} == {None}
