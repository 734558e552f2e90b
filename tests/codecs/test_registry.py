"""Codecs are found by label, plugins are taken in or listed as faults, and opening closes what it opened."""

import ctypes
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from codecshift.codecs import registry
from codecshift.codecs.protocol import CodecError, CodecUnavailable, Point, Scale, Spec
from codecshift.codecs.registry import (
    BUILT_IN,
    NEURAL,
    PLUGINS,
    UnknownCodec,
    catalogue,
    find,
    find_point,
    from_plain,
    identify,
    offers,
    open_codec,
)

# --- labels


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_bare_name_is_the_whole_ladder(spec: Spec) -> None:
    assert find(spec.name) == (spec, spec.points)


LADDER = [(spec, point) for spec in BUILT_IN for point in spec.points]


@pytest.mark.parametrize(("spec", "point"), LADDER, ids=[f"{spec.name}:{point.name}" for spec, point in LADDER])
def test_every_point_of_a_ladder_answers_to_its_label(spec: Spec, point: Point) -> None:
    assert find(f"{spec.name}:{point.name}") == (spec, (point,))


@pytest.mark.parametrize(
    ("label", "point"),
    [
        ("jpeg:q75", Point("q75", {"quality": 75})),
        ("jpeg:q075", Point("q75", {"quality": 75})),
        ("jpeg:q55", Point("q55", {"quality": 55})),
        ("jpeg-444:q1", Point("q1", {"quality": 1})),
        ("webp:q100", Point("q100", {"quality": 100})),
        ("avif:q50.0", Point("q50", {"quality": 50})),
        ("jpeg2000:r0.5", Point("r0.5", {"bpp": 0.5})),
        ("jpeg2000:r.50", Point("r0.5", {"bpp": 0.5})),
        ("jpeg2000:r2", Point("r2", {"bpp": 2})),
        ("identity:raw", Point("raw")),
    ],
)
def test_any_value_of_a_codecs_own_scale_is_a_point(label: str, point: Point) -> None:
    spec, points = find(label)
    assert (spec.name, points) == (label.partition(":")[0], (point,))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("jpeg:q0", "jpeg has no point 'q0': expected q1 to q100 in whole steps, got 0"),
        ("jpeg:q101", "jpeg has no point 'q101': expected q1 to q100 in whole steps, got 101"),
        ("jpeg:q7.5", "jpeg has no point 'q7.5': expected q1 to q100 in whole steps, got 7.5"),
        ("jpeg:qnan", "jpeg has no point 'qnan': expected q1 to q100 in whole steps, got 'qnan'"),
        ("jpeg:qinf", "jpeg has no point 'qinf': expected q1 to q100 in whole steps, got 'qinf'"),
        ("jpeg:r0.5", "jpeg has no point 'r0.5': expected q1 to q100 in whole steps, got 'r0.5'"),
        ("jpeg:75", "jpeg has no point '75': expected q1 to q100 in whole steps, got '75'"),
        ("jpeg:", "jpeg has no point '': expected q1 to q100 in whole steps, got ''"),
        ("jpeg:q75:q80", "jpeg has no point 'q75:q80': expected q1 to q100 in whole steps, got 'q75:q80'"),
        ("jpeg2000:r0", "jpeg2000 has no point 'r0': expected r0.01 to r12, got 0"),
        ("jpeg2000:q75", "jpeg2000 has no point 'q75': expected r0.01 to r12, got 'q75'"),
        ("identity:rew", "identity has no point 'rew': expected one of raw (did you mean 'raw'?)"),
        ("identity:q75", "identity has no point 'q75': expected one of raw"),
    ],
)
def test_a_point_that_is_none_is_refused_with_what_was_expected(label: str, expected: str) -> None:
    with pytest.raises(UnknownCodec) as caught:
        find(label)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("name", "nearest"), [("jpg", "jpeg"), ("jpeg-44", "jpeg-444"), ("jpeg200", "jpeg2000"), ("avif420", "avif-420")]
)
def test_an_unknown_codec_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    for label in (name, f"{name}:q75"):
        with pytest.raises(UnknownCodec, match=rf"^unknown codec '{name}' \(did you mean '{nearest}'\?\): "):
            find(label)


