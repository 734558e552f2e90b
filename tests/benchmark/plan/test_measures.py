"""Measures of plugins are found in a child process; what is none is a fault, and a wrong name has a nearest one."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.table import BUILT_IN, known
from codecshift.benchmark.plan import measures
from codecshift.benchmark.plan.measures import DEFAULT, catalogue, find, find_all
from codecshift.benchmark.plan.names import UnknownName

PLUGIN = '''
"""Measures of a plugin, one of which takes the name of ours."""
from codecshift.analysis.measures.measure import Measure


class Brightness:
    def prepare(self, image):
        return float(image.mean())

    def compare(self, reference, seen):
        return abs(reference - seen)


def measure(name="brightness", **more):
    facts = {"title": "Brightness", "version": 1, "unit": "level", "better": "lower", "best": 0, "high": 255}
    return Measure(name=name, load="codecshift_bright:Brightness", about="difference in mean", **facts | more)


def both():
    return [measure(), measure("psnr")]


rate = measure("bpp")
number = 3
unloaded = Measure("bright", "Bright", 1, "", "lower", 0, "", "nothing")


def broken():
    raise RuntimeError("this plugin is broken")
'''

ENTRIES = ("both", "rate", "number", "unloaded", "broken")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on the path, is an installed distribution offering measures by real entry points."""
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "codecshift_bright-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: codecshift-bright\nVersion: 0.1\n", encoding="utf-8")
    lines = "".join(f"{entry} = codecshift_bright:{entry}\n" for entry in ENTRIES)
    (info / "entry_points.txt").write_text(f"[codecshift.measures]\n{lines}", encoding="utf-8")
    (folder / "codecshift_bright.py").write_text(PLUGIN, encoding="utf-8")
    return folder


@pytest.fixture
def _with_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    monkeypatch.syspath_prepend(folder)
    catalogue.cache_clear()
    yield
    catalogue.cache_clear()


@pytest.mark.usefixtures("_with_plugin")
def test_the_measures_of_a_plugin_join_the_table() -> None:
    assert find("brightness").title == "Brightness"
    assert find("psnr") is BUILT_IN[0]
    assert dict(catalogue().faults) == {
        "both (codecshift-bright)": "the name 'psnr' is taken by another measure",
        "rate (codecshift-bright)": "ValueError: expected a measure name such as ms_ssim, without _clean at its end, "
        "got 'bpp'",
        "number (codecshift-bright)": "TypeError: expected a codecshift Measure, got int",
        "unloaded (codecshift-bright)": "ValueError: measure 'bright' lacks load, or has an unknown value of better or "
        "axis",
        "broken (codecshift-bright)": "RuntimeError: this plugin is broken",
    }


def test_a_name_that_is_built_in_starts_no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "catalogue", lambda: pytest.fail("plugins were scanned"))
    assert find_all([*DEFAULT, "bpp"]) == BUILT_IN[:2]


@pytest.mark.usefixtures("_with_plugin")
def test_an_unknown_measure_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown measure 'britness': .*\(did you mean 'brightness'\?\)"):
        find("britness")


def test_a_wrong_field_is_named() -> None:
    facts = asdict(BUILT_IN[1]) | {"version": "2"}
    with pytest.raises(TypeError, match="expected version of a Measure to be of type int, got '2'"):
        measures.plain(type(BUILT_IN[1])(**facts))