@pytest.mark.parametrize("label", ["", ":q75", "zzzzzz"])
def test_where_no_name_is_near_the_command_that_lists_them_is_told(label: str) -> None:
    with pytest.raises(UnknownCodec, match=r"': codecshift codecs lists the codecs$"):
        find(label)


def test_a_codec_without_a_scale_has_its_ladder_only() -> None:
    spec = Spec("made", "here:load", (Point("low", {"x": 1}), Point("high", {"x": 2})))
    assert find_point(spec, "high") == spec.points[1]
    with pytest.raises(UnknownCodec, match=r"made has no point 'hihg': expected one of low, high .did you mean 'high'"):
        find_point(spec, "hihg")


def test_the_built_in_table_is_sound() -> None:
    names = [spec.name for spec in BUILT_IN]
    assert sorted(set(names)) == sorted(names)
    for spec in BUILT_IN:
        points = [point.name for point in spec.points]
        assert points
        assert len(set(points)) == len(points)
        # What the fairness table needs is stated.
        assert "?" not in (spec.chroma, spec.colour)
        assert spec.settings
        if spec.scale:
            assert [spec.scale.parse(name) for name in points] == list(spec.points)
            values = [point.params[spec.scale.parameter] for point in spec.points]
            assert values == sorted(values, reverse=not spec.scale.rising)


# --- plugins

PLUGIN = "plugin_of_the_registry_tests"


def made(name: str, **facts: Any) -> Spec:
    return Spec(name, f"{PLUGIN}:load", (Point("only"),), **facts)


def load_failing() -> Spec:
    raise RuntimeError("no licence")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[dict[str, Any]]]:
    """A function that makes an entry point name its argument, and returns what that process says which imports it."""

    def ask(value: Any) -> list[dict[str, Any]]:
        module = types.ModuleType(PLUGIN)
        vars(module).update(entry=value)
        monkeypatch.setitem(sys.modules, PLUGIN, module)
        return json.loads(json.dumps(offers("entry", f"{PLUGIN}:entry")))

    return ask


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param(made("mine"), ["mine"], id="spec"),
        pytest.param((made("one"), made("two")), ["one", "two"], id="tuple"),
        pytest.param(lambda: made("mine"), ["mine"], id="function"),
        pytest.param(lambda: [made("one"), made("two")], ["one", "two"], id="function-of-several"),
        pytest.param(lambda: (made(name) for name in ("one", "two")), ["one", "two"], id="generator"),
        pytest.param([], [], id="none"),
    ],
)
def test_an_entry_point_names_one_spec_or_several(
    offered: Callable[[Any], list[dict[str, Any]]], value: Any, names: list[str]
) -> None:
    assert [from_plain(one["spec"]) for one in offered(value)] == [made(name) for name in names]


def test_every_fact_of_a_spec_survives_the_way(offered: Callable[[Any], list[dict[str, Any]]]) -> None:
    scale = Scale("q", "quality", 1, 100, rising=False)
    points = (*scale.ladder(80, 9), Point("odd", {"speed": "slow", "bpp": 0.1}))
    spec = Spec(
        *("mine", "here:load:5", points, "neural", scale, "", "4:2:0", 10, "BT.709", "preset 5", 4, True),
        *("tuned", True, "pip install it", 3, "here:prepare", True, ("9", "5")),
    )
    assert all(getattr(spec, field.name) != field.default for field in fields(Spec) if field.name != "identify")
    assert [from_plain(one["spec"]) for one in offered([spec, *BUILT_IN])] == [spec, *BUILT_IN]


class Float64(float):
    """As NumPy's: a float."""


def test_a_library_is_asked_for_with_the_spec(offered: Callable[[Any], list[dict[str, Any]]]) -> None:
    there = made("there", identify="codecshift.codecs.pillow:identify_jpeg")
    missing = made("missing", identify="no_such_module:identify", hint="pip install it")
    silent = replace(made("silent"), points=(Point("only", {"x": Float64(0.5)}),))
    told = [(one["available"], one["library"]) for one in offered([there, missing, silent])]
    assert told[0] == (True, identify(find("jpeg")[0]))
    assert told[1][0] is False
    assert "missing cannot be opened: ModuleNotFoundError" in told[1][1]
    assert told[1][1].endswith("; pip install it")
    assert told[2] == (True, "")


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        pytest.param(load_failing, "RuntimeError: no licence", id="raises"),
        pytest.param("text", "TypeError: expected a codecshift Spec, got str", id="not-a-spec"),
        pytest.param({"name": "mine"}, "TypeError: expected a codecshift Spec, got dict", id="a-dict"),
        pytest.param(lambda: [made("one"), 5], "TypeError: expected a codecshift Spec, got int", id="one-is-none"),
        pytest.param(5, "TypeError: expected a codecshift Spec, got int", id="no-sequence"),
        pytest.param(made("two:words"), "ValueError: expected a codec name without colon", id="colon"),
        pytest.param(made("two words"), "ValueError: expected a codec name without colon", id="space"),
        pytest.param(made(""), "ValueError: expected a codec name without colon", id="no-name"),
        pytest.param(made("x", effort=5), "TypeError: expected effort of a Spec to be str, got 5", id="number"),
        pytest.param(
            made("x", bit_depth="8"), "TypeError: expected bit_depth of a Spec to be int, got '8'", id="depth"
        ),
        pytest.param(made("x", kind="new"), "ValueError: expected kind of codec 'x' to be one of classical", id="kind"),
        pytest.param(made("x", scale="q"), "TypeError: expected a Scale in codec 'x', got str", id="scale"),
        pytest.param(Spec("none", "here:load", ()), "ValueError: codec 'none' has no operating points", id="no-points"),
        pytest.param(
            Spec("x", "here:load", ("q1",)),  # type: ignore[arg-type]
            "TypeError: expected the points of codec 'x' to be of type Point, got str",
            id="point-a-name",
        ),
        pytest.param(
            Spec("x", "here:load", (Point("p"), Point("p"))),
            "ValueError: codec 'x' has two points called 'p'",
            id="same-point",
        ),
        pytest.param(
            Spec("x", "here:load", (Point("p", {"size": (1, 2)}),)),  # type: ignore[dict-item]
            "TypeError: expected size of x:p to be a number or text, got tuple",
            id="parameter",
        ),
    ],
)
def test_what_is_no_spec_that_can_be_used_says_why(
    offered: Callable[[Any], list[dict[str, Any]]], broken: Any, fault: str
) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        offered(broken)
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(fault)


PLUGIN_CODE = """
import os, sys
from codecshift.codecs.protocol import Point, Spec

print("plugins may print")

def made(name, **facts):
    return Spec(name, "codecshift_registry_plugin:load", (Point("only"),), **facts)

mine, jpeg, again = made("mine", settings="1"), made("jpeg", settings="worse"), made("mine", settings="2")
library = made("library", identify="codecshift_registry_plugin:identify")
missing = made("missing", identify="no_such_module:identify", hint="pip install it")

def identify():
    return f"process {os.getpid()}"

def raises():
    raise RuntimeError("no licence")

def leaves():
    sys.exit(3)

def dies():
    os.abort()

def hangs():
    while True:
        pass
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """A function that installs a distribution whose entry points are the objects named, in their order."""

    def install(*names: str, missing: str = "") -> None:
        info = tmp_path / "registry_plugin-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: registry-plugin\nVersion: 1\n", encoding="utf-8")
        entries = [f"{name} = codecshift_registry_plugin:{name}" for name in names]
        (info / "entry_points.txt").write_text("\n".join([f"[{PLUGINS}]", *entries, missing, ""]), encoding="utf-8")
        (tmp_path / "codecshift_registry_plugin.py").write_text(PLUGIN_CODE, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        catalogue.cache_clear()

    yield install
    assert "codecshift_registry_plugin" not in sys.modules
    catalogue.cache_clear()


NAMES = [spec.name for spec in (*BUILT_IN, *NEURAL)]


def test_a_plugin_is_a_codec_and_is_never_imported_here(installed: Callable[..., None]) -> None:
    installed("mine", "library", "missing")
    assert list(catalogue().specs) == [*NAMES, "mine", "library", "missing"]
    spec, points = find("mine:only")
    assert (spec.settings, points) == ("1", (Point("only"),))
    assert identify(spec) == ""
    library = identify(find("library")[0])
    assert re.fullmatch(r"process \d+", library)
    assert library != f"process {os.getpid()}"
    with pytest.raises(CodecUnavailable, match=r"ModuleNotFoundError.*; pip install it"):
        identify(find("missing")[0])
    assert dict(catalogue().faults) == {}


def test_every_broken_plugin_is_a_listed_fault(installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SCAN_LIMIT", 1)
    installed(
        *("raises", "nothing", "leaves", "jpeg", "dies", "mine", "hangs", "again", "library"),
        missing="gone = module_that_nobody_wrote",
    )
    assert list(catalogue().specs) == [*NAMES, "mine", "library"]
    assert catalogue().specs["jpeg"] in BUILT_IN
    assert catalogue().specs["mine"].settings == "1"
    assert {name.removesuffix(" (registry-plugin)"): fault for name, fault in catalogue().faults.items()} == {
        "raises": "RuntimeError: no licence",
        "nothing": "AttributeError: module 'codecshift_registry_plugin' has no attribute 'nothing'",
        "leaves": "SystemExit: 3",
        "jpeg": "the name 'jpeg' is taken by codecshift",
        "dies": "its process died of SIGABRT",
        "hangs": "no answer within 1 s",
        "again": "the name 'mine' is taken by registry-plugin",
        "gone": "ModuleNotFoundError: No module named 'module_that_nobody_wrote'",
    }


def test_asking_for_what_a_broken_plugin_may_have_offered_says_why(installed: Callable[..., None]) -> None:
    installed("raises")
    with pytest.raises(UnknownCodec) as caught:
        find("raises:q5")
    expected = "the plugin raises (registry-plugin) could not be loaded: RuntimeError: no licence"
    assert str(caught.value) == f"unknown codec 'raises': {expected}"


def test_plugins_are_looked_at_only_for_names_that_are_not_built_in(
    installed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("hangs")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("plugins were looked at")

    monkeypatch.setattr(registry, "catalogue", refuse)
    for spec in BUILT_IN:
        assert find(spec.name)[0] is spec
        with suppress(CodecUnavailable):  # some want programs that the user brings
            identify(spec)


def test_no_process_is_started_where_there_is_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [])
    monkeypatch.setattr(subprocess, "Popen", None)
    catalogue.cache_clear()
    assert list(catalogue().specs) == NAMES
    catalogue.cache_clear()


def test_the_catalogue_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        catalogue().specs["mine"] = made("mine")  # type: ignore[index]


# --- opening


class Watched:
    """A context manager that notes what happens to it."""

    def __init__(self, *, swallows: bool = False) -> None:
        self.told: list[type[BaseException] | None] = []
        self.swallows = swallows

    def __enter__(self) -> str:
        return "the codec"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.told.append(kind)
        return self.swallows


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Spec]:
    """A function that returns a spec opened by what it is given."""

    def plug(load: Any, **facts: Any) -> Spec:
        module = types.ModuleType(PLUGIN)
        vars(module).update(load=load)
        monkeypatch.setitem(sys.modules, PLUGIN, module)
        return made("made", **facts)

    return plug


def test_a_codec_is_opened_with_the_points_parameters(plugged: Callable[..., Spec]) -> None:
    @contextmanager
    def load(**params: Any) -> Iterator[Any]:
        yield params

    with open_codec(plugged(load), Point("x", {"quality": 5, "speed": "slow"})) as codec:
        assert codec == {"quality": 5, "speed": "slow"}


def test_a_codec_is_closed_after_the_block(plugged: Callable[..., Spec]) -> None:
    watched = Watched()
    with open_codec(plugged(lambda: watched), Point("only")) as codec:
        assert (codec, watched.told) == ("the codec", [])
    assert watched.told == [None]


@pytest.mark.parametrize("error", [ValueError, CodecError, CodecUnavailable, KeyboardInterrupt, StopIteration])
def test_a_codec_is_closed_when_the_block_raises(plugged: Callable[..., Spec], error: type[BaseException]) -> None:
    watched = Watched()
    raised = error("in the block")
    with pytest.raises(error) as caught, open_codec(plugged(lambda: watched), Point("only")):
        raise raised
    assert caught.value is raised
    assert watched.told == [error]


def test_an_exception_that_the_codec_swallows_is_gone(plugged: Callable[..., Spec]) -> None:
    watched = Watched(swallows=True)
    with open_codec(plugged(lambda: watched), Point("only")):
        raise ValueError
    assert watched.told == [ValueError]


@contextmanager
def unavailable() -> Iterator[Any]:
    raise CodecUnavailable("no such program: apt install it")
    yield


@contextmanager
def failing() -> Iterator[Any]:
    raise OSError("no weights")
    yield


def test_what_fails_on_opening_is_told_as_unavailable(plugged: Callable[..., Spec]) -> None:
    with (
        pytest.raises(CodecUnavailable, match=r"^made cannot be opened: OSError: no weights") as caught,
        open_codec(plugged(failing), Point("only")),
    ):
        pass
    assert isinstance(caught.value.__cause__, OSError)


def _no_such_library() -> object:
    return ctypes.CDLL("libnobodywrote.so")


@pytest.mark.parametrize(
    ("fails", "advised"),
    [
        (lambda: importlib.import_module("module_that_nobody_wrote"), True),
        (_no_such_library, True),
        (lambda: open("no-weights.bin", encoding="utf-8"), False),  # noqa: PTH123, SIM115 - it is never opened
        (lambda: {}["a tensor"], False),
        (lambda: int("weights"), False),
    ],
    ids=["module", "library", "file", "key", "value"],
)
def test_what_to_install_is_said_where_something_to_install_is_lacking(
    fails: Callable[[], object], advised: bool, plugged: Callable[..., Spec]
) -> None:
    with (
        pytest.raises(CodecUnavailable, match=r"^made cannot be opened: ") as caught,
        open_codec(plugged(fails, hint="pip install x"), Point("only")),
    ):
        pass
    assert str(caught.value).endswith("; pip install x") == advised


def test_a_codec_that_says_itself_why_is_left_to_it(plugged: Callable[..., Spec]) -> None:
    with (
        pytest.raises(CodecUnavailable, match=r"^no such program: apt install it$"),
        open_codec(plugged(unavailable, hint="pip install x"), Point("only")),
    ):
        pass


@pytest.mark.parametrize(
    ("load", "fault"),
    [
        ("module_that_nobody_wrote:load", "ModuleNotFoundError"),
        ("codecshift.codecs.identity:lode", "AttributeError"),
        ("codecshift.codecs.identity", "AttributeError"),
        ("codecshift.codecs.identity:Identity", "TypeError|AttributeError"),
    ],
)
def test_a_spec_that_names_nothing_is_unavailable(load: str, fault: str) -> None:
    spec = Spec("made", load, (Point("only"),))
    with pytest.raises(CodecUnavailable, match=rf"^made cannot be opened: ({fault})"), open_codec(spec, spec.points[0]):
        pass


def test_parameters_that_do_not_fit_are_unavailable() -> None:
    spec, _ = find("jpeg")
    with pytest.raises(CodecUnavailable, match="TypeError"), open_codec(spec, Point("x", {"qualty": 5})):
        pass


# --- identity of libraries


def test_a_codec_names_its_library_or_nothing(plugged: Callable[..., Spec]) -> None:
    assert identify(plugged(lambda: "libx 1.2", identify=f"{PLUGIN}:load")) == "libx 1.2"
    assert identify(made("silent")) == ""


def test_a_library_that_is_missing_is_unavailable(plugged: Callable[..., Spec]) -> None:
    with pytest.raises(CodecUnavailable, match=r"^made cannot be opened: RuntimeError: no licence$"):
        identify(plugged(load_failing, identify=f"{PLUGIN}:load"))


def test_the_built_in_codecs_name_their_library() -> None:
    assert {spec.name for spec in BUILT_IN if spec.name != "identity" and not spec.identify} == set()
